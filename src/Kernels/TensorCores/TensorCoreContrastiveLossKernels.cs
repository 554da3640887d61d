using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Device code of TensorCoreContrastiveLoss: what comes before and after the products of rows, which have files of their own.</summary>
internal static partial class TensorCoreContrastiveLossKernels
{
    // Class sums are whole multiples of 2^-40. Sums of whole numbers are the same in any order, and up to 2^23 unit rows fit in 63 bits.
    private const float SumScale = 1.0995116e12f;
    private const float SumUnit = 9.094947e-13f;

    /// <summary>Rounds the rows to one or two bfloat16, pads them with zeros, and clears the class sums.</summary>
    /// <param name="matrix">(rows, columns), a row <paramref name="rowStride"/> after the other.</param>
    /// <param name="features">(parts, padded rows, width / 2) pairs of bfloat16.</param>
    /// <param name="classCounts">(classes): set to 0.</param>
    /// <param name="classSums">(classes, columns): set to 0.</param>
    /// <param name="rows">Anchors and outliers.</param>
    /// <param name="columns">Numbers of a row.</param>
    /// <param name="rowStride">Elements from row to row.</param>
    /// <param name="paddedRows">Rows of each part.</param>
    /// <param name="pairs">Half the padded width.</param>
    /// <param name="parts">1 or 2.</param>
    [Kernel(256)]
    internal static void Prepare(
        ArrayView<float> matrix,
        ArrayView<uint> features,
        ArrayView<int> classCounts,
        ArrayView<long> classSums,
        int rows,
        int columns,
        int rowStride,
        int paddedRows,
        int pairs,
        int parts)
    {
        var thread = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        var threads = (long)Grid.DimX * Group.DimX;
        for (var i = thread; i < classCounts.Length; i += threads)
        {
            classCounts[i] = 0;
        }

        for (var i = thread; i < classSums.Length; i += threads)
        {
            classSums[i] = 0;
        }

        var length = (long)paddedRows * pairs;
        for (var i = thread; i < length; i += threads)
        {
            var row = i >> IntrinsicMath.PopCount(pairs - 1);
            var column = 2 * ((int)i & (pairs - 1));
            var first = row < rows && column < columns ? matrix[(row * rowStride) + column] : 0;
            var second = row < rows && column + 1 < columns ? matrix[(row * rowStride) + column + 1] : 0;
            var rounded = BFloat16Element.Pair(first, second);
            features[i] = rounded;
            if (parts == 2)
            {
                features[length + i] = BFloat16Element.Pair(first - TensorCore.First(rounded), second - TensorCore.Second(rounded));
            }
        }
    }

    /// <summary>Anchors and sums of their rows by class. Each block takes some anchors in order, each thread a column.</summary>
    /// <param name="matrix">(rows, columns), a row <paramref name="rowStride"/> after the other.</param>
    /// <param name="labels">(anchors): classes.</param>
    /// <param name="classCounts">(classes): added to.</param>
    /// <param name="classSums">(classes, columns), multiples of 2^-40: added to.</param>
    /// <param name="anchors">The first rows.</param>
    /// <param name="columns">Numbers of a row.</param>
    /// <param name="rowStride">Elements from row to row.</param>
    /// <param name="rowsOfBlock">Anchors of a block.</param>
    [Kernel(128)]
    internal static void SumClasses(
        ArrayView<float> matrix,
        ArrayView<int> labels,
        ArrayView<int> classCounts,
        ArrayView<long> classSums,
        int anchors,
        int columns,
        int rowStride,
        int rowsOfBlock)
    {
        var column = (Grid.IdxY * Group.DimX) + Group.IdxX;
        var row = Grid.IdxX * rowsOfBlock;
        var end = row + rowsOfBlock < anchors ? row + rowsOfBlock : anchors;
        if (column >= columns)
        {
            return;
        }

        // Anchors of one class that follow one another are added at once.
        while (row < end)
        {
            var (label, start, sum) = (labels[row], row, 0L);
            for (; row < end && labels[row] == label; row++)
            {
                sum += (long)(matrix[((long)row * rowStride) + column] * SumScale);
            }

            Atomic.Add(ref classSums[((long)label * columns) + column], sum);
            if (column == 0)
            {
                Atomic.Add(ref classCounts[label], row - start);
            }
        }
    }

    // Eight lanes share an anchor: they read 32 bytes at once, and a launch has enough threads for small batches.
    private const int LanesOfAnchor = 8;

