using System.Text;
using Pascl.Training.Pickling;

namespace Pascl.Training.Data.Formats;

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
            ["numpy.ndarray"] = (PickledFunction)NewArray,
            ["numpy.dtype"] = (PickledFunction)(arguments => new PickledType(arguments.Length > 0 ? PickledText.Text(arguments[0]) : "")),
            ["_codecs.encode"] = (PickledFunction)NewBytes,
        },
        "NumPy arrays");

    private static PickledArray NewArray(object?[] arguments) => new();

    private static object NewBytes(object?[] arguments) =>
        (ReadOnlyMemory<byte>)(arguments.Length > 0 ? Encoding.Latin1.GetBytes(PickledText.Text(arguments[0])) : []);
}
