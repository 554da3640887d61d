using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using static Pascl.Training.Recipes.RecipeChecks;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Softmax = Pascl.Training.Networks.Softmax;

namespace Pascl.Training.Methods;

/// <summary>
/// EAT: several heads with abstention columns, virtual labels for outliers, and tail images pasted onto others (Wei et al., AAAI 2024). Its second phase trains the
/// heads of the auxiliary branch over the fixed features of the first, and score and class are read there.
/// </summary>
internal sealed class EatMethod() : MethodDefinition(Method.Eat)
{
    public override IReadOnlyList<RecipeOption> Options => EatRecipe.Options;

    public override bool ChangesPixels(Recipe recipe) => true;

    /// <summary>The second phase of the authors: heads alone, 10 epochs of Adam at 5e-4.</summary>
    public override Recipe Apply(Recipe recipe) => base.Apply(recipe) with
    {
        Finetuned = TrainableParameters.Classifier,
        AuxiliaryBranch = recipe.AuxiliaryBranch with
        {
            Epochs = 10,
            Optimiser = new OptimiserSettings(OptimiserKind.Adam, LearningRate: 5e-4, WeightDecay: 5e-4),
            Schedule = new LearningRateSchedule(),
        },
    };

    public override void Validate(Recipe recipe) => Require(recipe.Views == 2, "The number of views", recipe.Views, "2 for eat, which mixes both");

    public override NetworkHead Head(Recipe recipe, int classCount)
    {
        var eat = recipe.Baselines.Eat;
        return new NetworkHead(classCount, eat.Heads * (classCount + eat.AbstentionColumns)) { Readout = _ => new AbstentionReadout(eat.Heads, classCount) };
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model)
    {
        // The authors call the first and the last 40 % of the classes head and tail; both by the same fraction here.
        var head = HeadClasses.Flags(trainingCounts, recipe.Loss.TailFraction, recipe.Loss.TailRule);
        var mixing = new TailCutMix(recipe.Tail(trainingCounts).Flags, head, recipe.SeedOf(phase: 0));
        return new EatObjective(recipe.Baselines.Eat, Heads(recipe, trainingCounts), mixing);
    }

    public override Objective SecondObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device) =>
        new EatSecondObjective(Heads(recipe, trainingCounts), Adjustment(recipe, trainingCounts), device.Torch);

    /// <summary>tau log prior of the columns in the second phase: of the classes, and of the abstention columns where these count as images.</summary>
    internal static double[] Adjustment(Recipe recipe, int[] trainingCounts)
    {
        var eat = recipe.Baselines.Eat;
        double[] counts = [.. trainingCounts, .. Enumerable.Repeat(eat.AbstentionCount, eat.AbstentionCount > 0 ? eat.AbstentionColumns : 0)];
        return Array.ConvertAll(counts, count => recipe.Loss.LogitAdjustment * Math.Log(count / counts.Sum()));
    }

    private static AbstentionHeads Heads(Recipe recipe, int[] trainingCounts) => new(recipe.Baselines.Eat.Heads, trainingCounts.Length);
}

/// <summary>EAT (Wei et al., AAAI 2024); the values are those of the authors for CIFAR10-LT.</summary>
public sealed record EatRecipe
{
    /// <summary>m, linear heads on one backbone.</summary>
    public int Heads { get; init; } = 3;

    /// <summary>k, abstention columns of a head behind its C classes.</summary>
    public int AbstentionColumns { get; init; } = 3;

    /// <summary>Weight of the tail images that are pasted onto other images.</summary>
    public double MixedWeight { get; init; } = 0.05;

    /// <summary>Weight of the outliers' cross entropy to their virtual labels.</summary>
    public double OutlierWeight { get; init; } = 0.05;

    /// <summary>
    /// Training images that an abstention column counts as in the prior of the second phase; 0 leaves these columns out of its loss (the authors do so on
    /// ImageNet-LT).
    /// </summary>
    public double AbstentionCount { get; init; } = 10_000;