    /// <summary>
    /// The loss, and what an anchor's exponentials weigh in the gradient: v_i = w_i / (M Z_i), 0 for outliers and where a class has one anchor.
    /// </summary>
    /// <remarks>
    /// The positives need no products of anchors: the sum of a_i . (S_c - a_i) over a class is |S_c|^2 minus the sum of its |a_i|^2.
    /// </remarks>
    /// <param name="matrix">(rows, columns), a row <paramref name="rowStride"/> after the other.</param>
    /// <param name="labels">(anchors): classes.</param>
    /// <param name="weights">(classes), or empty for 1 each.</param>
    /// <param name="classCounts">(classes): anchors of each.</param>
    /// <param name="classSums">(classes, columns), multiples of 2^-40.</param>
    /// <param name="partialSums">(splits, anchors): they add up to Z_i.</param>
    /// <param name="slopes">(padded rows): v_i.</param>
    /// <param name="partialLosses">(blocks).</param>
    /// <param name="ticket">(1): 0 before and after.</param>
    /// <param name="loss">(1).</param>
    /// <param name="columns">Numbers of a row.</param>
    /// <param name="rowStride">Elements from row to row.</param>
    /// <param name="splits">Parts of each sum.</param>
    /// <param name="inverseTemperature">1 / temperature.</param>
    [Kernel(128)]
    internal static void Finalise(
        ArrayView<float> matrix,
        ArrayView<int> labels,
        ArrayView<float> weights,
        ArrayView<int> classCounts,
        ArrayView<long> classSums,
        ArrayView<float> partialSums,
        ArrayView<float> slopes,
        ArrayView<float> partialLosses,
        ArrayView<int> ticket,
        ArrayView<float> loss,
        int columns,
        int rowStride,
        int splits,
        float inverseTemperature)
    {
        var anchors = labels.IntLength;
        var lane = ThreadPlace.Column(LanesOfAnchor);
        var row = (Grid.IdxX * ThreadPlace.Rows(LanesOfAnchor)) + ThreadPlace.Row(LanesOfAnchor);
        float sum = 0, square = 0, part = 0;
        if (row < anchors)
        {
            for (var split = lane; split < splits; split += LanesOfAnchor)
            {
                sum += partialSums[((long)split * anchors) + row];
            }

            for (var column = lane; column < columns; column += LanesOfAnchor)
            {
                var value = matrix[((long)row * rowStride) + column];
                square += value * value;
            }
        }

        sum += Warp.ShuffleXor(sum, 1);
        square += Warp.ShuffleXor(square, 1);
        sum += Warp.ShuffleXor(sum, 2);
        square += Warp.ShuffleXor(square, 2);
        sum += Warp.ShuffleXor(sum, 4);
        square += Warp.ShuffleXor(square, 4);
        if (lane == 0 && row < slopes.Length)
        {
            var slope = 0f;
            if (row < anchors)
            {
                var weight = Weight(weights, labels[row]);
                var others = classCounts[labels[row]] - 1;
                slope = others > 0 ? weight / (anchors * sum) : 0;
                part = others > 0 ? weight * (inverseTemperature + XMath.Log(sum) + (inverseTemperature * square / others)) : 0;
            }

            slopes[row] = slope;
        }

        for (long i = (Grid.IdxX * Group.DimX) + Group.IdxX; i < classSums.Length; i += (long)Grid.DimX * Group.DimX)
        {
            var label = (int)((uint)i / (uint)columns);
            var others = classCounts[label] - 1;
            var value = classSums[i] * SumUnit;
            part -= others > 0 ? Weight(weights, label) * inverseTemperature * value * value * SpecialFunctions.Reciprocal(others) : 0;
        }

        part = Reduction.BlockSum(part);
        if (Group.IdxX == 0)
        {
            partialLosses[Grid.IdxX] = part;
        }

        if (!LastBlock.Arrives(ticket, 0, Grid.DimX))
        {
            return;
        }

        var total = 0f;
        for (var block = Group.IdxX; block < Grid.DimX; block += Group.DimX)
        {
            total += partialLosses[block];
        }

        total = Reduction.BlockSum(total);
        if (Group.IdxX == 0)
        {
            loss[0] = anchors > 0 ? total / anchors : 0;
        }
    }

    /// <summary>
    /// dX_i = g / temperature (sum of the parts of G_i - 2 w_c / (M (n_c - 1)) (S_c - x_i)); the second term for anchors alone, and where n_c is above 1.
    /// </summary>
    /// <param name="matrix">(rows, columns), a row <paramref name="rowStride"/> after the other.</param>
    /// <param name="labels">(anchors): classes.</param>
    /// <param name="weights">(classes), or empty for 1 each.</param>
    /// <param name="classCounts">(classes): n_c.</param>
    /// <param name="classSums">(classes, columns): S_c in multiples of 2^-40.</param>
    /// <param name="partialGradients">(splits, padded rows, width): the parts of G.</param>
    /// <param name="upstream">(1): g.</param>
    /// <param name="gradients">(rows, columns): dX.</param>
    /// <param name="rows">Anchors and outliers.</param>
    /// <param name="columns">Numbers of a row.</param>
    /// <param name="rowStride">Elements from row to row of the matrix.</param>
    /// <param name="gradientStride">Elements from row to row of the gradients.</param>
    /// <param name="paddedRows">Rows of each split.</param>
    /// <param name="width">Columns of each split.</param>
    /// <param name="splits">Parts of each sum.</param>
    /// <param name="inverseTemperature">1 / temperature.</param>
    [Kernel(256)]
    internal static void Combine(
        ArrayView<float> matrix,
        ArrayView<int> labels,
        ArrayView<float> weights,
        ArrayView<int> classCounts,
        ArrayView<long> classSums,
        ArrayView<float> partialGradients,
        ArrayView<float> upstream,
        ArrayView<float> gradients,
        int rows,
        int columns,
        int rowStride,
        int gradientStride,
        int paddedRows,
        int width,
        int splits,
        float inverseTemperature)
    {
        var i = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        var row = (int)(i / columns);
        var column = (int)(i - ((long)row * columns));
        if (row >= rows)
        {
            return;
        }

        var sum = 0f;
        for (var split = 0; split < splits; split++)
        {
            sum += partialGradients[((((long)split * paddedRows) + row) * width) + column];
        }

        if (row < labels.Length)
        {
            var label = labels[row];
            var others = classCounts[label] - 1;
            if (others > 0)
            {
                var attraction = 2 * Weight(weights, label) / ((float)labels.Length * others);
                sum -= attraction * ((classSums[((long)label * columns) + column] * SumUnit) - matrix[((long)row * rowStride) + column]);
            }
        }

        gradients[((long)row * gradientStride) + column] = upstream[0] * inverseTemperature * sum;
    }

    private static float Weight(ArrayView<float> weights, int label) => weights.Length > 0 ? weights[label] : 1;
}
