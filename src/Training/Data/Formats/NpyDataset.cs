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
        if (path is not null && height == size && width == size)
        {
            return new ImageSet(name, PixelBlock.Map(path, offset, count, height, width), labels, []);
        }

        using var mapped = path is null ? null : PixelBlock.Map(path, offset, count, height, width);
        var pixels = Allocation.Of(count, size, Location);
        Parallel.For(0, count, i =>
        {
            var byteCount = height * width * PixelBlock.Channels;
            var image = mapped is null ? content.Span.Slice(offset + (i * byteCount), byteCount) : mapped[i];
            Resampling.ResizeAndCrop(image, width, height, pixels.Writable(i), size);
        });
        return new ImageSet(name, pixels, labels, []);
    }

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
