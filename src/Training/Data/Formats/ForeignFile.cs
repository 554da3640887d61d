using System.Text;

namespace Pascl.Training.Data.Formats;

/// <summary>A kind of file that is not read.</summary>
/// <param name="Name">Its name with an article: <c>a zip archive</c>.</param>
/// <param name="IsArchive">Whether it holds other files.</param>
internal sealed record ForeignKind(string Name, bool IsArchive = false);

/// <summary>Knows files that are not read by their first bytes, so that a message can name what somebody has taken for an image or an archive.</summary>
internal static class ForeignFile
{
    // Bytes of a text file that a message shows.
    private const int ShownText = 15;

    private static readonly (int Offset, byte[] Bytes, ForeignKind Kind)[] known =
    [
        (0, [.. "BZh"u8], new("a file compressed with bzip2", IsArchive: true)),
        (0, [0xfd, .. "7zXZ"u8, 0], new("a file compressed with xz", IsArchive: true)),
        (0, [0x28, 0xb5, 0x2f, 0xfd], new("a file compressed with zstd", IsArchive: true)),
        (0, [.. "PK"u8, 3, 4], new("a zip archive", IsArchive: true)),
        (0, [.. "7z"u8, 0xbc, 0xaf], new("a 7z archive", IsArchive: true)),
        (0, [.. "Rar!"u8], new("a rar archive", IsArchive: true)),
        (0, [0x1f, 0x8b], new("a file compressed with gzip", IsArchive: true)),
        (0, [.. "II*"u8, 0], new("a TIFF image")),
        (0, [.. "MM"u8, 0, (byte)'*'], new("a TIFF image")),
        (0, [0, 0, 0, 12, .. "JXL "u8], new("a JPEG XL image")),
        (0, [0xff, 0x0a], new("a JPEG XL image")),
        (0, [0, 0, 0, 12, .. "jP  "u8], new("a JPEG 2000 image")),
        (0, [.. "8BPS"u8], new("a Photoshop file")),
        (0, [.. "%PDF"u8], new("a PDF file")),
        (0, [.. "<svg"u8], new("an SVG drawing")),
        (0, [.. "version https://"u8], new("a pointer of Git LFS, whose file was not downloaded")),
        (4, [.. "ftypavif"u8], new("an AVIF image")),
        (4, [.. "ftypavis"u8], new("an AVIF image")),
        (4, [.. "ftyphei"u8], new("a HEIC image")),
        (4, [.. "ftyphev"u8], new("a HEIC image")),
        (4, [.. "ftypmif1"u8], new("a HEIC image")),
        (4, [.. "ftypmsf1"u8], new("a HEIC image")),
        (4, [.. "ftyp"u8], new("a video")),
        (257, [.. "ustar"u8], new("a tar archive", IsArchive: true)),
    ];

    /// <summary>The kind of a file that begins so; null for one that is not known here.</summary>
    public static ForeignKind? KindOf(ReadOnlySpan<byte> start)
    {
        foreach (var (offset, bytes, kind) in known)
        {
            if (start.Length >= offset + bytes.Length && start[offset..].StartsWith(bytes))
            {
                return kind;
            }
        }

        return null;
    }

    /// <summary>The kind of a file on disk; null where it is not known or cannot be read.</summary>
    public static ForeignKind? KindOf(string path)
    {
        try
        {
            if (new FileInfo(path).Length == 0)
            {
                return null;
            }

            using var file = File.OpenRead(path);
            var start = new byte[512];
            return KindOf(start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What is wrong with bytes that are no image, as the rest of a sentence that begins with their name.</summary>
    public static string Describe(ReadOnlySpan<byte> file)
    {
        if (KindOf(file) is { } kind)
        {
            return $"is {kind.Name}, which is not read{(kind.Name.EndsWith("image", StringComparison.Ordinal) ? "; convert it to JPEG or PNG" : "")}";
        }

        ReadOnlySpan<byte> jpeg = [0xff, 0xd8], png = [0x89, .. "PNG"u8];
        if (file.StartsWith(jpeg) || file.StartsWith(png) || file.StartsWith("BM"u8) || file.StartsWith("RIFF"u8) || file.StartsWith("GIF8"u8))
        {
            return "begins like an image but its header is cut or damaged";
        }

        var text = file[..Math.Min(file.Length, ShownText)];
        return text.ContainsAnyExceptInRange((byte)' ', (byte)'~')
            ? "is not an image"
            : $"is not an image: it begins with the text \"{Encoding.ASCII.GetString(text)}\"";
    }
}
