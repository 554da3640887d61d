using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// A NumPy file of images without classes, as <c>300K_random_images.npy</c>. A file on disk whose images have the size asked for is mapped,
/// not read.
/// </summary>
/// <param name="header">What the file says about itself.</param>
/// <param name="path">The file on disk, or null for one inside an archive.</param>
/// <param name="content">The bytes of a file inside an archive.</param>
internal sealed class NpyDataset(NpyHeader header, string? path, ReadOnlyMemory<byte> content) : Dataset
{
    public static bool IsNpyName(string path) => path.EndsWith(".npy", StringComparison.OrdinalIgnoreCase);

    /// <summary>The data set of a file on disk.</summary>
    public static NpyDataset OpenFile(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var start = new byte[Math.Min(file.Length, NpyHeader.LargestLength)];
            file.ReadExactly(start);
            return Create(path, path, start, file.Length, default);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>The one file .npy of a tree without images, or null where there is none.</summary>
    public static NpyDataset? Find(FileTree tree)
    {
        string[] files = [.. tree.Files.Where(IsNpyName)];
        if (files.Length == 0 || tree.Files.Any(ImageFile.HasImageName))
        {
            return null;
        }

        if (files.Length > 1)
        {
            throw new InputException(
                $"{tree.Location} holds several files .npy ({string.Join(", ", files.Take(5))}); name the one you mean.");
        }

        if (tree is FolderTree)
        {
            return OpenFile(tree.Describe(files[0]));
        }

        var content = tree.Read(files[0]);
        return Create(tree.Describe(files[0]), null, content.Span, content.Length, content);
    }

    public override ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped)
    {
        var (count, height, width, offset) = header;
        var labels = new int[count];
        Array.Fill(labels, ImageSet.NoClass);
        var size = options.ImageSize ?? Math.Min(height, width);
        if (path is not null && height == size && width == size && options.Geometry == ImageGeometry.SmallImages)
        {
            return new ImageSet(name, PixelBlock.Map(path, offset, count, height, width), labels, []);
        }

        using var mapped = path is null ? null : PixelBlock.Map(path, offset, count, height, width);
        var pixels = Allocation.Of(count, size, Location);
        Parallel.For(0, count, i =>
        {
            var byteCount = height * width * PixelBlock.Channels;
            var image = mapped is null ? content.Span.Slice(offset + (i * byteCount), byteCount) : mapped[i];
            using var decoder = DecoderPool.Rent();
            decoder.Value.Fit(image, width, height, pixels.Writable(i), size, options.Geometry);
        });
        return new ImageSet(name, pixels, labels, []);
    }

    public override int Count(string part) => header.Count;

    public override IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part) => [(header.Width, header.Height, header.Count)];

    private static NpyDataset Create(string location, string? path, ReadOnlySpan<byte> start, long length, ReadOnlyMemory<byte> content)
    {
        var header = NpyHeader.Parse(location, start, length);
        return new NpyDataset(header, path, content)
        {
            Location = location,
            Format = $"NumPy array of images, {header.Width} x {header.Height}",
            Parts = [TrainPart],
        };
    }
}

/// <summary>
/// The header of a NumPy file (numpy.lib.format, versions 1 to 3) that holds uint8 images, (Count, Height, Width, 3), in C order.
/// </summary>
/// <param name="Count">Number of images.</param>
/// <param name="Height">Rows of pixels in an image.</param>
/// <param name="Width">Columns of pixels in an image.</param>
/// <param name="Offset">Where the first image begins, in bytes.</param>
internal readonly record struct NpyHeader(int Count, int Height, int Width, int Offset)
{
    /// <summary>No header of such a file is longer.</summary>
    public const int LargestLength = NpyArray.LargestHeader;

    private const string Expected = "expected a NumPy file of uint8 images with shape (N, H, W, 3) in C order";

    /// <summary>Reads the header at the start of a file of <paramref name="length"/> bytes and checks it against that length.</summary>
    public static NpyHeader Parse(string source, ReadOnlySpan<byte> start, long length)
    {
        var array = NpyArray.Parse(source, start, Expected);
        if (array.Type is not ("|u1" or "<u1" or ">u1"))
        {
            throw new InputException($"{source} holds numbers of type {array.Type}; {Expected} (type |u1).");
        }

        if (array.IsFortran)
        {
            throw new InputException($"{source} is in Fortran order; {Expected}. Save numpy.ascontiguousarray(array) instead.");
        }

        if (array.Shape is not [> 0 and <= int.MaxValue, > 0 and <= int.MaxValue, > 0 and <= int.MaxValue, PixelBlock.Channels])
        {
            throw new InputException($"{source} has shape {array.ShapeText}; {Expected}.");
        }

        var (offset, shape) = (array.Offset, array.Shape);
        var needed = offset + ((Int128)shape[0] * shape[1] * shape[2] * shape[3]);
        return needed == length
            ? new NpyHeader((int)shape[0], (int)shape[1], (int)shape[2], offset)
            : throw new InputException(
                $"{source} has {length:N0} bytes but its header promises {needed:N0}, {shape[0]:N0} images; "
                + $"it is {(length < needed ? "cut short" : "too long")}.");
    }
}

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
