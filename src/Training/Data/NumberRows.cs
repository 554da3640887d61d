namespace Pascl.Training.Data;

/// <summary>Rows of float32, wherever they lie: in memory, in a mapped file, or as some columns of other rows.</summary>
internal interface INumberRows
{
    /// <summary>How many rows.</summary>
    int Count { get; }

    /// <summary>Numbers in a row.</summary>
    int Width { get; }

    /// <summary>A row, until the next call by the same thread.</summary>
    ReadOnlySpan<float> this[int row] { get; }
}

/// <summary>Rows in one array.</summary>
/// <param name="values">(rows, width), row-major.</param>
/// <param name="count">How many rows.</param>
/// <param name="width">Numbers in a row.</param>
internal sealed class ArrayRows(float[] values, int count, int width) : INumberRows
{
    /// <inheritdoc/>
    public int Count => count;

    /// <inheritdoc/>
    public int Width => width;

    /// <inheritdoc/>
    public ReadOnlySpan<float> this[int row] => values.AsSpan(checked(row * width), width);
}

/// <summary>Neighbouring columns of other rows.</summary>
/// <param name="rows">The rows.</param>
/// <param name="first">The first of the columns.</param>
/// <param name="width">How many.</param>
internal sealed class ColumnRows(INumberRows rows, int first, int width) : INumberRows
{
    /// <inheritdoc/>
    public int Count => rows.Count;

    /// <inheritdoc/>
    public int Width => width;

    /// <inheritdoc/>
    public ReadOnlySpan<float> this[int row] => rows[row].Slice(first, width);
}
