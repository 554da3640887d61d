using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;

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

/// <summary>
/// Annotations in JSON as iNaturalist (2018: <c>train2018.json</c>, <c>val2018.json</c>) and COCO have them: <c>images</c> with <c>id</c> and <c>file_name</c>,
/// <c>annotations</c> with <c>image_id</c> and <c>category_id</c>, <c>categories</c> with <c>id</c> and <c>name</c>. An image has one class. Labels are the places of the
/// categories in the order of their ids.
/// </summary>
internal static class AnnotationFile
{
    /// <summary>Reads a file as a list; null where it has no annotations, as the files of unlabelled test images.</summary>
    /// <exception cref="InputException">It is no file of that kind, or contradicts itself.</exception>
    public static ImageList? Read(FileTree tree, string file)
    {
        var where = tree.Describe(file);
        try
        {
            using var json = JsonDocument.Parse(tree.Read(file));
            if (!json.RootElement.TryGetProperty("images", out var images) || !json.RootElement.TryGetProperty("annotations", out var annotations))
            {
                return null;
            }

            (long Id, string Name)[] categories =
                [.. json.RootElement.GetProperty("categories").EnumerateArray().Select(category => (category.GetProperty("id").GetInt64(), category.GetProperty("name").GetString()!)).OrderBy(category => category.Item1)];
            var labelOf = categories.Index().ToDictionary(category => category.Item.Id, category => category.Index);
            var labelOfImage = new Dictionary<long, int>();
            foreach (var annotation in annotations.EnumerateArray())
            {
                var (image, category) = (annotation.GetProperty("image_id").GetInt64(), annotation.GetProperty("category_id").GetInt64());
                if (!labelOf.TryGetValue(category, out var label))
                {
                    throw new InputException($"{where} gives image {image} the category {category}, which is none of its {categories.Length:N0} categories.");
                }

                if (!labelOfImage.TryAdd(image, label) && labelOfImage[image] != label)
                {
                    throw new InputException($"{where} gives image {image} several categories; expected images of one class.");
                }
            }

            var lines = new List<ImageList.Line>();
            foreach (var image in images.EnumerateArray())
            {
                var (id, path) = (image.GetProperty("id").GetInt64(), image.GetProperty("file_name").GetString()!);
                var label = labelOfImage.TryGetValue(id, out var known) ? known
                    : throw new InputException($"{where} has no annotation of image {id}, {path}; expected one of every image.");
                lines.Add(new ImageList.Line(lines.Count + 1, path, path, label.ToString(CultureInfo.InvariantCulture), label));
            }

            // Names of species are not unique in every year's file.
            var isUnique = categories.DistinctBy(category => category.Name).Count() == categories.Length;
            return new ImageList(file, lines, "labels from its annotations")
            {
                ClassNames = [.. categories.Select(category => isUnique ? category.Name : $"{category.Name} ({category.Id})")],
            };
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InputException($"{where} cannot be read as annotations of images ({exception.Message.TrimEnd('.')}); expected images, annotations and categories as iNaturalist 2018 has them.", exception);
        }
    }
}
