using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The header of a NumPy file (numpy.lib.format, versions 1 to 3) that holds uint8 images, (Count, Height, Width, 3), in C order.
/// </summary>
/// <param name="Count">Number of images.</param>
/// <param name="Height">Rows of pixels in an image.</param>
/// <param name="Width">Columns of pixels in an image.</param>
/// <param name="Offset">Where the first image begins, in bytes.</param>
internal readonly partial record struct NpyHeader(int Count, int Height, int Width, int Offset)
{
    /// <summary>No header of such a file is longer.</summary>
    public const int LargestLength = 1 << 16;

    private const string Expected = "expected a NumPy file of uint8 images with shape (N, H, W, 3) in C order";

    /// <summary>Reads the header at the start of a file of <paramref name="length"/> bytes and checks it against that length.</summary>
    public static NpyHeader Parse(string source, ReadOnlySpan<byte> start, long length)
    {
        var (text, offset) = ReadText(source, start);
        var match = Form().Match(text);
        if (!match.Success)
        {
            throw new InputException($"{source} holds no plain array; {Expected}.");
        }

        var (type, order, shapeText) = (match.Groups["type"].Value, match.Groups["fortran"].Value, match.Groups["shape"].Value);
        if (type is not ("|u1" or "<u1" or ">u1"))
        {
            throw new InputException($"{source} holds numbers of type {type}; {Expected} (type |u1).");
        }

        if (order == "True")
        {
            throw new InputException($"{source} is in Fortran order; {Expected}. Save numpy.ascontiguousarray(array) instead.");
        }

        int[] shape = [.. shapeText.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Dimension)];
        if (shape is not [> 0, > 0, > 0, PixelBlock.Channels])
        {
            throw new InputException($"{source} has shape ({shapeText}); {Expected}.");
        }

        var needed = offset + ((Int128)shape[0] * shape[1] * shape[2] * shape[3]);
        return needed == length
            ? new NpyHeader(shape[0], shape[1], shape[2], offset)
            : throw new InputException(
                $"{source} has {length:N0} bytes but its header promises {needed:N0}, {shape[0]:N0} images; "
                + $"it is {(length < needed ? "cut short" : "too long")}.");
    }

    private static (string Text, int Offset) ReadText(string source, ReadOnlySpan<byte> start)
    {
        ReadOnlySpan<byte> magic = [0x93, .. "NUMPY"u8];
        const int versionOne = 10, laterVersions = 12;
        if (start.Length < laterVersions || !start.StartsWith(magic))
        {
            throw new InputException($"{source} does not begin as a NumPy file; {Expected}.");
        }

        var first = start[magic.Length] == 1 ? versionOne : laterVersions;
        var length = first == versionOne
            ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..])
            : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        return first + (long)length <= start.Length
            ? (Encoding.Latin1.GetString(start.Slice(first, (int)length)), first + (int)length)
            : throw new InputException($"{source} is cut short in its header; {Expected}.");
    }

    private static int Dimension(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : -1;

    [GeneratedRegex(
        """'descr':\s*'(?<type>[^']*)'.*'fortran_order':\s*(?<fortran>True|False).*'shape':\s*\((?<shape>[^)]*)\)""",
        RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
