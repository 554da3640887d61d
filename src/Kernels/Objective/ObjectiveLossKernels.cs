using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Device code of <see cref="ObjectiveLoss"/>: one warp per row.</summary>
internal static class ObjectiveLossKernels
{
    public const int Threads = 128;

    /// <summary>Row losses, and in the last block their means. The state is log sum exp of each row, then the loss of each row.</summary>
    [Kernel(Threads)]
    public static void Forward(
        ArrayView<float> logits,
        int stride,
        int classes,
        int inDistributionRows,
        int outlierRows,
        ArrayView<long> labels,
        ArrayView<float> adjustment,
        float outlierWeight,
        ArrayView<float> state,
        ArrayView<int> tickets,
        ArrayView<float> losses)
    {
        var rows = inDistributionRows + outlierRows;
        var row = Row();

        // A warp beyond the last row goes along with nothing to read, because all threads must meet at the shuffles.
        var columns = row < rows ? classes : 0;
        var label = row < inDistributionRows ? labels[row] : -1;
        var isOutlier = row >= inDistributionRows;
        var statistics = RowStatistics.Empty;
        for (var column = ThreadPlace.Lane; column < columns; column += ThreadPlace.WarpSize)
        {
            var logit = Logit(logits, ((long)row * stride) + column, adjustment, column, isOutlier);
            statistics = statistics.With(logit, isOutlier || column == label);
        }

        statistics = Reduction.Warp<RowStatistics, MergeRowStatistics>(statistics);
        if (row < rows && ThreadPlace.Lane == 0)
        {
            // No target: the label is not a class.
            var logSum = statistics.Targets > 0 ? statistics.LogSum : float.NaN;
            state[row] = logSum;
            state[rows + row] = logSum - (statistics.TargetSum / statistics.Targets);
        }

        if (LastBlock.Arrives(tickets, 0, Grid.DimX))
        {
            Average(state, inDistributionRows, outlierRows, outlierWeight, losses);
        }
    }

    /// <summary>The gradient with respect to the logits.</summary>
    [Kernel(Threads)]
    public static void Backward(
        ArrayView<float> logits,
        int stride,
        int classes,
        int inDistributionRows,
        int outlierRows,
        ArrayView<long> labels,
        ArrayView<float> adjustment,
        float outlierWeight,
        ArrayView<float> state,
        ArrayView<float> lossesGradient,
        ArrayView<float> gradient,
        int gradientStride)
    {
        var row = Row();
        if (row >= inDistributionRows + outlierRows)
        {
            return;
        }

        var isOutlier = row >= inDistributionRows;
        var label = isOutlier ? -1 : labels[row];
        var slope = isOutlier
            ? ((outlierWeight * lossesGradient[0]) + lossesGradient[2]) / outlierRows
            : (lossesGradient[0] + lossesGradient[1]) / inDistributionRows;
        var logSum = state[row];
        for (var column = ThreadPlace.Lane; column < classes; column += ThreadPlace.WarpSize)
        {
            var logit = Logit(logits, ((long)row * stride) + column, adjustment, column, isOutlier);
            var target = isOutlier ? 1f / classes : column == label ? 1f : 0f;
            gradient[((long)row * gradientStride) + column] = slope * (XMath.Exp(logit - logSum) - target);
        }
    }

    private static int Row() => (Grid.IdxX * ThreadPlace.Warps) + ThreadPlace.Warp;

    private static float Logit(ArrayView<float> logits, long index, ArrayView<float> adjustment, int column, bool isOutlier) =>
        isOutlier || adjustment.Length == 0 ? logits[index] : logits[index] + adjustment[column];

    private static void Average(ArrayView<float> state, int inDistributionRows, int outlierRows, float outlierWeight, ArrayView<float> losses)
    {
        var rows = inDistributionRows + outlierRows;
        var (inDistribution, outliers) = (0f, 0f);
        for (var row = Group.IdxX; row < rows; row += Group.DimX)
        {
            var loss = state[rows + row];
            inDistribution += row < inDistributionRows ? loss : 0;
            outliers += row < inDistributionRows ? 0 : loss;
        }

        var sums = Reduction.Block<Pair, Addition>(new Pair(inDistribution, outliers));
        if (Group.IdxX == 0)
        {
            inDistribution = inDistributionRows == 0 ? 0 : sums.First / inDistributionRows;
            outliers = outlierRows == 0 ? 0 : sums.Second / outlierRows;
            losses[0] = inDistribution + (outlierWeight * outliers);
            losses[1] = inDistribution;
            losses[2] = outliers;
        }
    }
}
