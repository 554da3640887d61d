using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Device code of <see cref="MaskedLoss"/>: one block per anchor.</summary>
internal static class MaskedLossKernels
{
    public const int Threads = 128;

    /// <summary>Reads each row twice: for its maximum, then for the sum of exponentials below it.</summary>
    [Kernel(Threads)]
    public static void TwoPass(
        ArrayView<float> similarity,
        int stride,
        int anchors,
        int columns,
        ArrayView<int> labels,
        ArrayView<float> classWeights,
        ArrayView<float> state,
        ArrayView<int> tickets,
        ArrayView<float> loss)
    {
        var row = Grid.IdxX;
        var start = (long)row * stride;
        var present = row < anchors ? columns : 0;
        var largest = float.MinValue;
        for (var column = Group.IdxX; column < present; column += Group.DimX)
        {
            largest = column == row ? largest : XMath.Max(largest, similarity[start + column]);
        }

        largest = Reduction.BlockMaximum(largest);
        var label = row < anchors ? labels[row] : 0;
        var (sum, positiveSum, positives) = (0f, 0f, 0);
        for (var column = Group.IdxX; column < present; column += Group.DimX)
        {
            if (column != row)
            {
                var value = similarity[start + column];
                var isPositive = column < anchors && labels[column] == label;
                sum += XMath.Exp(value - largest);
                positiveSum += isPositive ? value : 0;
                positives += isPositive ? 1 : 0;
            }
        }

        Finish(new RowStatistics(largest, sum, positiveSum, positives), anchors, labels, classWeights, state, tickets, loss);
    }

    /// <summary>Reads each row once, with a running maximum.</summary>
    [Kernel(Threads)]
    public static void Online(
        ArrayView<float> similarity,
        int stride,
        int anchors,
        int columns,
        ArrayView<int> labels,
        ArrayView<float> classWeights,
        ArrayView<float> state,
        ArrayView<int> tickets,
        ArrayView<float> loss)
    {
        var row = Grid.IdxX;
        var start = (long)row * stride;
        var present = row < anchors ? columns : 0;
        var label = row < anchors ? labels[row] : 0;
        var statistics = RowStatistics.Empty;
        for (var column = Group.IdxX; column < present; column += Group.DimX)
        {
            if (column != row)
            {
                statistics = statistics.With(similarity[start + column], column < anchors && labels[column] == label);
            }
        }

        Finish(statistics, anchors, labels, classWeights, state, tickets, loss);
    }

    /// <summary>The gradient with respect to the similarities.</summary>
    [Kernel(Threads)]
    public static void Backward(
        ArrayView<float> similarity,
        int stride,
        int anchors,
        int columns,
        ArrayView<int> labels,
        ArrayView<float> classWeights,
        ArrayView<float> state,
        ArrayView<float> lossGradient,
        ArrayView<float> gradient,
        int gradientStride)
    {
        var row = Grid.IdxX;
        var label = labels[row];
        var logSum = state[row];
        var positives = state[anchors + row];
        var slope = positives > 0 ? lossGradient[0] * Weight(classWeights, label) / anchors : 0;
        var share = positives > 0 ? 1 / positives : 0;
        for (var column = Group.IdxX; column < columns; column += Group.DimX)
        {
            // Without a positive, a row's logarithm may be infinite; with the anchor itself, its exponential.
            var derivative = 0f;
            if (column != row && positives > 0)
            {
                var target = column < anchors && labels[column] == label ? share : 0;
                derivative = slope * (XMath.Exp(similarity[((long)row * stride) + column] - logSum) - target);
            }

            gradient[((long)row * gradientStride) + column] = derivative;
        }
    }

    // The state is log Z, |P| and w l of each anchor.
    private static void Finish(
        RowStatistics statistics,
        int anchors,
        ArrayView<int> labels,
        ArrayView<float> classWeights,
        ArrayView<float> state,
        ArrayView<int> tickets,
        ArrayView<float> loss)
    {
        var row = Grid.IdxX;
        statistics = Reduction.Block<RowStatistics, MergeRowStatistics>(statistics);
        if (row < anchors && Group.IdxX == 0)
        {
            state[row] = statistics.LogSum;
            state[anchors + row] = statistics.Targets;
            state[(2 * anchors) + row] =
                statistics.Targets > 0 ? Weight(classWeights, labels[row]) * (statistics.LogSum - (statistics.TargetSum / statistics.Targets)) : 0;
        }

        if (LastBlock.Arrives(tickets, 0, Grid.DimX))
        {
            var sum = 0f;
            for (var i = Group.IdxX; i < anchors; i += Group.DimX)
            {
                sum += state[(2 * anchors) + i];
            }

            sum = Reduction.BlockSum(sum);
            if (Group.IdxX == 0)
            {
                loss[0] = anchors == 0 ? 0 : sum / anchors;
            }
        }
    }

    // A label that is not a class must not read elsewhere.
    private static float Weight(ArrayView<float> classWeights, int label) =>
        classWeights.Length == 0 ? 1 : label >= 0 && label < classWeights.Length ? classWeights[label] : float.NaN;
}
