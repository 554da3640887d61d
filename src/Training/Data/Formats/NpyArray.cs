using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Pascl.Training.Data.Formats;

/// <summary>The header of a NumPy array (numpy.lib.format, versions 1 to 3).</summary>
/// <param name="Type">Type of the numbers, as <c>&lt;f4</c>.</param>
/// <param name="IsFortran">Whether the first index runs fastest.</param>
/// <param name="Shape">Length of every dimension; empty for a single number.</param>
/// <param name="Offset">Where the first number begins, in bytes.</param>
internal sealed partial record NpyArray(string Type, bool IsFortran, long[] Shape, int Offset)
{
    /// <summary>No header is longer.</summary>
    public const int LargestHeader = 1 << 16;

    /// <summary>The shape as Python writes it.</summary>
    public string ShapeText => Shape is [var only] ? $"({only},)" : $"({string.Join(", ", Shape)})";

    /// <summary>Reads a header.</summary>
    /// <param name="source">What the messages call the array.</param>
    /// <param name="start">The first bytes, <see cref="LargestHeader"/> or all.</param>
    /// <param name="expected">What was expected, as the end of a sentence.</param>
    /// <exception cref="InputException">It is no header of an array of numbers.</exception>
    public static NpyArray Parse(string source, ReadOnlySpan<byte> start, string expected)
    {
        var (text, offset) = ReadText(source, start, expected);
        var match = Form().Match(text);
        if (!match.Success)
        {
            throw new InputException($"{source} holds no plain array; {expected}.");
        }

        long[] shape = [.. match.Groups["shape"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Dimension)];
        return Array.TrueForAll(shape, length => length >= 0)
            ? new(match.Groups["type"].Value, match.Groups["fortran"].Value == "True", shape, offset)
            : throw new InputException($"{source} has shape ({match.Groups["shape"].Value}); {expected}.");
    }

    private static (string Text, int Offset) ReadText(string source, ReadOnlySpan<byte> start, string expected)
    {
        ReadOnlySpan<byte> magic = [0x93, .. "NUMPY"u8];
        const int versionOne = 10, laterVersions = 12;
        if (start.Length < laterVersions || !start.StartsWith(magic))
        {
            throw new InputException($"{source} does not begin as a NumPy file; {expected}.");
        }

        var first = start[magic.Length] == 1 ? versionOne : laterVersions;
        var length = first == versionOne
            ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..])
            : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        return first + (long)length <= start.Length
            ? (Encoding.Latin1.GetString(start.Slice(first, (int)length)), first + (int)length)
            : throw new InputException($"{source} is cut short in its header; {expected}.");
    }

    private static long Dimension(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : -1;

    [GeneratedRegex(
        """'descr':\s*'(?<type>[^']*)'.*'fortran_order':\s*(?<fortran>True|False).*'shape':\s*\((?<shape>[^)]*)\)""",
        RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
