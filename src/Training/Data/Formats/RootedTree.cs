using System.Collections.Concurrent;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Lists of images and, below a root elsewhere, the images that they name. The root may hold millions of files: none but those that are asked for are looked up.
/// </summary>
internal sealed class RootedTree : FileTree
{
    private readonly Dictionary<string, string> lists;
    private readonly FileTree? archive;
    private readonly ConcurrentDictionary<string, bool> known = new(StringComparer.Ordinal);

    private RootedTree(string root, FileTree? archive, Dictionary<string, string> lists)
        : base(root, lists.Keys, [], [])
    {
        (this.archive, this.lists) = (archive, lists);
    }

    /// <summary>A list with those beside it, or the lists in a folder.</summary>
    /// <param name="path">A list, or a folder of lists.</param>
    /// <param name="root">The folder or archive that the paths in the lists start from.</param>
    /// <exception cref="InputException">One of the two is not there.</exception>
    public static RootedTree OpenBelow(string path, string root)
    {
        string[] files = File.Exists(path) ? [path, .. ListNames.Beside(path)]
            : Directory.Exists(path) ? [.. Directory.EnumerateFiles(path).Where(ListNames.IsList)]
            : throw new InputException($"{path} does not exist; with --root, expected a list of images or a folder of lists.");
        if (File.Exists(path) && !ListNames.IsList(path))
        {
            throw new InputException($"{path} is no list of images: with --root, expected a file .txt, .csv, .tsv or .json, or a folder of such files.");
        }

        return new RootedTree(
            root, Directory.Exists(root) ? null : FileTree.Open(root, "the folder or archive that the paths of the lists start from was expected."),
            files.ToDictionary(file => Path.GetFileName(file)!, StringComparer.Ordinal));
    }

    /// <summary>Whether a file is one of the lists.</summary>
    public bool IsList(string file) => lists.ContainsKey(file);

    public override bool Contains(string file) => lists.ContainsKey(file) || known.GetOrAdd(file, IsThere);

    public override ReadOnlyMemory<byte> Read(string file) =>
        lists.TryGetValue(file, out var list) ? FolderTree.ReadFile(list) : archive?.Read(file) ?? FolderTree.ReadFile(Describe(file));

    public override string Describe(string file) => lists.TryGetValue(file, out var list) ? list : archive?.Describe(file) ?? Path.Combine(Location, file);

    /// <summary>The images of a folder below the root, for a list that names folders; none where there is no such folder.</summary>
    public IEnumerable<string> ImagesIn(string folder) => archive is not null
        ? archive.Files.Where(file => file.StartsWith(folder + "/", StringComparison.Ordinal) && ImageFile.HasImageName(file))
        : Directory.Exists(Path.Combine(Location, folder))
        ? Directory.EnumerateFiles(Path.Combine(Location, folder)).Where(ImageFile.HasImageName).Select(file => Join(folder, Path.GetFileName(file))).Order(StringComparer.Ordinal)
        : [];

    private bool IsThere(string file) => archive?.Contains(file) ?? File.Exists(Path.Combine(Location, file));
}

/// <summary>What lists are called: for training, validation and test, with an ending of text or JSON.</summary>
internal static class ListNames
{
    public const string Train = "train";
    public const string Validation = "val";
    public const string Test = "test";

    private static readonly string[] endings = [".txt", ".csv", ".tsv", Annotations];

    /// <summary>The ending of annotations as COCO and iNaturalist write them.</summary>
    public const string Annotations = ".json";

    /// <summary>Whether a file may be a list.</summary>
    public static bool IsList(string file) => endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Whether a file is the list of a part by its name: <c>ImageNet_LT_train.txt</c>, <c>train2018.json</c>, <c>train_imagenet200.txt</c>. Annotations of a folder are not, unless they are lists by a root of their own.
    /// </summary>
    public static bool IsOf(string part, string file)
    {
        var name = Path.GetFileNameWithoutExtension(file).TrimEnd([.. "0123456789"]);
        return IsList(file) && (Ends(part) || (name.StartsWith(part + "_", StringComparison.OrdinalIgnoreCase) && !Ends(Train) && !Ends(Validation) && !Ends(Test)));

        bool Ends(string ending) => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The lists of validation and test images beside a list of training images, by its name.</summary>
    public static IEnumerable<string> Beside(string path)
    {
        var (folder, name) = (Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path));
        var place = IsOf(Train, name) ? name.LastIndexOf(Train, StringComparison.OrdinalIgnoreCase) : -1;
        string[] others = place < 0 ? [] : [.. new[] { Validation, Test }.Select(part => name[..place] + part + name[(place + Train.Length)..]), "classes.txt"];
        return others.Select(other => Path.Combine(folder, other)).Where(File.Exists);
    }
}
