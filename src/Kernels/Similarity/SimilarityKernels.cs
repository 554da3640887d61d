using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Device code of <see cref="Similarity"/>. Forward and both gradients are one operation, output = scale * left right, on other factors.</summary>
internal static class SimilarityKernels
{
    public const int NaiveThreads = 128;
    public const int Tile = SimilarityTile.Lines;

    /// <summary>Bits of the parameter <c>aligned</c> of the tiled kernel: which matrices' rows begin at multiples of 16 bytes.</summary>
    public const int LeftIsAligned = 1;

    /// <summary>See <see cref="LeftIsAligned"/>.</summary>
    public const int RightIsAligned = 2;

    /// <summary>See <see cref="LeftIsAligned"/>.</summary>
    public const int OutputIsAligned = 4;

    private const int PitchOfFours = SimilarityTile.Pitch / 4;

    /// <summary>One thread per element. Left is (rows, terms), right is (terms, columns); either is transposed by exchanging its two steps.</summary>
    [Kernel(NaiveThreads)]
    public static void Naive(
        ArrayView<float> left,
        int leftRowStep,
        int leftTermStep,
        ArrayView<float> right,
        int rightTermStep,
        int rightColumnStep,
        ArrayView<float> output,
        int outputStride,
        int columns,
        int terms,
        float scale)
    {
        var blocksOfRow = (columns + Group.DimX - 1) / Group.DimX;
        var row = Grid.IdxX / blocksOfRow;
        var column = (Grid.IdxX % blocksOfRow * Group.DimX) + Group.IdxX;
        if (column >= columns)
        {
            return;
        }

        var sum = 0f;
        for (var term = 0; term < terms; term++)
        {
            sum += left[((long)row * leftRowStep) + ((long)term * leftTermStep)] * right[((long)term * rightTermStep) + ((long)column * rightColumnStep)];
        }

        output[((long)row * outputStride) + column] = scale * sum;
    }

    /// <summary>
    /// A block of 64 threads computes 64 x 64 elements, 16 terms at a time from shared memory; each thread 8 x 8 of them in registers, in two halves 32 lines
    /// apart, so that neighbouring threads read neighbouring banks.
    /// </summary>
    [Kernel(Tile)]
    [KernelVariant(typeof(LinesAreRows), typeof(LinesAreRows))]
    [KernelVariant(typeof(LinesAreRows), typeof(LinesAreColumns))]
    [KernelVariant(typeof(LinesAreColumns), typeof(LinesAreColumns))]
    public static void Tiled<TLeft, TRight>(
        ArrayView<float> left,
        int leftStride,
        ArrayView<float> right,
        int rightStride,
        ArrayView<float> output,
        int outputStride,
        int rows,
        int columns,
        int terms,
        float scale,
        int aligned)
        where TLeft : unmanaged, ISimilarityTile
        where TRight : unmanaged, ISimilarityTile
    {
        var leftTile = SharedMemory.Allocate<Float4>(SimilarityTile.Terms * PitchOfFours);
        var rightTile = SharedMemory.Allocate<Float4>(SimilarityTile.Terms * PitchOfFours);
        var firstRow = Grid.IdxY * Tile;
        var firstColumn = Grid.IdxX * Tile;
        var threadRow = Group.IdxX / 8;
        var threadColumn = Group.IdxX % 8;

        // By hand, because an array would lie in memory.
        var sum0 = default(Float8);
        var sum1 = default(Float8);
        var sum2 = default(Float8);
        var sum3 = default(Float8);
        var sum4 = default(Float8);
        var sum5 = default(Float8);
        var sum6 = default(Float8);
        var sum7 = default(Float8);
        for (var firstTerm = 0; firstTerm < terms; firstTerm += SimilarityTile.Terms)
        {
            default(TLeft).Copy(left, leftStride, firstRow, rows, firstTerm, terms, (aligned & LeftIsAligned) != 0, leftTile);
            default(TRight).Copy(right, rightStride, firstColumn, columns, firstTerm, terms, (aligned & RightIsAligned) != 0, rightTile);
            Group.Barrier();
            for (var term = 0; term < SimilarityTile.Terms; term++)
            {
                var top = leftTile[(term * PitchOfFours) + threadRow];
                var bottom = leftTile[(term * PitchOfFours) + threadRow + 8];
                var near = rightTile[(term * PitchOfFours) + threadColumn];
                var far = rightTile[(term * PitchOfFours) + threadColumn + 8];
                sum0 = sum0.Plus(top.X, near, far);
                sum1 = sum1.Plus(top.Y, near, far);
                sum2 = sum2.Plus(top.Z, near, far);
                sum3 = sum3.Plus(top.W, near, far);
                sum4 = sum4.Plus(bottom.X, near, far);
                sum5 = sum5.Plus(bottom.Y, near, far);
                sum6 = sum6.Plus(bottom.Z, near, far);
                sum7 = sum7.Plus(bottom.W, near, far);
            }

            Group.Barrier();
        }

        var row = firstRow + (4 * threadRow);
        var column = firstColumn + (4 * threadColumn);
        var isAligned = (aligned & OutputIsAligned) != 0;
        sum0.Write(output, outputStride, row, rows, column, columns, scale, isAligned);
        sum1.Write(output, outputStride, row + 1, rows, column, columns, scale, isAligned);
        sum2.Write(output, outputStride, row + 2, rows, column, columns, scale, isAligned);
        sum3.Write(output, outputStride, row + 3, rows, column, columns, scale, isAligned);
        sum4.Write(output, outputStride, row + 32, rows, column, columns, scale, isAligned);
        sum5.Write(output, outputStride, row + 33, rows, column, columns, scale, isAligned);
        sum6.Write(output, outputStride, row + 34, rows, column, columns, scale, isAligned);
        sum7.Write(output, outputStride, row + 35, rows, column, columns, scale, isAligned);
    }

    // Eight elements of a row of the product: four, and the four that lie 32 columns further.
    private readonly struct Float8(Float4 near, Float4 far)
    {
        public readonly Float4 Near = near;
        public readonly Float4 Far = far;

        public Float8 Plus(float factor, Float4 near, Float4 far) => new(Near.Plus(factor, near), Far.Plus(factor, far));

        public void Write(ArrayView<float> output, int stride, int row, int rows, int column, int columns, float scale, bool isAligned)
        {
            if (row < rows)
            {
                var start = ((long)row * stride) + column;
                default(Float4).Plus(scale, Near).Write(output, start, columns - column, isAligned);
                default(Float4).Plus(scale, Far).Write(output, start + 32, columns - column - 32, isAligned);
            }
        }
    }
}
