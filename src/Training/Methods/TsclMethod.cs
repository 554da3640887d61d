using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>
/// TSCL: an outlier column, and a supervised contrast of tail images with the prototypes of their classes, which are the projections of the classifier's own rows (Neural Networks
/// 2024). Which score the authors use was not at hand: it is the probability of the outlier column here. The second phase has no epochs unless the user asks for them.
/// </summary>
internal sealed class TsclMethod() : MethodDefinition(Method.Tscl)
{
    public override IReadOnlyList<RecipeOption> Options => TsclRecipe.Options;

    public override Recipe Apply(Recipe recipe) => base.Apply(recipe) with { AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };

    public override void Validate(Recipe recipe) => RecipeChecks.Require(recipe.Views == 2, "The number of views", recipe.Views, "2 for tscl, which contrasts them");

    public override NetworkHead Head(Recipe recipe, int classCount) => new(classCount, classCount + 1)
    {
        Readout = _ => new OutlierColumnReadout(new double[classCount], calibratesAuxiliary: false),
    };

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model)
    {
        var tscl = recipe.Baselines.Tscl;
        return new TsclObjective(tscl, new TailClasses(trainingCounts, tscl.TailFraction, recipe.Loss.TailRule).Flags, model.ClassPrototypes);
    }
}

/// <summary>TSCL; the values are those of the authors' release for CIFAR10-LT and CIFAR100-LT.</summary>
public sealed record TsclRecipe
{
    /// <summary>Weight of the outliers' cross entropy to the outlier column.</summary>
    public double OutlierWeight { get; init; } = 1;

    /// <summary>Weight of the contrast.</summary>
    public double ContrastiveWeight { get; init; } = 0.1;

    /// <summary>Temperature of the contrast.</summary>
    public double Temperature { get; init; } = 0.1;

    /// <summary>k, fraction of the classes whose images and prototypes are anchors: those with the fewest training images. Reports go by the recipe's own tail.</summary>
    public double TailFraction { get; init; } = 0.6;

    internal static IReadOnlyList<RecipeOption> Options { get; } =
    [
        Part.Option(
            "--tscl-outlier-weight", "weight of the outlier column", tscl => tscl.OutlierWeight, (tscl, value) => tscl with { OutlierWeight = value },
            "TSCL's weight of the outliers", OptionRanges.Weight),
        Part.Option(
            "--tscl-contrastive-weight", "weight of the contrast with prototypes", tscl => tscl.ContrastiveWeight, (tscl, value) => tscl with { ContrastiveWeight = value },
            "TSCL's weight of the contrast", OptionRanges.Weight),
        Part.Option(
            "--tscl-temperature", "temperature of the contrast", tscl => tscl.Temperature, (tscl, value) => tscl with { Temperature = value },
            "TSCL's temperature", OptionRanges.Positive),
        Part.Option(
            "--tscl-tail-fraction", "fraction of classes that are contrasted", tscl => tscl.TailFraction, (tscl, value) => tscl with { TailFraction = value },
            "TSCL's tail fraction", OptionRanges.Share),
    ];

    private static RecipePart<TsclRecipe> Part => RecipeParts.Baselines.Part(all => all.Tscl, (all, value) => all with { Tscl = value });
}

/// <summary>
/// L = CE(ID, y) + l1 CE(outliers, C) + l2 L_con over C + 1 columns, the last of which means outlier; by torch's operations on every device. L_con is <see cref="PrototypeContrast"/>.
/// </summary>
internal sealed class TsclObjective : Objective
{
    private readonly TsclRecipe settings;
    private readonly bool[] tailFlags;
    private readonly Func<Tensor, Tensor> prototypesOf;

    /// <summary>Creates the objective.</summary>
    /// <param name="settings">Weights and constants.</param>
    /// <param name="tailFlags">(C): whether a class's images and prototype are anchors.</param>
    /// <param name="prototypesOf">Gives the prototypes, unit rows, of classes.</param>
    public TsclObjective(TsclRecipe settings, bool[] tailFlags, Func<Tensor, Tensor> prototypesOf) =>
        (this.settings, this.tailFlags, this.prototypesOf) = (settings, tailFlags, prototypesOf);

    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution", "outliers", "contrastive"];

    public override OutputParts Reads => OutputParts.Logits | OutputParts.Projection;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        var (crossEntropy, outliers) = OutlierColumn.CrossEntropies(output.Logits, batch);
        clock?.Begin(StepPart.ContrastiveLoss);
        var contrastive = Contrast(output.Projection, batch);
        return new LossTerms(
            crossEntropy + (settings.OutlierWeight * outliers) + (settings.ContrastiveWeight * contrastive), crossEntropy, outliers, [contrastive]);
    }

    // Rows are chosen by what the host knows: nothing is read back.
    private Tensor Contrast(Tensor projection, Batch batch)
    {
        using var scope = NewDisposeScope();
        long[] tail = [.. Enumerable.Range(0, tailFlags.Length).Where(label => tailFlags[label]).Select(label => (long)label)];
        var classes = batch.Classes;
        int[] rows = [.. Enumerable.Range(0, batch.Views * classes.Count).Where(row => tailFlags[classes[row % classes.Count]])];
        long[] anchorClasses = [.. rows.Select(row => (long)classes[row % classes.Count]), .. tail];
        var images = projection.index_select(0, HostUpload.Vector([.. rows.Select(row => (long)row)], projection.device));
        var outliers = projection.narrow(0, batch.Views * classes.Count, batch.OutlierCount);
        var prototypes = prototypesOf(HostUpload.Vector(tail, projection.device));
        return PrototypeContrast.Of(cat([images, prototypes]), HostUpload.Vector(anchorClasses, projection.device), outliers, settings.Temperature).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// TSCL's contrast: supervised contrastive learning (Khosla et al., NeurIPS 2020) among the tail images of both views and the prototypes of the tail classes, with the outliers in
/// every denominator. With s_ij = a_i . a_j / temperature, A anchors, O outliers, and P_i the other anchors of i's class:
/// <code>
/// L = 1/|A| sum_{i in A} ( -1/|P_i| sum_{p in P_i} ( s_ip - log sum_{j in A + O, j != i} exp(s_ij) ) )
/// </code>
/// An anchor without positives, such as the prototype of a class without an image in the batch, loses nothing and counts in |A|, as in PASCL's loss.
/// </summary>
internal static class PrototypeContrast
{
    // Far below every similarity, yet finite.
    private const double Excluded = -1e30;

    /// <summary>The loss, a scalar.</summary>
    /// <param name="anchors">(A, d), unit rows: tail images, then prototypes; at least one.</param>
    /// <param name="classes">(A), int64.</param>
    /// <param name="outliers">(K, d), unit rows.</param>
    /// <param name="temperature">Divides the products.</param>
    public static Tensor Of(Tensor anchors, Tensor classes, Tensor outliers, double temperature)
    {
        using var scope = NewDisposeScope();
        var count = anchors.shape[0];
        var isSelf = eye(count, count + outliers.shape[0], dtype: ScalarType.Bool, device: anchors.device); // (A, A + K)
        var similarity = (anchors.mm(cat([anchors, outliers]).t()) / temperature).masked_fill(isSelf, Excluded);
        var isPositive = classes.unsqueeze(1).eq(classes).logical_and_(isSelf.narrow(1, 0, count).logical_not()).to(similarity.dtype); // (A, A)
        var shares = isPositive / isPositive.sum(dim: 1, keepdim: true).clamp_min(1);
        var losses = similarity.log_softmax(1).narrow(1, 0, count) * shares;
        return (losses.sum() / -count).MoveToOuterDisposeScope();
    }
}
