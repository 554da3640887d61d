using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Device code of TensorCoreContrastiveLoss, one file for each of its steps.</summary>
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
}
