using Pascl.Training.Data;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Loss;

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

    internal override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        var (classified, outlierCount) = (labels.shape[0], batch.OutlierCount);
        var crossEntropy = functional.cross_entropy(output.Logits.narrow(0, 0, classified), labels);
        var outlierLabels = full([outlierCount], headFlags.Length, dtype: ScalarType.Int64, device: labels.device); // (K)
        var outliers = functional.cross_entropy(output.Logits.narrow(0, classified, outlierCount), outlierLabels);
        clock?.Begin(StepPart.ContrastiveLoss);
        var outlierFeatures = output.Features.narrow(0, classified, outlierCount); // (K, d)
        var (tail, head) = (Tail(output.Features, outlierFeatures, batch), Head(output.Features, outlierFeatures, batch));
        var total = crossEntropy + (settings.OutlierWeight * outliers) + (settings.TailWeight * tail) + (settings.HeadWeight * head);
        return new LossTerms(total, crossEntropy, outliers, [tail, head]);
    }

    private Tensor Tail(Tensor features, Tensor outliers, Batch batch)
    {
        long[] rows = [.. Rows(batch, label => tailIndex[label] >= 0)];
        long[] targets = [.. rows.Select(row => (long)tailIndex[batch.Classes[(int)row]])];
        var anchors = features.index_select(0, tensor(rows, device: features.device)); // (T, d)
        return PrototypeLoss.Of(anchors, tensor(targets, device: features.device), prototypes, outliers, settings.Temperature);
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

        return OutlierTripletLoss.Of(outliers, features.index_select(0, tensor(drawn, device: features.device)), settings.HeadMargin);
    }

    // Rows of the first view, known on the host: nothing is read back.
    private static IEnumerable<long> Rows(Batch batch, Predicate<int> isWanted) =>
        Enumerable.Range(0, batch.Classes.Count).Where(row => isWanted(batch.Classes[row])).Select(row => (long)row);
}
