using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// What a path holds, recognised by its files: the format, the classes, and one or more parts that can be read as image sets.
/// </summary>
public abstract class Dataset
{
    /// <summary>Name of the part that is trained on.</summary>
    public const string TrainPart = "train";

    /// <summary>Name of the part that models are selected on, where a data set has one beside <see cref="TestPart"/>.</summary>
    public const string ValidationPart = "validation";

    /// <summary>Name of the part that is tested on.</summary>
    public const string TestPart = "test";

    private static readonly List<Func<string, Dataset?>> registered = [];

    /// <summary>The path that was opened.</summary>
    public required string Location { get; init; }

    /// <summary>The format in words, for example <c>CIFAR-10, binary</c>.</summary>
    public required string Format { get; init; }

    /// <summary>The classes in label order; empty for images without classes.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>
    /// Names of the parts: <see cref="TrainPart"/> and perhaps <see cref="TestPart"/>, or the sets of a collection of test sets.
    /// </summary>
    public required IReadOnlyList<string> Parts { get; init; }

    /// <summary>How the layout was understood where it could be understood otherwise, one sentence for each point.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The files that named its images, where there are such.</summary>
    public IReadOnlyList<ListFingerprint> Lists { get; init; } = [];

    /// <summary>What is there and cannot be read, or was left out, one sentence for each.</summary>
    public virtual IReadOnlyList<string> Problems => [];

    /// <summary>Whether the parts are separate out-of-distribution sets rather than the training and test part of one set.</summary>
    public virtual bool IsCollection => false;

    /// <summary>Adds a format of another assembly; it is asked before those that come with Pascl.</summary>
    /// <param name="find">Gives the data set of a path, or null where it is of another format.</param>
    public static void Register(Func<string, Dataset?> find) => registered.Add(find);

    /// <summary>Recognises what a path holds.</summary>
    /// <param name="path">The path.</param>
    /// <param name="root">The folder or archive that the paths of lists start from, where it is not that of the lists; null for all other data.</param>
    /// <exception cref="InputException">It holds none or several.</exception>
    public static Dataset Open(string path, string? root = null)
    {
        path = path.Length > 1 ? path.TrimEnd('/') : path;
        if (root is not null && IsListed(path))
        {
            return ListDataset.OpenBelow(path, root.Length > 1 ? root.TrimEnd('/') : root);
        }

        if (registered.Select(find => find(path)).FirstOrDefault(found => found is not null) is { } known)
        {
            return known;
        }

        if (NpyDataset.IsNpyName(path) && File.Exists(path))
        {
            return NpyDataset.OpenFile(path);
        }

        if (ScoodDataset.FindBenchmark(path) is { } benchmark)
        {
            return benchmark;
        }

        var tree = FileTree.Open(path);
        if (tree is PackedTree packed)
        {
            return PackedDataset.Of(packed);
        }

        Dataset?[] candidates = [.. CifarDataset.FindAll(tree), ScoodDataset.Find(tree), ListDataset.Find(tree), NpyDataset.Find(tree)];
        Dataset[] found = [.. candidates.OfType<Dataset>()];
        return found switch
        {
            [] => FolderDataset.Find(tree),
            [var only] => only,
            _ => throw new InputException(
                $"{path} holds several data sets; name one of {string.Join(", ", found.Select(set => $"{set.Location} ({set.Format})"))}."),
        };
    }

    /// <summary>Whether a path is a list, or a folder with lists in it. What else is read with a root beside it, such as outliers in a folder of their own, has no use for it.</summary>
    internal static bool IsListed(string path) => File.Exists(path)
        ? ListNames.IsList(path)
        : Directory.Exists(path) && Directory.EnumerateFiles(path).Any(file => ListNames.IsOf(ListNames.Train, file) || ListNames.IsOf(ListNames.Test, file));

