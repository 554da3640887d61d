using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Methods;

/// <summary>
/// COCL: an outlier column, prototypes of the tail classes, a triplet loss of outliers and head images, and calibrated outputs (Miao et al., AAAI 2024). The class
/// prior of the calibration stays in the checkpoint. The second phase has no epochs unless the user asks for them.
/// </summary>
internal sealed class CoclMethod() : MethodDefinition(Method.Cocl)
{
    public override IReadOnlyList<RecipeOption> Options => CoclRecipe.Options;

    public override Recipe Apply(Recipe recipe) =>
        base.Apply(recipe) with { Views = 1, AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };

    public override NetworkHead Head(Recipe recipe, int classCount) => new(classCount, classCount + 1)
    {
        Prototypes = recipe.Tail(new int[classCount]).Count,
        KeepsClassShares = true,
        Readout = prior => new OutlierColumnReadout(
            Array.ConvertAll(prior, share => recipe.Baselines.Cocl.Calibration * Math.Log(share)), calibratesAuxiliary: recipe.AuxiliaryBranch.Epochs == 0),
    };

    public override void Begin(Recipe recipe, DualBranchNetwork model, TrainingData data)
    {
        var counts = data.Training.CountPerClass();
        model.Method!.Keep(Array.ConvertAll(counts, count => count / (double)data.Training.Count));
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model)
    {
        var cocl = recipe.Baselines.Cocl;
        return new CoclObjective(
            cocl,
            model.Method!.Prototypes!,
            recipe.Tail(trainingCounts).Flags,
            HeadClasses.Flags(trainingCounts, cocl.HeadFraction, recipe.Loss.TailRule, cocl.IncludesNextHeadClass ? 1 : 0),
            recipe.SeedOf(phase: 0));
    }
}

/// <summary>COCL (Miao et al., AAAI 2024); the values are those of the authors' release for CIFAR10-LT and CIFAR100-LT.</summary>
public sealed record CoclRecipe
{
    /// <summary>Weight of the outliers' cross entropy to the outlier column.</summary>
    public double OutlierWeight { get; init; } = 0.05;

    /// <summary>Weight of the loss that pulls tail images to their class's prototype and away from the outliers.</summary>
    public double TailWeight { get; init; } = 0.05;

    /// <summary>Weight of the triplet loss that pushes outliers away from head images.</summary>
    public double HeadWeight { get; init; } = 0.1;

    /// <summary>Temperature of the tail loss.</summary>
    public double Temperature { get; init; } = 0.07;

    /// <summary>Margin of the head loss.</summary>
    public double HeadMargin { get; init; } = 1;

    /// <summary>Fraction of the classes that are head classes: those with the most training images.</summary>
    public double HeadFraction { get; init; } = 0.4;

    /// <summary>Whether one class more is a head class, as the comparison in the authors' release has it.</summary>
    public bool IncludesNextHeadClass { get; init; }

    /// <summary>tau of the outlier logit calibration at evaluation, z_c - tau log prior_c for the classes; 0 leaves it out.</summary>
    public double Calibration { get; init; } = 1;

    internal static IReadOnlyList<RecipeOption> Options { get; } =
    [
        Part.Option(
            "--cocl-outlier-weight", "weight of the outlier column", cocl => cocl.OutlierWeight, (cocl, value) => cocl with { OutlierWeight = value },
            "COCL's weight of the outliers", OptionRanges.Weight),
        Part.Option(
            "--cocl-tail-weight", "weight of the tail loss", cocl => cocl.TailWeight, (cocl, value) => cocl with { TailWeight = value },
            "COCL's weight of the tail loss", OptionRanges.Weight),
        Part.Option(
            "--cocl-head-weight", "weight of the head loss", cocl => cocl.HeadWeight, (cocl, value) => cocl with { HeadWeight = value },
            "COCL's weight of the head loss", OptionRanges.Weight),
        Part.Option(
            "--cocl-temperature", "temperature of the tail loss", cocl => cocl.Temperature, (cocl, value) => cocl with { Temperature = value },
            "COCL's temperature", OptionRanges.Positive),
        Part.Option(
            null, "margin of the head loss", cocl => cocl.HeadMargin, (cocl, value) => cocl with { HeadMargin = value },
            "COCL's margin of the head loss", OptionRanges.Weight),
        Part.Option(
            null, "fraction of classes that are head", cocl => cocl.HeadFraction, (cocl, value) => cocl with { HeadFraction = value },
            "COCL's head fraction", OptionRanges.Share),
        Part.Option(
            "--cocl-calibration", "tau of the outlier logit calibration", cocl => cocl.Calibration, (cocl, value) => cocl with { Calibration = value },
            "COCL's calibration", OptionRanges.Weight),
        Part.Option(
            "--cocl-next-head-class", "whether one class more is a head class, as in the authors' code: true or false",
            cocl => cocl.IncludesNextHeadClass, (cocl, value) => cocl with { IncludesNextHeadClass = value }),
    ];

    private static RecipePart<CoclRecipe> Part => RecipeParts.Baselines.Part(all => all.Cocl, (all, value) => all with { Cocl = value });
}

