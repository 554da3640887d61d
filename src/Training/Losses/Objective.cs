using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Ranks;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Losses;

/// <summary>What a phase minimises: the loss of a step from what the network made of its batch.</summary>
public abstract class Objective : IDisposable
{
    /// <summary>Names of the terms in logs: the minimised loss, then its parts and what else is measured of them.</summary>
    public abstract IReadOnlyList<string> TermNames { get; }

    /// <summary>What <see cref="Terms"/> reads of the network's output. Ranks that share a batch send each other no more; the rest has no rows there.</summary>
    public virtual OutputParts Reads => OutputParts.All;

    /// <summary>The rows that go through the network for a batch whose tensors are in the current dispose scope; the batch itself, or more rows mixed from it.</summary>
    public virtual Batch Input(Batch batch) => batch;

    /// <summary>The terms of a step, as many as <see cref="TermNames"/>. Nothing in it reads back from the device.</summary>
    /// <param name="output">The network's output for the rows of the batch.</param>
    /// <param name="batch">What <see cref="Input"/> gave.</param>
    /// <param name="clock">Told which part of the loss begins; null for nobody.</param>
    public abstract LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null);

    internal Dictionary<string, double> Named(IReadOnlyList<double> values) => TermNames.Zip(values).ToDictionary(pair => pair.First, pair => pair.Second);

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>Parts of what a network computes for a batch.</summary>
[Flags]
public enum OutputParts
{
    /// <summary><see cref="BranchOutput.Logits"/>.</summary>
    Logits = 1,

    /// <summary><see cref="BranchOutput.Features"/>.</summary>
    Features = 2,

    /// <summary><see cref="BranchOutput.Projection"/>.</summary>
    Projection = 4,

    /// <summary>All of them.</summary>
    All = Logits | Features | Projection,
}

/// <summary>The loss of one step and what it is made of; scalars on the model's device.</summary>
/// <param name="Total">What is minimised.</param>
/// <param name="InDistribution">L_in, cross entropy of the in-distribution rows.</param>
/// <param name="Outliers">The term of the outliers' outputs before its weight, such as outlier exposure; null where the objective has none.</param>
/// <param name="Further">The objective's further terms, such as the contrastive loss before its weight; null where it has none.</param>
public sealed record LossTerms(torch.Tensor Total, torch.Tensor InDistribution, torch.Tensor? Outliers = null, IReadOnlyList<torch.Tensor>? Further = null)
{
    /// <summary>All terms in the order of <see cref="Objective.TermNames"/>.</summary>
    internal List<torch.Tensor> InOrder()
    {
        var terms = new List<torch.Tensor>(4) { Total, InDistribution };
        if (Outliers is not null)
        {
            terms.Add(Outliers);
        }

        if (Further is not null)
        {
            terms.AddRange(Further);
        }

        return terms;
    }
}

/// <summary>Cross entropy of the in-distribution rows, with outlier exposure where the batch has outliers: L = L_in + lambda1 L_out.</summary>
internal sealed class LogitObjective : Objective
{
    private readonly Module<Tensor, Tensor, LossTerms> loss;
    private readonly long? columns;

    /// <summary>Creates the objective.</summary>
    /// <param name="device">What it computes on: by kernels where the device has them.</param>
    /// <param name="outlierWeight">lambda1; null without outliers.</param>
    /// <param name="adjustment">Added to the logits of in-distribution rows, by class; null for plain cross entropy.</param>
    /// <param name="columns">The first so many outputs are the logits of the classes; null where all are.</param>
    /// <param name="labelSmoothing">The share of a label that is spread evenly over all classes.</param>
    public LogitObjective(ComputeDevice device, double? outlierWeight = null, double[]? adjustment = null, long? columns = null, double labelSmoothing = 0)
    {
        this.columns = columns;
        TermNames = outlierWeight is null ? ["total", "in-distribution"] : ["total", "in-distribution", "outliers"];
        Module<Tensor, Tensor, LossTerms> objective = device.Kernels is { } kernels
            ? new ObjectiveKernelLoss(kernels, outlierWeight ?? 0, adjustment, labelSmoothing)
            : new ObjectiveTorchLoss(outlierWeight ?? 0, adjustment, labelSmoothing);
        loss = objective.to(device.Torch);
    }

    public override IReadOnlyList<string> TermNames { get; }

    public override OutputParts Reads => OutputParts.Logits;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        return loss.forward(columns is { } first && first < output.Logits.shape[1] ? output.Logits.narrow(1, 0, first).contiguous() : output.Logits, labels);
    }

    public override void Dispose()
    {
        loss.Dispose();
        base.Dispose();
    }
}

