using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The options that change constants of the rival methods; each is refused with a method that has no such constant.</summary>
internal static class RivalOptions
{
    private static readonly Method[] Energy = [Method.EnergyOutlierExposure, Method.Berl];

    public static void AddTo(RecipeOptions options)
    {
        options.Add<double>("--energy-weight", "weight of the energy hinges", WithEnergy((e, v) => e with { Weight = v }), Energy);
        options.Add<double>("--energy-margin", "m_in, energy that training images shall be below", WithEnergy((e, v) => e with { InDistributionMargin = v }), Energy);
        options.Add<double>("--energy-outlier-margin", "m_out, energy that outliers shall be above", WithEnergy((e, v) => e with { OutlierMargin = v }), Energy);
        options.Add<double>("--energy-warm-up", "share of the first phase over which the weight rises", WithEnergy((e, v) => e with { WarmUp = v }), Energy);
        AddBerl(options);
        AddCocl(options);
        AddEat(options);
    }

    private static void AddBerl(RecipeOptions options)
    {
        options.Add<double>("--berl-gamma", "exponent of the outlier prior, in margin and weight",
            With<double>((r, v) => r with { Berl = r.Berl with { MarginExponent = v, WeightExponent = v } }), [Method.Berl]);
        options.Add<double>("--berl-lambda", "how far the prior moves the outlier margin",
            With<double>((r, v) => r with { Berl = r.Berl with { MarginSlope = v } }), [Method.Berl]);
        options.Add<bool>("--berl-detach", "whether no gradient flows through the prior",
            With<bool>((r, v) => r with { Berl = r.Berl with { DetachesPrior = v } }), [Method.Berl]);
    }

    private static void AddCocl(RecipeOptions options)
    {
        options.Add<double>("--cocl-outlier-weight", "weight of the outlier column", WithCocl((c, v) => c with { OutlierWeight = v }), [Method.Cocl]);
        options.Add<double>("--cocl-tail-weight", "weight of the tail loss", WithCocl((c, v) => c with { TailWeight = v }), [Method.Cocl]);
        options.Add<double>("--cocl-head-weight", "weight of the head loss", WithCocl((c, v) => c with { HeadWeight = v }), [Method.Cocl]);
        options.Add<double>("--cocl-temperature", "temperature of the tail loss", WithCocl((c, v) => c with { Temperature = v }), [Method.Cocl]);
        options.Add<double>("--cocl-calibration", "tau of the outlier logit calibration", WithCocl((c, v) => c with { Calibration = v }), [Method.Cocl]);
        options.Add<bool>("--cocl-next-head-class", "whether one class more is a head class, as in the authors' code",
            With<bool>((r, v) => r with { Cocl = r.Cocl with { IncludesNextHeadClass = v } }), [Method.Cocl]);
    }

    private static void AddEat(RecipeOptions options)
    {
        options.Add<int>("--eat-heads", "heads over one backbone", WithEat<int>((e, v) => e with { Heads = v }), [Method.Eat]);
        options.Add<int>("--eat-columns", "abstention columns of a head", WithEat<int>((e, v) => e with { AbstentionColumns = v }), [Method.Eat]);
        options.Add<double>("--eat-mixed-weight", "weight of the pasted tail images", WithEat<double>((e, v) => e with { MixedWeight = v }), [Method.Eat]);
        options.Add<double>("--eat-outlier-weight", "weight of the outliers", WithEat<double>((e, v) => e with { OutlierWeight = v }), [Method.Eat]);
        options.Add<double>("--eat-abstention-count", "images that an abstention column counts as in the second phase; 0 leaves it out",
            WithEat<double>((e, v) => e with { AbstentionCount = v }), [Method.Eat]);
    }

    private static Func<Recipe, T, Recipe> WithEat<T>(Func<EatRecipe, T, EatRecipe> change) => With<T>((r, v) => r with { Eat = change(r.Eat, v) });

    private static Func<Recipe, double, Recipe> WithCocl(Func<CoclRecipe, double, CoclRecipe> change) => With<double>((r, v) => r with { Cocl = change(r.Cocl, v) });

    private static Func<Recipe, T, Recipe> With<T>(Func<RivalRecipe, T, RivalRecipe> change) => (r, v) => r with { Rivals = change(r.Rivals, v) };

    private static Func<Recipe, double, Recipe> WithEnergy(Func<EnergyRecipe, double, EnergyRecipe> change) =>
        With<double>((r, v) => r with { Energy = change(r.Energy, v) });
}