    /// <summary>Reads one part.</summary>
    /// <param name="part">One of <see cref="Parts"/>.</param>
    /// <param name="name">Name of the set that is returned.</param>
    /// <param name="options">Image size and what to do about broken images.</param>
    /// <param name="skipped">Receives one sentence for each image left out.</param>
    public abstract ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped);

    /// <summary>Reads some images of a part; a data set whose images are files decodes no others.</summary>
    /// <param name="part">One of <see cref="Parts"/>.</param>
    /// <param name="name">Name of the set that is returned.</param>
    /// <param name="chosen">Their places in the part, each below <see cref="Count(string)"/>.</param>
    /// <param name="options">Image size; broken images are not to be left out, because places are those of all.</param>
    /// <param name="skipped">Receives one sentence for each image left out.</param>
    public virtual ImageSet Read(string part, string name, IReadOnlyList<int> chosen, ReadOptions options, ICollection<string> skipped) =>
        Read(part, name, options, skipped).Select(chosen);

    /// <summary>How many images of a part have each size, most frequent first.</summary>
    public abstract IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part);

    /// <summary>How many images a part has, before any is read.</summary>
    public abstract int Count(string part);

    /// <summary>What else is to be known of the images of a part, one sentence for each point.</summary>
    public virtual IReadOnlyList<string> Remarks(string part) => [];

    /// <summary>Throws where the classes or the training images cannot serve as in-distribution data.</summary>
    /// <exception cref="InputException">They cannot; the message says what is lacking.</exception>
    public void RequireClasses()
    {
        var lack = ClassNames.Count == 0 ? "no classes"
            : ClassNames.Count == 1 ? $"only one class, {ClassNames[0]}"
            : !Parts.Contains(TrainPart) ? "no training part"
            : null;
        if (lack is not null)
        {
            throw new InputException(
                $"{Location} ({Format}) has {lack}; expected training images of at least two classes, as in train/CLASS/IMAGE.jpg.");
        }
    }
}

/// <summary>A data set whose images are files of a tree.</summary>
internal abstract class FileDataset : Dataset
{
    private readonly Dictionary<string, ImageHeaders> headers = [];

    public required FileTree Tree { get; init; }

    /// <summary>The images of each part, by its name.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<ImageFile>> Files { get; init; }

    public override ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped) =>
        ImageFiles.Read(name, Tree, Files[part], ClassNames, options, skipped);

    public override ImageSet Read(string part, string name, IReadOnlyList<int> chosen, ReadOptions options, ICollection<string> skipped) =>
        ImageFiles.Read(name, Tree, [.. chosen.Select(place => Files[part][place])], ClassNames, options, skipped);

    public override int Count(string part) => Files[part].Count;

    /// <summary>Images of each class in a part, before any is read.</summary>
    public int[] CountPerClass(string part)
    {
        var counts = new int[ClassNames.Count];
        foreach (var file in Files[part].Where(file => file.Label != ImageSet.NoClass))
        {
            counts[file.Label]++;
        }

        return counts;
    }

    // Every file is opened for them, so that they are read once.
    private ImageHeaders Headers(string part) =>
        headers.TryGetValue(part, out var known) ? known : headers[part] = ImageFiles.Headers(Tree, Files[part]);

    public override IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part) => Headers(part).Sizes;

    public override IReadOnlyList<string> Remarks(string part) => Headers(part).Turned is > 0 and var turned
        ? [$"{turned:N0} images of the part {part} are turned or mirrored by their EXIF orientation, as they are meant to be shown. A program that leaves this out sees them otherwise."]
        : [];

    public override IReadOnlyList<string> Problems => ImageFile.CountUnread(Tree.Files) is { } unread
        ? [.. Tree.Problems, $"{Location} holds pictures of kinds that are not read ({unread}); convert them to JPEG or PNG, or they are missed."]
        : Tree.Problems;
}

/// <summary>Allocates image blocks, but not ones that cannot fit into memory.</summary>
internal static class Allocation
{
    // The rest is for the other sets, the network and its batches.
    private const int ShareOfFreeMemory = 4;

    /// <summary>Why files are decoded whenever an image is wanted, as a part of a sentence; null where they are decoded once and held in memory.</summary>
    public static string? ReasonToStream(int count, int size, ReadOptions options)
    {
        var (needed, limit) = ((long)count * size * size * PixelBlock.Channels, options.MemoryLimit ?? Free() / ShareOfFreeMemory);
        return options.NeedsWholeImages ? "training cuts parts out of whole images"
            : needed > limit ? string.Create(CultureInfo.InvariantCulture, $"their {needed >> 20:N0} MiB at {size} x {size} pixels are more than a quarter of the free memory")
            : null;
    }