    internal static IReadOnlyList<RecipeOption> Options { get; } =
    [
        Part.Option(
            "--eat-heads", "heads over one backbone", eat => eat.Heads, (eat, value) => eat with { Heads = value },
            "EAT's number of heads", OptionRanges.Between(1, 100)),
        Part.Option(
            "--eat-columns", "abstention columns of a head", eat => eat.AbstentionColumns, (eat, value) => eat with { AbstentionColumns = value },
            "EAT's number of abstention columns", OptionRanges.Between(1, 1000)),
        Part.Option(
            "--eat-mixed-weight", "weight of the pasted tail images", eat => eat.MixedWeight, (eat, value) => eat with { MixedWeight = value },
            "EAT's weight of the mixed images", OptionRanges.Weight),
        Part.Option(
            "--eat-outlier-weight", "weight of the outliers", eat => eat.OutlierWeight, (eat, value) => eat with { OutlierWeight = value },
            "EAT's weight of the outliers", OptionRanges.Weight),
        Part.Option(
            "--eat-abstention-count", "images that an abstention column counts as in the second phase; 0 leaves it out",
            eat => eat.AbstentionCount, (eat, value) => eat with { AbstentionCount = value }, "EAT's count of an abstention column", OptionRanges.Weight),
    ];

    private static RecipePart<EatRecipe> Part => RecipeParts.Baselines.Part(all => all.Eat, (all, value) => all with { Eat = value });
}

/// <summary>
/// L = sum over heads of ( CE(ID rows) + w1 CE(CutMix rows, tail labels) + w2 CE(outliers, virtual labels) ), by torch's operations on every device. A batch
/// without a tail image has no CutMix rows, and their term is 0.
/// </summary>
internal sealed class EatObjective(EatRecipe settings, AbstentionHeads heads, TailCutMix mixing) : Objective
{
    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution", "outliers", "mixed"];

    public override OutputParts Reads => OutputParts.Logits;

    public override Batch Input(Batch batch) => mixing.Append(batch);

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (2N)
        var (classified, outlierCount) = (labels.shape[0], batch.OutlierCount);
        var inDistribution = heads.Labelled(output.Logits.narrow(0, 0, classified), labels);
        var outliers = heads.Virtual(output.Logits.narrow(0, classified, outlierCount));
        var mixed = batch.MixedLabels is { } mixedLabels
            ? heads.Labelled(output.Logits.narrow(0, classified + outlierCount, mixedLabels.shape[0]), mixedLabels)
            : output.Logits.sum() * 0;
        return new LossTerms(
            inDistribution + (settings.MixedWeight * mixed) + (settings.OutlierWeight * outliers), inDistribution, outliers, [mixed]);
    }
}

/// <summary>The second phase of EAT: the sum over the heads of the logit-adjusted cross entropy of the in-distribution images.</summary>
internal sealed class EatSecondObjective : Objective
{
    private readonly AbstentionHeads heads;
    private readonly Tensor adjustment;

    /// <summary>Creates the objective.</summary>
    /// <param name="heads">The heads.</param>
    /// <param name="adjustment">(C) or (C + k): tau log prior of the columns.</param>
    /// <param name="device">Where the outputs are.</param>
    public EatSecondObjective(AbstentionHeads heads, double[] adjustment, Device device)
    {
        this.heads = heads;
        this.adjustment = tensor(adjustment, device: device).DetachFromDisposeScope();
    }

    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution"];

    public override OutputParts Reads => OutputParts.Logits;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        var loss = heads.Adjusted(output.Logits, batch.Labels, adjustment);
        return new LossTerms(loss, loss);
    }

    public override void Dispose()
    {
        adjustment.Dispose();
        base.Dispose();
    }
}

