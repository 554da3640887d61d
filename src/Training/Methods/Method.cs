using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Methods;

/// <summary>The names of the methods that come with Pascl, as recipes and the command line have them; each is a class in <c>Methods/</c>.</summary>
public static class Method
{
    /// <summary>Cross entropy of the in-distribution images alone; no outliers.</summary>
    public const string CrossEntropy = "ce";

    /// <summary>Cross entropy and outlier exposure (Hendrycks et al., ICLR 2019).</summary>
    public const string OutlierExposure = "oe";

    /// <summary>Cross entropy, outlier exposure and the partial asymmetric contrastive loss (Wang et al., ICML 2022).</summary>
    public const string Pascl = "pascl";

    /// <summary>Cross entropy and squared hinges of the energy (Liu et al., NeurIPS 2020).</summary>
    public const string EnergyOutlierExposure = "energy-oe";

    /// <summary>Balanced energy regularisation (Choi et al., CVPR 2023).</summary>
    public const string Berl = "berl";

    /// <summary>Calibrated outlier class learning (Miao et al., AAAI 2024).</summary>
    public const string Cocl = "cocl";

    /// <summary>Dynamic outlier class learning with tail CutMix (Wei et al., AAAI 2024).</summary>
    public const string Eat = "eat";

    /// <summary>Representation norm amplification: logit adjustment and long projections.</summary>
    public const string Rna = "rna";

    /// <summary>An outlier class, and tail images contrasted with the prototypes of their classes.</summary>
    public const string Tscl = "tscl";

    /// <summary>Classes as von Mises-Fisher distributions, temperatures, and a classifier that is calibrated (He et al., arXiv 2408.06742).</summary>
    public const string Patt = "patt";
}

/// <summary>
/// A method: what its network has, what its phases minimise, and how its outputs are read. Each one is a class, listed in <see cref="All"/>; another assembly adds
/// its own by <see cref="Register"/> before it reads a recipe.
/// </summary>
/// <param name="name">Its name on the command line and in <c>recipe.json</c>.</param>
public abstract class MethodDefinition(string name)
{
    private static readonly NamedParts<MethodDefinition> all = new(
        "method", method => method.Name,
        new CrossEntropyMethod(), new OutlierExposureMethod(), new PasclMethod(), new EnergyOutlierExposureMethod(), new BerlMethod(), new CoclMethod(), new EatMethod(),
        new RnaMethod(), new TsclMethod(), new PattMethod());

    /// <summary>All methods in the order of the help text.</summary>
    public static IReadOnlyList<MethodDefinition> All => all.All;

    /// <summary>The method's name on the command line and in <c>recipe.json</c>.</summary>
    public string Name => name;

    /// <summary>Whether the first phase sees outliers.</summary>
    public virtual bool UsesOutliers => true;

    /// <summary>Whether it can make the outliers of the training images where <see cref="VirtualOutlierRecipe.InUse"/> says so.</summary>
    public virtual bool MakesOutliers => false;

    /// <summary>Whether its steps change the pixels of a batch, so that it needs images and not features of them.</summary>
    public virtual bool ChangesPixels(Recipe recipe) => false;

    /// <summary>The options that this method uses and others do not: of its own constants, and of those that it shares with some. The others refuse them.</summary>
    public virtual IReadOnlyList<RecipeOption> Options => [];

    /// <summary>The method of that name.</summary>
    /// <exception cref="InputException">There is none; the message lists them.</exception>
    public static MethodDefinition Find(string name) => all.Find(name);

    /// <summary>Makes a method available by its name.</summary>
    /// <exception cref="ArgumentException">The name is taken, or that of one of its options.</exception>
    public static void Register(MethodDefinition method)
    {
        var known = OptionTable.All.Where(option => option.Name is not null).ToDictionary(option => option.Name!);
        if (method.Options.FirstOrDefault(option => option.Name is { } taken && known.TryGetValue(taken, out var other) && other != option) is { Name: { } name })
        {
            throw new ArgumentException($"There already is an option {name}.", nameof(method));
        }

        all.Add(method);
    }

