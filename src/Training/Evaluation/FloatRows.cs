namespace Pascl.Training.Evaluation;

/// <summary>Numbers for a set of images, one row per image in the set's order.</summary>
public abstract class FloatRows
{
    private protected FloatRows(float[] values, int columns, string number, string column)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        if (values.Length % columns != 0)
        {
            throw new ArgumentException($"There are {values.Length} {number}, which is not a multiple of the {columns} {column}.");
        }

        (Values, Columns) = (values, columns);
    }

    /// <summary>Number of images.</summary>
    public int Count => Values.Length / Columns;

    /// <summary>The row of image <paramref name="index"/>.</summary>
    public ReadOnlySpan<float> this[int index] => Values.AsSpan(index * Columns, Columns);

    /// <summary>Length of a row.</summary>
    private protected int Columns { get; }

    /// <summary>All rows, one after the other.</summary>
    internal float[] Values { get; }
}
