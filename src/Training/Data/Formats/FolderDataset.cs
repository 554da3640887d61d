using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Images in one folder per class: <c>train/CLASS/IMAGE</c> with <c>test/CLASS/IMAGE</c> (or <c>val</c>), or just <c>CLASS/IMAGE</c>, at
/// any depth below folders that hold nothing else; or images without class folders. Classes are in ordinal order of their names unless a
/// <c>classes.txt</c> with lines <c>label name</c> says otherwise; the images of a class are in ordinal order of their paths.
/// </summary>
internal sealed class FolderDataset : FileDataset
{
    private const string ClassList = "classes.txt";
    private static readonly string[] trainNames = ["train", "training"];
    private static readonly string[] testNames = ["test", "testing", "val", "valid", "validation"];

    public static FolderDataset Find(FileTree tree)
    {
        string[] images = [.. tree.Files.Where(ImageFile.HasImageName)];
        if (images.Length == 0)
        {
            throw new InputException(
                $"{tree.Location} holds no images{Hint(tree)}; expected JPEG, PNG, BMP or WebP files, as in train/CLASS/IMAGE.jpg.");
        }

        var root = CommonFolder(images);
        string[] children = [.. images.Select(image => ChildOf(root, image)).Distinct()];
        var train = children.FirstOrDefault(child => trainNames.Contains(child, StringComparer.OrdinalIgnoreCase));
        var tests = testNames.Select(name => children.FirstOrDefault(child => child.Equals(name, StringComparison.OrdinalIgnoreCase)));
        if (train is null || children.Any(child => child != train && !testNames.Contains(child, StringComparer.OrdinalIgnoreCase)))
        {
            return Create(tree, images, root, root, null);
        }

        var test = tests.OfType<string>().FirstOrDefault();
        return Create(tree, images, root, FileTree.Join(root, train), test is null ? null : FileTree.Join(root, test));
    }

    private static FolderDataset Create(FileTree tree, string[] images, string root, string trainFolder, string? testFolder)
    {
        var classNames = ClassNamesOf(tree, images, root, trainFolder);
        var labels = classNames.Index().ToDictionary(pair => pair.Item, pair => pair.Index, StringComparer.Ordinal);
        var files = new Dictionary<string, IReadOnlyList<ImageFile>> { [TrainPart] = Label(tree, images, trainFolder, labels) };
        if (testFolder is not null)
        {
            files[TestPart] = Label(tree, images, testFolder, labels);
        }

        return new FolderDataset
        {
            Location = tree.Location,
            Format = classNames.Length == 0 ? "images without classes" : "one folder of images per class",
            ClassNames = classNames,
            Parts = [.. files.Keys],
            Tree = tree,
            Files = files,
        };
    }

    private static ImageFile[] Label(FileTree tree, string[] images, string folder, Dictionary<string, int> labels)
    {
        var files = images.Where(image => IsBelow(folder, image)).Select(image => new ImageFile(image, LabelOf(image)));
        return [.. files.OrderBy(file => file.Label)];

        int LabelOf(string image)
        {
            var name = ChildOf(folder, image);
            return labels.Count == 0 ? ImageSet.NoClass
                : labels.TryGetValue(name, out var label) ? label
                : throw new InputException(
                    $"{tree.Describe(image)} belongs to "
                    + $"{(name.Length == 0 ? "no class folder" : $"a class {name} that has no training images")}; "
                    + $"the classes are {string.Join(", ", labels.Keys.Take(10))}{(labels.Count > 10 ? ", ..." : "")}.");
        }
    }

    /// <summary>
    /// The folders below the training folder; empty ones count, so that a class without images is noticed. Loose images mean no classes.
    /// </summary>
    private static string[] ClassNamesOf(FileTree tree, string[] images, string root, string trainFolder)
    {
        var training = images.Where(image => IsBelow(trainFolder, image));
        var withImages = training.Select(image => ChildOf(trainFolder, image)).ToHashSet(StringComparer.Ordinal);
        if (withImages.Contains(""))
        {
            return [];
        }

        var folders = tree.Folders.Where(folder => FileTree.FolderOf(folder) == trainFolder).Select(FileTree.NameOf);
        string[] names = [.. withImages.Union(folders).Order(StringComparer.Ordinal)];
        return tree.Contains(FileTree.Join(root, ClassList)) ? Reorder(tree, FileTree.Join(root, ClassList), names)
            : tree.Contains(ClassList) ? Reorder(tree, ClassList, names)
            : names;
    }

    private static string[] Reorder(FileTree tree, string list, string[] names)
    {
        if (ClassNameList.Read(tree, list) is not { } ordered)
        {
            return names;
        }

        string[] strangers = [.. ordered.Except(names), .. names.Except(ordered)];
        return strangers.Length == 0
            ? ordered
            : throw new InputException(
                $"{tree.Describe(list)} and the class folders disagree about {strangers[0]}; list every folder once, or remove the list.");
    }

    private static string CommonFolder(string[] images)
    {
        var folder = FileTree.FolderOf(images[0]);
        while (!images.All(image => IsBelow(folder, image)))
        {
            folder = FileTree.FolderOf(folder);
        }

        return folder;
    }

    private static bool IsBelow(string folder, string file) =>
        folder.Length == 0 || file.StartsWith(folder + "/", StringComparison.Ordinal);

    /// <summary>The first folder below <paramref name="folder"/> on the way to a file; empty for a file directly in it.</summary>
    private static string ChildOf(string folder, string file)
    {
        var rest = folder.Length == 0 ? file : file[(folder.Length + 1)..];
        return rest[..Math.Max(0, rest.IndexOf('/'))];
    }

    private static string Hint(FileTree tree)
    {
        string[] archives = [.. tree.Files.Where(file => TarTree.IsArchiveName(file) && FileTree.FolderOf(file).Length == 0)];
        return archives.Length == 0 ? "" : $" but archives, which are opened by naming one ({string.Join(", ", archives.Take(5))})";
    }
}

/// <summary>A <c>classes.txt</c> with one line <c>label name ...</c> per class; what follows the name is ignored.</summary>
internal static class ClassNameList
{
    /// <summary>The names in label order, or null where the file is not such a list.</summary>
    public static string[]? Read(FileTree tree, string file)
    {
        var names = new SortedDictionary<int, string>();
        var lines = tree.ReadLines(file);
        foreach (var line in lines)
        {
            if (line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is not [var number, var name, ..]
                || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var label))
            {
                return null;
            }

            if (label >= lines.Length || !names.TryAdd(label, name))
            {
                throw new InputException(
                    $"{tree.Describe(file)} has the line \"{line}\"; expected each label from 0 to {lines.Length - 1} once.");
            }
        }

        return [.. names.Values];
    }
}