    /// <summary>Takes back <see cref="Register"/>.</summary>
    internal static void Withdraw(MethodDefinition method) => all.Remove(method);

    /// <summary>
    /// A recipe with another method. What the method before it had otherwise than the preset is taken back: a schedule without finetuning, say, belongs to that method and
    /// not to the recipe. What else was chosen stays.
    /// </summary>
    /// <exception cref="InputException">There is no such method.</exception>
    internal static Recipe Change(Recipe recipe, string name)
    {
        var method = Find(name);
        if (recipe.Method != name)
        {
            var preset = Presets.All.FirstOrDefault(preset => preset.Name == recipe.Preset)?.Recipe ?? Presets.Custom;
            var usual = preset with { StartingRun = recipe.StartingRun };
            recipe = RecipeFile.TakeBack(recipe, changed: Find(recipe.Method).Apply(usual), original: usual);
        }

        return method.Apply(recipe);
    }

    /// <summary>The recipe with this method, and with what the method's source does otherwise than PASCL's.</summary>
    public virtual Recipe Apply(Recipe recipe) => recipe with { Method = name, Views = 2 };

    /// <summary>Throws one sentence where the method cannot use values of others, or several together; <see cref="Options"/> have their ranges themselves.</summary>
    /// <exception cref="InputException">It cannot.</exception>
    public virtual void Validate(Recipe recipe)
    {
    }

    /// <summary>What the network has behind its features.</summary>
    public virtual NetworkHead Head(Recipe recipe, int classCount) => new(classCount);

    /// <summary>Done once before the first step of the first phase, with the weights it starts from.</summary>
    public virtual void Begin(Recipe recipe, DualBranchNetwork model, TrainingData data)
    {
    }

    /// <summary>
    /// Done after the last step of the first phase, with the weights that it ends with: the average, or those of the best epoch. A run that is resumed there does it again, which must
    /// change nothing then.
    /// </summary>
    public virtual void Conclude(Recipe recipe, DualBranchNetwork model, TrainingData data)
    {
    }

    /// <summary>What the first phase minimises.</summary>
    /// <param name="recipe">Weights and constants.</param>
    /// <param name="trainingCounts">(C): training images of each class.</param>
    /// <param name="device">What it computes on.</param>
    /// <param name="model">The network, with what the method keeps in it.</param>
    public abstract Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model);

    /// <summary>What the second phase minimises: here cross entropy of z + tau log prior.</summary>
    /// <param name="recipe">Weights and constants.</param>
    /// <param name="trainingCounts">(C): training images of each class.</param>
    /// <param name="device">What it computes on.</param>
    public virtual Objective SecondObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device) =>
        new LogitObjective(device, adjustment: LogitAdjustment.Of(trainingCounts, recipe.Loss.LogitAdjustment), columns: trainingCounts.Length);
}

/// <summary>Cross entropy of the in-distribution images alone.</summary>
internal sealed class CrossEntropyMethod() : MethodDefinition(Method.CrossEntropy)
{
    public override bool UsesOutliers => false;

    public override IReadOnlyList<RecipeOption> Options => [OptionTable.LabelSmoothing];

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new LogitObjective(device, labelSmoothing: recipe.Loss.LabelSmoothing);
}

/// <summary>Cross entropy and outlier exposure.</summary>
internal sealed class OutlierExposureMethod() : MethodDefinition(Method.OutlierExposure)
{
    public override IReadOnlyList<RecipeOption> Options => [OptionTable.OutlierWeight, OptionTable.LabelSmoothing];

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model) =>
        new LogitObjective(device, recipe.Loss.OutlierWeight, labelSmoothing: recipe.Loss.LabelSmoothing);
}