/// <summary>
/// L = CE(ID, y) + l1 CE(outliers, C) + l2 L_tail + l3 L_head over C + 1 columns, the last of which means outlier; by torch's operations on every device.
/// L_tail is <see cref="PrototypeLoss"/> over the first view of the tail images, L_head is <see cref="OutlierTripletLoss"/>.
/// </summary>
internal sealed class CoclObjective : Objective
{
    private readonly CoclRecipe settings;
    private readonly Parameter prototypes;
    private readonly ulong seed;
    private readonly bool[] headFlags;
    private readonly int[] tailIndex;

    /// <summary>Creates the objective.</summary>
    /// <param name="settings">Weights and constants.</param>
    /// <param name="prototypes">(tail classes, d), U; not disposed.</param>
    /// <param name="tailFlags">(C): whether a class has a prototype.</param>
    /// <param name="headFlags">(C): whether its images are pushed away from outliers.</param>
    /// <param name="seed">Seed by which head images are drawn.</param>
    public CoclObjective(CoclRecipe settings, Parameter prototypes, bool[] tailFlags, bool[] headFlags, ulong seed)
    {
        (this.settings, this.prototypes, this.headFlags, this.seed) = (settings, prototypes, headFlags, seed);
        var next = 0;
        tailIndex = Array.ConvertAll(tailFlags, isTail => isTail ? next++ : -1);
    }

    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution", "outliers", "tail", "head"];

    public override OutputParts Reads => OutputParts.Logits | OutputParts.Features;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        var (crossEntropy, outliers) = OutlierColumn.CrossEntropies(output.Logits, batch);
        clock?.Begin(StepPart.ContrastiveLoss);
        var outlierFeatures = output.Features.narrow(0, batch.Views * batch.ClassifiedCount, batch.OutlierCount); // (K, d)
        var (tail, head) = (Tail(output.Features, outlierFeatures, batch), Head(output.Features, outlierFeatures, batch));
        var total = crossEntropy + (settings.OutlierWeight * outliers) + (settings.TailWeight * tail) + (settings.HeadWeight * head);
        return new LossTerms(total, crossEntropy, outliers, [tail, head]);
    }

    private Tensor Tail(Tensor features, Tensor outliers, Batch batch)
    {
        long[] rows = [.. Rows(batch, label => tailIndex[label] >= 0)];
        long[] targets = [.. rows.Select(row => (long)tailIndex[batch.Classes[(int)row]])];
        var anchors = features.index_select(0, HostUpload.Vector(rows, features.device)); // (T, d)
        return PrototypeLoss.Of(anchors, HostUpload.Vector(targets, features.device), prototypes, outliers, settings.Temperature);
    }

    // A head image is drawn for every outlier, with replacement; the same in a resumed run.
    private Tensor Head(Tensor features, Tensor outliers, Batch batch)
    {
        long[] rows = [.. Rows(batch, label => headFlags[label])];
        if (rows.Length == 0)
        {
            return features.sum() * 0;
        }

        var random = new RandomSequence(seed, batch.Position.Epoch, batch.Position.Step, RandomStream.HeadImages);
        var drawn = new long[outliers.shape[0]];
        for (var i = 0; i < drawn.Length; i++)
        {
            drawn[i] = rows[random.Below(rows.Length)];
        }

        return OutlierTripletLoss.Of(outliers, features.index_select(0, HostUpload.Vector(drawn, features.device)), settings.HeadMargin);
    }

    // Rows of the first view, known on the host: nothing is read back.
    private static IEnumerable<long> Rows(Batch batch, Predicate<int> isWanted) =>
        Enumerable.Range(0, batch.Classes.Count).Where(row => isWanted(batch.Classes[row])).Select(row => (long)row);
}

/// <summary>
/// COCL's loss of outliers (Miao et al., AAAI 2024): an outlier is pulled towards the outlier of the batch that is farthest from it, o+, and pushed away from a
/// drawn head image h. Gradients go through all three, not through the choice of o+.
/// <code>
/// L = mean over outliers o of relu( |o - o+| - |o - h| + margin )
/// </code>
/// </summary>
internal static class OutlierTripletLoss
{
    /// <summary>The loss, a scalar.</summary>
    /// <param name="outliers">(K, d): features of the outliers.</param>
    /// <param name="drawn">(K, d): features of the drawn head images.</param>
    /// <param name="margin">The margin.</param>
    public static Tensor Of(Tensor outliers, Tensor drawn, double margin)
    {
        using var scope = NewDisposeScope();
        var farthest = outliers.index_select(0, Farthest(outliers)); // (K, d)
        return functional.relu(Distance(outliers, farthest) - Distance(outliers, drawn) + margin).mean().MoveToOuterDisposeScope();
    }

    // (K): for each row the one farthest from it, the first of equally far ones.
    private static Tensor Farthest(Tensor rows)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var values = rows.detach();
        return cdist(values, values).argmax(1).MoveToOuterDisposeScope();
    }

    // At distance 0 torch's norm has the subgradient 0.
    private static Tensor Distance(Tensor left, Tensor right) => (left - right).norm(1);
}

