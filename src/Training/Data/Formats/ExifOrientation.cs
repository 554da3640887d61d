using System.Buffers.Binary;
using SkiaSharp;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The orientation that a PNG file carries as EXIF (chunk <c>eXIf</c>, PNG 1.5 extensions), which Skia does not report. Of JPEG and WebP it does.
/// </summary>
internal static class ExifOrientation
{
    private const int OrientationTag = 0x112;
    private const int EntryLength = 12;

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

    /// <summary>The orientation of a PNG file; that of a picture which is not turned where there is none, or the file is of another kind.</summary>
    public static SKEncodedOrigin OfPng(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(Signature))
        {
            return SKEncodedOrigin.Default;
        }

        // Length, four letters, content, checksum.
        for (var rest = file[Signature.Length..]; rest.Length >= 12;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (length > rest.Length - 12)
            {
                break;
            }

            var content = rest.Slice(8, (int)length);
            if (rest[4..8].SequenceEqual("eXIf"u8))
            {
                return Of(content);
            }

            rest = rest[((int)length + 12)..];
        }

        return SKEncodedOrigin.Default;
    }

    // TIFF: the order of bytes, 42, where the first directory is; there a number of entries of tag, type, count and value.
    private static SKEncodedOrigin Of(ReadOnlySpan<byte> exif)
    {
        if (exif.Length < 8 || (!exif.StartsWith("II"u8) && !exif.StartsWith("MM"u8)))
        {
            return SKEncodedOrigin.Default;
        }

        var isBig = exif[0] == 'M';
        var directory = isBig ? BinaryPrimitives.ReadUInt32BigEndian(exif[4..]) : BinaryPrimitives.ReadUInt32LittleEndian(exif[4..]);
        if (directory > exif.Length - 2)
        {
            return SKEncodedOrigin.Default;
        }

        var entries = exif[(int)directory..];
        var count = Short(entries);
        for (entries = entries[2..]; count > 0 && entries.Length >= EntryLength; count--, entries = entries[EntryLength..])
        {
            if (Short(entries) == OrientationTag)
            {
                var value = Short(entries[8..]);
                return value is >= (int)SKEncodedOrigin.TopLeft and <= (int)SKEncodedOrigin.LeftBottom ? (SKEncodedOrigin)value : SKEncodedOrigin.Default;
            }
        }

        return SKEncodedOrigin.Default;

        int Short(ReadOnlySpan<byte> bytes) => isBig ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }
}
