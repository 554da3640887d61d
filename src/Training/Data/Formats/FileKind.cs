using System.Text;

namespace Pascl.Training.Data.Formats;

/// <summary>What a file is, known by its first bytes, so that a message can name what somebody has taken for an image, an archive or weights.</summary>
/// <param name="Name">Its name with an article: <c>a zip archive</c>.</param>
/// <param name="Group">What it is good for.</param>
internal sealed record FileKind(string Name, FileGroup Group)
{
    // Bytes of a text file that a message shows.
    private const int ShownText = 15;
    private const int BytesNeeded = 512;

    public static FileKind Gzip { get; } = new("a file compressed with gzip", FileGroup.Archive);

    public static FileKind Tar { get; } = new("a tar archive", FileGroup.Archive);

    public static FileKind Hdf5 { get; } = new("an HDF5 file", FileGroup.Other);

    public static FileKind Gguf { get; } = new("a GGUF file", FileGroup.Other);

    // Two letters are too few to call every file that begins so an image; so BMP is none of these.
    private static readonly (int Offset, byte[] Bytes, FileKind Kind)[] signatures =
    [
        (0, [0xff, 0xd8, 0xff], new("a JPEG image", FileGroup.Image)),
        (0, [0x89, .. "PNG"u8], new("a PNG image", FileGroup.Image)),
        (0, [.. "GIF8"u8], new("a GIF image", FileGroup.Image)),
        (8, [.. "WEBP"u8], new("a WebP image", FileGroup.Image)),
        (0, [.. "II*"u8, 0], new("a TIFF image", FileGroup.UnreadImage)),
        (0, [.. "MM"u8, 0, (byte)'*'], new("a TIFF image", FileGroup.UnreadImage)),
        (0, [0, 0, 0, 12, .. "JXL "u8], new("a JPEG XL image", FileGroup.UnreadImage)),
        (0, [0xff, 0x0a], new("a JPEG XL image", FileGroup.UnreadImage)),
        (0, [0, 0, 0, 12, .. "jP  "u8], new("a JPEG 2000 image", FileGroup.UnreadImage)),
        (4, [.. "ftypavif"u8], new("an AVIF image", FileGroup.UnreadImage)),
        (4, [.. "ftypavis"u8], new("an AVIF image", FileGroup.UnreadImage)),
        (4, [.. "ftyphei"u8], new("a HEIC image", FileGroup.UnreadImage)),
        (4, [.. "ftyphev"u8], new("a HEIC image", FileGroup.UnreadImage)),
        (4, [.. "ftypmif1"u8], new("a HEIC image", FileGroup.UnreadImage)),
        (4, [.. "ftypmsf1"u8], new("a HEIC image", FileGroup.UnreadImage)),
        (0, [0x1f, 0x8b], Gzip),
        (0, [.. "BZh"u8], new("a file compressed with bzip2", FileGroup.Archive)),
        (0, [0xfd, .. "7zXZ"u8, 0], new("a file compressed with xz", FileGroup.Archive)),
        (0, [0x28, 0xb5, 0x2f, 0xfd], new("a file compressed with zstd", FileGroup.Archive)),
        (0, [.. "PK"u8, 3, 4], new("a zip archive", FileGroup.Archive)),
        (0, [.. "7z"u8, 0xbc, 0xaf], new("a 7z archive", FileGroup.Archive)),
        (0, [.. "Rar!"u8], new("a RAR archive", FileGroup.Archive)),
        (257, [.. "ustar"u8], Tar),
        (0, [.. "version https://git-lfs"u8], new("a pointer of Git LFS", FileGroup.Pointer)),
        (0, [0x89, .. "HDF"u8], Hdf5),
        (0, [.. "GGUF"u8], Gguf),
        (0, [0x93, .. "NUMPY"u8], new("a NumPy array", FileGroup.Other)),
        (0, [0x7f, .. "ELF"u8], new("a program", FileGroup.Other)),
        (0, [.. "8BPS"u8], new("a Photoshop file", FileGroup.Other)),
        (0, [.. "%PDF"u8], new("a PDF file", FileGroup.Other)),
        (0, [.. "<svg"u8], new("an SVG drawing", FileGroup.Other)),
        (4, [.. "ftyp"u8], new("a video", FileGroup.Other)),
        (0, [.. "RIFF"u8], new("a RIFF file, of sound or video", FileGroup.Other)),
    ];

    /// <summary>The kind of a file that begins so; null for one that is not known here.</summary>
    public static FileKind? Of(ReadOnlySpan<byte> start)
    {
        foreach (var (offset, bytes, kind) in signatures)
        {
            if (start.Length >= offset + bytes.Length && start[offset..].StartsWith(bytes))
            {
                return kind;
            }
        }

        return null;
    }

    /// <summary>The kind of a file on disk; null where it is not known or cannot be read.</summary>
    public static FileKind? Of(string path)
    {
        try
        {
            if (new FileInfo(path).Length == 0)
            {
                return null;
            }

            using var file = File.OpenRead(path);
            var start = new byte[BytesNeeded];
            return Of(start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What is wrong with bytes that are no image, as the rest of a sentence that begins with their name.</summary>
    public static string WhyNoImage(ReadOnlySpan<byte> file)
    {
        var kind = Of(file);
        if (kind?.Group == FileGroup.Image || file.StartsWith("BM"u8))
        {
            return "begins like an image but its header is cut or damaged";
        }

        if (kind is not null)
        {
            return $"is {kind.Name}, " + kind.Group switch
            {
                FileGroup.UnreadImage => "which is not read; convert it to JPEG or PNG",
                FileGroup.Pointer => "not the image itself; get that with git lfs pull",
                _ => "which is not read",
            };
        }

        var text = file[..Math.Min(file.Length, ShownText)];
        return text.ContainsAnyExceptInRange((byte)' ', (byte)'~')
            ? "is not an image"
            : $"is not an image: it begins with the text \"{Encoding.ASCII.GetString(text)}\"";
    }
}

/// <summary>What files of a kind are good for.</summary>
internal enum FileGroup
{
    /// <summary>Images that are read.</summary>
    Image,

    /// <summary>Images that are not read.</summary>
    UnreadImage,

    /// <summary>Files that hold another one, or several.</summary>
    Archive,

    /// <summary>What stands in a repository for a file that lies elsewhere.</summary>
    Pointer,

    /// <summary>Neither images nor what holds them.</summary>
    Other,
}