/// <summary>
/// The losses of EAT's m linear heads of C classes and k abstention columns each (Wei et al., AAAI 2024), whose outputs lie side by side in one matrix: the sum
/// over the heads of the mean over the rows.
/// </summary>
/// <param name="heads">m.</param>
/// <param name="classCount">C.</param>
internal sealed class AbstentionHeads(int heads, int classCount)
{
    /// <summary>Cross entropy to the rows' labels.</summary>
    /// <param name="outputs">(B, m (C + k)).</param>
    /// <param name="labels">(B), int64, the same for every head.</param>
    public Tensor Labelled(Tensor outputs, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return CrossEntropy(PerHead(outputs), ForEveryHead(labels)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Cross entropy of outliers to their virtual labels: for each head the abstention column that is highest there now. No gradient flows through the choice.
    /// </summary>
    /// <param name="outputs">(K, m (C + k)).</param>
    public Tensor Virtual(Tensor outputs)
    {
        using var scope = NewDisposeScope();
        var perHead = PerHead(outputs); // (K, m, C + k)
        var abstention = perHead.detach().narrow(2, classCount, perHead.shape[2] - classCount);
        return CrossEntropy(perHead, abstention.argmax(2) + classCount).MoveToOuterDisposeScope();
    }

    /// <summary>Cross entropy of z + adjustment; columns behind those of the adjustment are left out.</summary>
    /// <param name="outputs">(B, m (C + k)).</param>
    /// <param name="labels">(B), int64.</param>
    /// <param name="adjustment">(C) or (C + k): tau log prior.</param>
    public Tensor Adjusted(Tensor outputs, Tensor labels, Tensor adjustment)
    {
        using var scope = NewDisposeScope();
        var adjusted = PerHead(outputs).narrow(2, 0, adjustment.shape[0]) + adjustment.to(outputs.dtype);
        return CrossEntropy(adjusted, ForEveryHead(labels)).MoveToOuterDisposeScope();
    }

    private Tensor PerHead(Tensor outputs) => outputs.reshape(outputs.shape[0], heads, -1);

    // (B) -> (B, m)
    private Tensor ForEveryHead(Tensor labels) => labels.unsqueeze(1).expand(labels.shape[0], heads);

    // (B, m, columns), (B, m)
    private Tensor CrossEntropy(Tensor logits, Tensor labels) => functional.cross_entropy(logits.flatten(0, 1), labels.flatten()) * heads;
}

/// <summary>
/// EAT's reading of m heads of C classes and k abstention columns: the score is the mean over the heads of the probability of the abstention columns, and the
/// class has the highest mean probability. Both are taken from the auxiliary branch, which has what the second phase made of the heads.
/// </summary>
internal sealed class AbstentionReadout(int heads, int classCount) : Readout
{
    public override string ScoreName => "abstention-mass";

    public override string Meaning =>
        "Mean over the heads of the score branch of the softmax probability of all abstention columns; higher = more out-of-distribution.";

    public override Branch ScoreBranch => Branch.Auxiliary;

    /// <summary>m, the number of heads.</summary>
    public int HeadCount => heads;

    /// <summary>C, the number of classes.</summary>
    public int ClassCount => classCount;

    public override double Score(ReadOnlySpan<float> outputs, Branch branch)
    {
        var mass = 0.0;
        var columns = outputs.Length / heads;
        for (var head = 0; head < heads; head++)
        {
            var row = outputs.Slice(head * columns, columns);
            mass += Math.Exp(Softmax.LogSumExp(row[classCount..], temperature: 1) - Softmax.LogSumExp(row, temperature: 1));
        }

        return mass / heads;
    }

    /// <summary>The logarithms of the mean probabilities, which are finite where the outputs are.</summary>
    public override void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits)
    {
        var columns = outputs.Length / heads;
        Span<double> normalisers = stackalloc double[heads];
        for (var head = 0; head < heads; head++)
        {
            normalisers[head] = Softmax.LogSumExp(outputs.Slice(head * columns, columns), temperature: 1);
        }

        for (var c = 0; c < classCount; c++)
        {
            var highest = double.NegativeInfinity;
            for (var head = 0; head < heads; head++)
            {
                highest = Math.Max(highest, outputs[(head * columns) + c] - normalisers[head]);
            }

            var sum = 0.0;
            for (var head = 0; head < heads; head++)
            {
                sum += Math.Exp(outputs[(head * columns) + c] - normalisers[head] - highest);
            }

            logits[c] = (float)(highest + Math.Log(sum / heads));
        }
    }
}
