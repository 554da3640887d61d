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
    [Kernel(Tile, SavesRegisters = true)]
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
        var threadRow = Group.IdxX >> 3;
        var threadColumn = Group.IdxX & 7;

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

/// <summary>Copies a tile of a factor into shared memory, inside a kernel of 64 threads: 64 lines of 16 terms each, stored term by term.</summary>
internal interface ISimilarityTile
{
    /// <summary>Copies; what lies outside the factor becomes 0.</summary>
    /// <param name="factor">The whole factor.</param>
    /// <param name="stride">Elements from a row of it to the next.</param>
    /// <param name="firstLine">The tile's first line: a row or column of the product.</param>
    /// <param name="lines">Lines of the factor.</param>
    /// <param name="firstTerm">The tile's first term: an index that the product sums over.</param>
    /// <param name="terms">Terms of the factor.</param>
    /// <param name="isAligned">Whether rows begin at multiples of 16 bytes.</param>
    /// <param name="tile">Receives element (line, term) at term * <see cref="SimilarityTile.Pitch"/> + line.</param>
    void Copy(ArrayView<float> factor, int stride, int firstLine, int lines, int firstTerm, int terms, bool isAligned, ArrayView<Float4> tile);
}

/// <summary>Sizes of a tile.</summary>
internal static class SimilarityTile
{
    /// <summary>Lines of a tile, and threads of the block that copies it.</summary>
    public const int Lines = 64;

    /// <summary>Terms of a tile.</summary>
    public const int Terms = 16;

    /// <summary>Elements from a term to the next; four more than the lines, so that the copies of a warp meet at most two by two in a bank.</summary>
    public const int Pitch = Lines + 4;
}

/// <summary>A factor whose rows are lines.</summary>
internal readonly struct LinesAreRows : ISimilarityTile
{
    public void Copy(ArrayView<float> factor, int stride, int firstLine, int lines, int firstTerm, int terms, bool isAligned, ArrayView<Float4> tile)
    {
        var line = Group.IdxX >> 2;
        var term = 4 * (Group.IdxX & 3);
        var values = tile.Cast<float>();
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, values, line, term);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, values, line + 16, term);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, values, line + 32, term);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, values, line + 48, term);
    }

    private static void Part(
        ArrayView<float> factor, int stride, int firstLine, int lines, int firstTerm, int terms, bool isAligned, ArrayView<float> tile, int line, int term)
    {
        var start = ((long)(firstLine + line) * stride) + firstTerm + term;
        var four = Float4.Read(factor, start, firstLine + line < lines ? terms - firstTerm - term : 0, isAligned);
        var position = (term * SimilarityTile.Pitch) + line;
        tile[position] = four.X;
        tile[position + SimilarityTile.Pitch] = four.Y;
        tile[position + (2 * SimilarityTile.Pitch)] = four.Z;
        tile[position + (3 * SimilarityTile.Pitch)] = four.W;
    }
}

/// <summary>A factor whose columns are lines.</summary>
internal readonly struct LinesAreColumns : ISimilarityTile
{
    public void Copy(ArrayView<float> factor, int stride, int firstLine, int lines, int firstTerm, int terms, bool isAligned, ArrayView<Float4> tile)
    {
        var term = Group.IdxX >> 4;
        var line = 4 * (Group.IdxX & 15);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, tile, line, term);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, tile, line, term + 4);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, tile, line, term + 8);
        Part(factor, stride, firstLine, lines, firstTerm, terms, isAligned, tile, line, term + 12);
    }

    private static void Part(
        ArrayView<float> factor, int stride, int firstLine, int lines, int firstTerm, int terms, bool isAligned, ArrayView<Float4> tile, int line, int term)
    {
        var start = ((long)(firstTerm + term) * stride) + firstLine + line;
        tile[((term * SimilarityTile.Pitch) + line) / 4] = Float4.Read(factor, start, firstTerm + term < terms ? lines - firstLine - line : 0, isAligned);
    }
}
