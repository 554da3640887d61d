using System.Text;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The only names that a pickle may ask for: what NumPy's arrays are made with, and the byte strings of protocol 2 written by Python 3.
/// </summary>
internal static class PickledFunctions
{
    private static readonly Dictionary<string, PickledFunction> allowed = new()
    {
        ["numpy.core.multiarray._reconstruct"] = _ => new PickledArray(),
        ["numpy._core.multiarray._reconstruct"] = _ => new PickledArray(),
        ["numpy.ndarray"] = _ => new PickledArray(),
        ["numpy.dtype"] = arguments => new PickledType(arguments.Length > 0 ? Text(arguments[0]) : ""),
        ["_codecs.encode"] = arguments => (ReadOnlyMemory<byte>)(arguments.Length > 0 ? Encoding.Latin1.GetBytes(Text(arguments[0])) : []),
    };

    public static PickledFunction Find(string module, string name) =>
        allowed.TryGetValue($"{module}.{name}", out var function)
            ? function
            : throw new InvalidDataException($"it asks for {module}.{name}, and only NumPy arrays are allowed");

    /// <summary>A string of either kind as text.</summary>
    public static string Text(object? value) => value switch
    {
        string text => text,
        ReadOnlyMemory<byte> bytes => Encoding.Latin1.GetString(bytes.Span),
        _ => throw new InvalidDataException("it is damaged: a string was expected"),
    };
}
