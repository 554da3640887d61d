using System.Text;
using Pascl.Training.Pickling;

namespace Pascl.Training.Data.Formats;

/// <summary>A pickled NumPy array of bytes with two dimensions.</summary>
internal sealed class PickledArray : IPickledState
{
    private bool isColumnMajor;

    public int Rows { get; private set; }

    public int Columns { get; private set; }

    private ReadOnlyMemory<byte> Bytes { get; set; }

    /// <summary>Takes the state that NumPy pickles in protocols 2 to 4: (version, shape, type, is Fortran order, bytes).</summary>
    public void SetState(object? state)
    {
        if (state is not object?[] parts || parts is not [_, object?[] shape, PickledType type, bool fortran, ReadOnlyMemory<byte> bytes])
        {
            throw NoTable();
        }

        Take(shape, type, fortran, bytes);
    }

    /// <summary>An array as NumPy pickles it in protocol 5: (bytes, type, shape, order).</summary>
    public static PickledArray FromBuffer(object?[] arguments)
    {
        if (arguments is not [ReadOnlyMemory<byte> bytes, PickledType type, object?[] shape, string order])
        {
            throw NoTable();
        }

        var array = new PickledArray();
        array.Take(shape, type, order == "F", bytes);
        return array;
    }

    public ReadOnlyMemory<byte> Row(int row)
    {
        if (!isColumnMajor)
        {
            return Bytes.Slice(row * Columns, Columns);
        }

        var gathered = new byte[Columns];
        for (var column = 0; column < Columns; column++)
        {
            gathered[column] = Bytes.Span[(column * Rows) + row];
        }

        return gathered;
    }

    private void Take(object?[] shape, PickledType type, bool fortran, ReadOnlyMemory<byte> bytes)
    {
        if (shape is not [long and >= 0 and var rows, long and >= 0 and var columns])
        {
            throw NoTable();
        }

        if (type.Name is not ("u1" or "|u1") || (Int128)rows * columns != bytes.Length)
        {
            throw new InvalidDataException(
                $"it holds {rows} x {columns} numbers of type {PickledText.Shown(type.Name)} in {bytes.Length} bytes; expected type u1, one byte each");
        }

        // Of no bytes both could be anything.
        (Rows, Columns, isColumnMajor, Bytes) = bytes.IsEmpty ? (0, 0, false, bytes) : ((int)rows, (int)columns, fortran, bytes);
    }

    private static InvalidDataException NoTable() => new("it holds an array that is not a table of numbers");
}

/// <summary>
/// The only names that the Python files of data sets may ask for: what NumPy's arrays are made with, and the byte strings of protocol 2 written by Python 3.
/// </summary>
internal static class PickledFunctions
{
    public static PickledNames Numpy { get; } = new(
        new Dictionary<string, object>
        {
            ["numpy.core.multiarray._reconstruct"] = (PickledFunction)NewArray,
            ["numpy._core.multiarray._reconstruct"] = (PickledFunction)NewArray,
            ["numpy.core.numeric._frombuffer"] = (PickledFunction)PickledArray.FromBuffer,
            ["numpy._core.numeric._frombuffer"] = (PickledFunction)PickledArray.FromBuffer,
            ["numpy.ndarray"] = (PickledFunction)NewArray,
            ["numpy.dtype"] = (PickledFunction)(arguments => new PickledType(arguments.Length > 0 ? PickledText.Name(arguments[0]) : "")),
            ["_codecs.encode"] = (PickledFunction)NewBytes,
        },
        "NumPy arrays");

    private static PickledArray NewArray(object?[] arguments) => new();

    private static object NewBytes(object?[] arguments) =>
        (ReadOnlyMemory<byte>)(arguments.Length > 0 ? Encoding.Latin1.GetBytes(PickledText.Text(arguments[0])) : []);
}