    // What a container may still take, and what the machine says to have.
    private static long Free()
    {
        var free = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;
        const string machine = "/proc/meminfo";
        var line = File.Exists(machine) ? File.ReadLines(machine).FirstOrDefault(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal)) : null;
        return line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var kibibytes, _] && long.TryParse(kibibytes, CultureInfo.InvariantCulture, out var available)
            ? Math.Min(free, available << 10)
            : free;
    }

    /// <summary>A block of square images for the data set at <paramref name="location"/>.</summary>
    public static PixelBlock Of(int count, int size, string location)
    {
        var byteCount = (long)count * size * size * PixelBlock.Channels;
        var available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return byteCount <= available
            ? new PixelBlock(count, size, size)
            : throw new InputException(
                $"{location} holds {count:N0} images, which take {byteCount >> 20:N0} MiB at {size} x {size} pixels, "
                + $"and this machine has {available >> 20:N0} MiB; choose a smaller image size.");
    }
}

/// <summary>
/// The names of a file <c>classes.txt</c>, in label order. A line is <c>label name</c>, where the name is the rest of the line; many lists have the number of images
/// behind the name, and a description behind that. Which words are the name shows by the folders that are called so, or by the numbers.
/// </summary>
/// <param name="Names">The whole rest of each line.</param>
/// <param name="Shorter">What else the names may be: without a number at the end, the words before a number, the first word.</param>
internal sealed record ClassNameList(string[] Names, IReadOnlyList<ClassNameList.Form> Shorter)
{
    /// <summary>The form that is a set of names; null where none is.</summary>
    public string[]? Matching(IReadOnlyCollection<string> names) =>
        Shorter.Select(form => form.Names).Prepend(Names).FirstOrDefault(form => form.ToHashSet(StringComparer.Ordinal).SetEquals(names));

    /// <summary>The names by the numbers behind them: where these are the numbers of images, they are no part of the names.</summary>
    public string[] Of(IReadOnlyList<int> counts) => Shorter.FirstOrDefault(form => form.Numbers?.SequenceEqual(counts) == true)?.Names ?? Names;

    /// <summary>A way to read the names.</summary>
    /// <param name="Names">The names.</param>
    /// <param name="Numbers">The number behind each; null where there are none.</param>
    internal sealed record Form(string[] Names, int[]? Numbers);

    /// <summary>The names in label order, or null where the file is not such a list.</summary>
    /// <exception cref="InputException">A label is missing or occurs twice, or two classes have one name.</exception>
    public static ClassNameList? Read(FileTree tree, string file)
    {
        string[] lines = [.. tree.ReadLines(file).Where(line => !string.IsNullOrWhiteSpace(line))];
        var words = new SortedDictionary<int, string[]>();
        foreach (var line in lines)
        {
            var split = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (split.Length < 2 || !int.TryParse(split[0], NumberStyles.None, CultureInfo.InvariantCulture, out var label))
            {
                return null;
            }

            if (label >= lines.Length || !words.TryAdd(label, split[1..]))
            {
                throw new InputException(
                    $"{tree.Describe(file)} has the line \"{line}\"; expected each label from 0 to {lines.Length - 1} once.");
            }
        }

        string[] names = [.. words.Values.Select(word => string.Join(' ', word))];
        return names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice
            ? throw new InputException($"{tree.Describe(file)} gives two labels the name {twice.Key}; every class needs a name of its own.")
            : new ClassNameList(names, [.. Forms(words.Values)]);
    }

    private static IEnumerable<Form> Forms(IReadOnlyCollection<string[]> words)
    {
        foreach (var place in (Func<string[], int>[])[word => word.Length - 1, word => Math.Max(1, Array.FindIndex(word, 1, text => Number(text) is not null))])
        {
            if (words.All(word => word.Length > 1 && Number(word[place(word)]) is not null))
            {
                yield return new Form([.. words.Select(word => string.Join(' ', word[..place(word)]))], [.. words.Select(word => Number(word[place(word)])!.Value)]);
            }
        }

        yield return new Form([.. words.Select(word => word[0])], null);
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