/// <summary>
/// COCL's loss of tail images (Miao et al., AAAI 2024): an image is pulled towards the prototype of its tail class and pushed away from the other prototypes and
/// from the outliers of the batch. With n(.) = <see cref="NormaliseHalves"/>:
/// <code>
/// L = mean over anchors i of CE( &lt; n(f_i), [n(U); n(O)] &gt; / temperature, tail index of i )
/// </code>
/// </summary>
internal static class PrototypeLoss
{
    /// <summary>The loss, a scalar; without an anchor 0, with gradients that are zero.</summary>
    /// <param name="anchors">(T, d): features of tail images.</param>
    /// <param name="targets">(T), int64: the index of each one's prototype.</param>
    /// <param name="prototypes">(P, d), U.</param>
    /// <param name="outliers">(K, d), O: features of the outliers.</param>
    /// <param name="temperature">Divides the products, which lie in [-2, 2].</param>
    public static Tensor Of(Tensor anchors, Tensor targets, Tensor prototypes, Tensor outliers, double temperature)
    {
        using var scope = NewDisposeScope();
        if (targets.shape[0] == 0)
        {
            return (prototypes.sum() * 0).MoveToOuterDisposeScope();
        }

        var contrasts = cat([NormaliseHalves(prototypes), NormaliseHalves(outliers)]); // (P + K, d)
        var similarity = NormaliseHalves(anchors).mm(contrasts.t()) / temperature; // (T, P + K)
        return functional.cross_entropy(similarity, targets).MoveToOuterDisposeScope();
    }

    /// <summary>Scales each half of every row to length 1.</summary>
    /// <param name="rows">(B, d), d even.</param>
    public static Tensor NormaliseHalves(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var halves = rows.reshape(rows.shape[0], 2, rows.shape[1] / 2); // (B, 2, d / 2)
        return functional.normalize(halves, dim: 2).reshape(rows.shape).MoveToOuterDisposeScope();
    }
}

/// <summary>The head classes: those with the most training images.</summary>
internal static class HeadClasses
{
    /// <summary>Flags the head among C classes.</summary>
    /// <param name="countPerClass">(C): training images of each class.</param>
    /// <param name="fraction">Fraction of the classes; their number is rounded to even, and at least one.</param>
    /// <param name="rule">What <see cref="TailClasses"/> sorts by: by index, the head has the lowest ones.</param>
    /// <param name="further">Classes that are added to that number.</param>
    public static bool[] Flags(IReadOnlyList<int> countPerClass, double fraction, TailRule rule, int further = 0)
    {
        var number = Math.Max(1, (int)Math.Round(fraction * countPerClass.Count, MidpointRounding.ToEven)) + further;
        var flags = new bool[countPerClass.Count];
        var order = Enumerable.Range(0, flags.Length);
        foreach (var label in (rule == TailRule.FewestImages ? order.OrderByDescending(label => countPerClass[label]) : order).Take(number))
        {
            flags[label] = true;
        }

        return flags;
    }
}

/// <summary>
/// COCL's reading of C + 1 columns, the last of which means outlier, with outlier logit calibration: z'_c = z_c - tau log prior_c for the classes, z'_C = z_C.
/// The score is softmax(z')_C, and the class argmax_{c &lt; C} z'_c.
/// </summary>
/// <param name="adjustment">(C): tau log prior, which is subtracted.</param>
/// <param name="calibratesAuxiliary">
/// Whether the auxiliary branch is read like the main branch. After a finetuning with logit adjustment it is not: the prior would be removed twice.
/// </param>
internal sealed class OutlierColumnReadout(double[] adjustment, bool calibratesAuxiliary) : Readout
{
    private readonly double[] none = new double[adjustment.Length];

    public override string ScoreName => "outlier-probability";

    public override string Meaning =>
        $"Softmax probability of the outlier column of the score branch{(IsCalibrated ? ", after tau log prior was subtracted from the logits of the classes" : "")}; " +
        "higher = more out-of-distribution.";

    public override string Constants => !IsCalibrated ? "The score has no constants." :
        "tau is a constant of the recipe (1 unless it was given); the class shares are those of the training images. Nothing is fitted to other images.";

    /// <summary>C, the number of classes.</summary>
    public int ClassCount => adjustment.Length;

    private bool IsCalibrated => Array.Exists(adjustment, value => value != 0);

    /// <summary>(C): what is subtracted from the logits of the classes of a branch.</summary>
    public double[] Adjustment(Branch branch) => branch == Branch.Main || calibratesAuxiliary ? adjustment : none;

    public override double Score(ReadOnlySpan<float> outputs, Branch branch)
    {
        var others = 0.0; // sum_c exp(z'_c - z'_C)
        var adjustment = Adjustment(branch);
        for (var c = 0; c < adjustment.Length; c++)
        {
            others += Math.Exp(outputs[c] - adjustment[c] - outputs[^1]);
        }

        return 1 / (1 + others);
    }

    public override void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits)
    {
        var adjustment = Adjustment(branch);
        for (var c = 0; c < logits.Length; c++)
        {
            logits[c] = (float)(outputs[c] - adjustment[c]);
        }
    }
}