/// <summary>The losses of logits with a column behind those of the classes that means outlier (COCL, TSCL).</summary>
internal static class OutlierColumn
{
    /// <summary>The mean cross entropy of the images to their classes, and of the outliers to the last column.</summary>
    /// <param name="logits">(Views * N + K, C + 1).</param>
    /// <param name="batch">Labels and counts.</param>
    public static (Tensor InDistribution, Tensor Outliers) CrossEntropies(Tensor logits, Batch batch)
    {
        using var labels = batch.Labels.repeat(batch.Views); // (Views * N)
        var (classified, outliers) = (labels.shape[0], batch.OutlierCount);
        var outlierLabels = full([outliers], logits.shape[1] - 1, dtype: ScalarType.Int64, device: labels.device); // (K)
        return (
            functional.cross_entropy(logits.narrow(0, 0, classified), labels),
            functional.cross_entropy(logits.narrow(0, classified, outliers), outlierLabels));
    }
}

/// <summary>
/// What the network made of a batch that ranks share, together again: every rank gets the outputs of all rows in the order of the whole batch, and computes the
/// whole objective from them. Contrasts, hinges and means are then those of one big batch for every method, and each rank's gradient of its own rows is exact.
/// </summary>
internal static class GatheredRows
{
    /// <summary>The outputs of the whole batch; those given where there is one rank.</summary>
    /// <param name="ranks">Who shares it.</param>
    /// <param name="output">The outputs of this rank's rows.</param>
    /// <param name="batch">The batch of which they are a share.</param>
    /// <param name="wanted">What is sent; of the rest no row is left, so that nobody takes a share for the whole.</param>
    public static BranchOutput Of(ProcessGroup ranks, BranchOutput output, Batch batch, OutputParts wanted)
    {
        if (ranks.IsAlone)
        {
            return output;
        }

        var order = new RowOrder(ranks, [.. Enumerable.Range(0, ranks.Size).Select(rank => batch.RowsOf(ranks.ShareOf(rank)))]);
        return new BranchOutput(
            All(output.Logits, OutputParts.Logits), All(output.Features, OutputParts.Features), All(output.Projection, OutputParts.Projection));

        Tensor All(Tensor rows, OutputParts part) => wanted.HasFlag(part) ? RowGatherFunction.All(order, rows) : rows.narrow(0, 0, 0);
    }
}

/// <summary>Which rows of the whole batch each rank has.</summary>
/// <param name="Ranks">The ranks.</param>
/// <param name="RowsOfRanks">(R), each (rows of the rank): their numbers in the whole batch.</param>
internal sealed record RowOrder(ProcessGroup Ranks, int[][] RowsOfRanks)
{
    /// <summary>The numbers of this rank's rows in the whole batch.</summary>
    public int[] Own => RowsOfRanks[Ranks.Rank];

    /// <summary>For every row of the whole batch its place among the rows of the first rank, the second, and so on.</summary>
    public int[] Places { get; } = PlacesOf([.. RowsOfRanks.SelectMany(rows => rows)]);

    private static int[] PlacesOf(int[] gathered)
    {
        var places = new int[gathered.Length];
        for (var place = 0; place < gathered.Length; place++)
        {
            places[gathered[place]] = place;
        }

        return places;
    }
}

/// <summary>
/// The rows of all ranks as a differentiable operation. Backward needs no message: every rank has the whole gradient, and takes the rows that are its own.
/// </summary>
internal sealed class RowGatherFunction : KernelFunction<RowGatherFunction>
{
    private const string Order = "order";

    /// <summary>(all rows, columns), in the order of the whole batch.</summary>
    /// <param name="order">Who has which rows.</param>
    /// <param name="rows">(own rows, columns), float32 or float64.</param>
    public static Tensor All(RowOrder order, Tensor rows) => Apply(rows, order)[0];

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (rows, order) = ((Tensor)arguments[0], (RowOrder)arguments[1]);
        context.save_data(Order, order);
        var byRank = order.Ranks.Gather(rows.contiguous(), Array.ConvertAll(order.RowsOfRanks, own => own.Length), ExchangePart.Outputs);
        return [byRank.index_select(0, HostUpload.Vector(order.Places, rows.device))];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients) =>
        [gradients[0]!.index_select(0, HostUpload.Vector(((RowOrder)context.get_data(Order)).Own, gradients[0]!.device)), null];
}
