using ILGPU;

namespace Pascl.Kernels;

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
        var line = Group.IdxX / 4;
        var term = Group.IdxX % 4 * 4;
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
        var term = Group.IdxX / 16;
        var line = Group.IdxX % 16 * 4;
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
