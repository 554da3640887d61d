namespace Pascl.Training.Data.Formats;

/// <summary>CIFAR-10 or CIFAR-100 as published, binary or Python; CIFAR-100 with its fine classes.</summary>
internal sealed class CifarDataset : Dataset
{
    private readonly FileTree tree;
    private readonly string folder;
    private readonly CifarLayout layout;

    private CifarDataset(FileTree tree, string folder, CifarLayout layout) =>
        (this.tree, this.folder, this.layout) = (tree, folder, layout);

    /// <summary>The data sets of this kind in a tree.</summary>
    public static IEnumerable<CifarDataset> FindAll(FileTree tree) =>
        from layout in CifarLayout.All
        from folder in tree.Files.Where(file => IsPart(layout, FileTree.NameOf(file))).Select(FileTree.FolderOf).Distinct()
        where !layout.IsPickle || tree.Contains(FileTree.Join(folder, layout.NameFile))
        select Create(tree, folder, layout);

    public override ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped)
    {
        (CifarRecords File, int Record)[] images =
            [.. ReadFiles(part).SelectMany(file => Enumerable.Range(0, file.Labels.Length).Select(record => (file, record)))];
        var size = options.ImageSize ?? CifarRecords.ImageSize;
        var pixels = Allocation.Of(images.Length, size, Location);
        Parallel.For(0, images.Length, i =>
        {
            if (size == CifarRecords.ImageSize)
            {
                images[i].File.CopyPixels(images[i].Record, pixels.Writable(i));
                return;
            }

            Span<byte> natural = stackalloc byte[CifarRecords.ImageSize * CifarRecords.ImageSize * PixelBlock.Channels];
            images[i].File.CopyPixels(images[i].Record, natural);
            Resampling.ResizeAndCrop(natural, CifarRecords.ImageSize, CifarRecords.ImageSize, pixels.Writable(i), size);
        });
        int[] labels = [.. images.Select(image => image.File.Labels[image.Record])];
        return new ImageSet(name, pixels, labels, ClassNames, [.. images.Select(image => $"{image.File.Source}[{image.Record}]")]);
    }

    public override IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part) =>
        [(CifarRecords.ImageSize, CifarRecords.ImageSize, ReadFiles(part).Sum(file => file.Labels.Length))];

    private static CifarDataset Create(FileTree tree, string folder, CifarLayout layout)
    {
        string[] missing = [.. layout.TrainingFiles.Where(file => !tree.Contains(FileTree.Join(folder, file)))];
        if (missing.Length > 0 && missing.Length < layout.TrainingFiles.Count)
        {
            throw new InputException($"{tree.Location} ({layout.Format}) lacks {string.Join(", ", missing)}; get all of it.");
        }

        var parts = new List<string>();
        if (missing.Length == 0)
        {
            parts.Add(TrainPart);
        }

        if (tree.Contains(FileTree.Join(folder, layout.TestFile)))
        {
            parts.Add(TestPart);
        }

        return new CifarDataset(tree, folder, layout)
        {
            Location = FileTree.Join(tree.Location, folder).TrimEnd('/'),
            Format = layout.Format,
            ClassNames = ReadNames(tree, FileTree.Join(folder, layout.NameFile), layout),
            Parts = parts,
        };
    }

    private static IReadOnlyList<string> ReadNames(FileTree tree, string file, CifarLayout layout)
    {
        if (!tree.Contains(file))
        {
            return layout.ClassNames;
        }

        var names = layout.NameKey is null
            ? [.. tree.ReadLines(file).Where(line => line.Length > 0)]
            : CifarPickle.Strings(tree.Describe(file), tree.Read(file), layout.NameKey);
        return names.Length == layout.ClassNames.Count
            ? names
            : throw new InputException(
                $"{tree.Describe(file)} has {names.Length} class names; {layout.Format} has {layout.ClassNames.Count}.");
    }

    private static bool IsPart(CifarLayout layout, string name) => name == layout.TestFile || layout.TrainingFiles.Contains(name);

    private CifarRecords[] ReadFiles(string part)
    {
        var names = part == TestPart ? [layout.TestFile] : layout.TrainingFiles;
        var files = names.Select(name => FileTree.Join(folder, name));
        return [.. files.Select(file => CifarRecords.Read(tree.Describe(file), tree.Read(file), layout, ClassNames.Count))];
    }
}
