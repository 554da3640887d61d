using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using static TorchSharp.torch;

namespace Pascl.Training.Losses;

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
