using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Images in one folder per class: <c>train/CLASS/IMAGE</c> with <c>test/CLASS/IMAGE</c> and perhaps <c>val/CLASS/IMAGE</c>, or just <c>CLASS/IMAGE</c>, at
/// any depth below folders that hold nothing else; or images without class folders. Where there is no <c>test</c>, <c>val</c> is what is tested on. Classes are in ordinal order of their names unless a
/// <c>classes.txt</c> (<see cref="ClassNameList"/>) says otherwise; the images of a class are in ordinal order of their paths.
/// </summary>
internal sealed class FolderDataset : FileDataset
{
    private const string ClassList = "classes.txt";
    private static readonly string[] trainNames = ["train", "training"];
    private static readonly string[] testNames = ["test", "testing"];
    private static readonly string[] validationNames = ["val", "valid", "validation"];

    public static FolderDataset Find(FileTree tree)
    {
        string[] images = [.. tree.Files.Where(ImageFile.HasImageName)];
        if (images.Length == 0)
        {
            throw new InputException(
                $"{tree.Location} holds no images that are read{Hint(tree)}; expected JPEG, PNG, BMP, WebP or GIF files, as in train/CLASS/IMAGE.jpg.");
        }

        // Pictures of a kind that is not read are part of the layout: a class that has no others must be missed.
        string[] pictures = [.. images, .. tree.Files.Where(ImageFile.HasUnreadName)];
        var layout = Layout.Of(tree, images, pictures);
        var notes = new List<string>();
        if (layout.Test is not null && layout.Unused.Count > 0)
        {
            notes.AddRange(layout.Unused.Select(folder =>
                $"{tree.Describe(folder)} ({images.Count(image => IsBelow(folder, image)):N0} images) is not used: training is on {FileTree.NameOf(layout.Train)}, testing on "
                + $"{FileTree.NameOf(layout.Test)}{(layout.Validation is { } validation ? $", choosing the epoch on {FileTree.NameOf(validation)}" : "")}."));
        }

        if (layout.Validation is { } chooses)
        {
            notes.Add(
                $"{tree.Describe(chooses)} ({images.Count(image => IsBelow(chooses, image)):N0} images) holds the validation images, which choose the epoch unless --validation-list is false "
                + "or --validation holds out others.");
        }
        else if (layout.Test is { } tested && validationNames.Contains(FileTree.NameOf(tested), StringComparer.OrdinalIgnoreCase))
        {
            notes.Add($"{tree.Describe(tested)} ({images.Count(image => IsBelow(tested, image)):N0} images) is what is tested on, because there is no folder test.");
        }

        return Create(tree, images, layout, notes);
    }

    private static FolderDataset Create(FileTree tree, string[] images, Layout layout, List<string> notes)
    {
        var classNames = ClassNamesOf(tree, images, layout, notes);
        var labels = classNames.Index().ToDictionary(pair => pair.Item, pair => pair.Index, StringComparer.Ordinal);
        var files = new Dictionary<string, IReadOnlyList<ImageFile>> { [TrainPart] = Label(tree, images, layout.Train, labels) };
        if (layout.Test is { } test)
        {
            files[TestPart] = Label(tree, images, test, labels);
        }

        if (layout.Validation is { } validation)
        {
            files[ValidationPart] = Label(tree, images, validation, labels);
        }

        return new FolderDataset
        {
            Location = tree.Location,
            Format = classNames.Length == 0 ? "images without classes" : "one folder of images per class",
            ClassNames = classNames,
            Parts = [.. files.Keys],
            Tree = tree,
            Files = files,
            Notes = notes,
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
                    labels.Keys.FirstOrDefault(known => Spelling.IsOtherOf(known, name)) is { } other
                    ? $"{tree.Describe(image)} belongs to a class {name} that has no training images. The training part has {other}, which is spelt with other characters (composed "
                      + "and decomposed accents, as macOS writes them); rename one of the folders."
                    : $"{tree.Describe(image)} belongs to "
                      + $"{(name.Length == 0 ? "no class folder" : $"a class {name} that has no training images")}; "
                      + $"the classes are {string.Join(", ", labels.Keys.Take(10))}{(labels.Count > 10 ? ", ..." : "")}.");
        }
    }

    /// <summary>
    /// The folders below the training folder; empty ones count, so that a class without images is noticed. Loose images mean no classes.
    /// </summary>
    private static string[] ClassNamesOf(FileTree tree, string[] images, Layout layout, List<string> notes)
    {
        var training = images.Where(image => IsBelow(layout.Train, image));
        var withImages = training.Select(image => ChildOf(layout.Train, image)).ToHashSet(StringComparer.Ordinal);
        if (withImages.Contains(""))
        {
            return [];
        }

        var withPictures = tree.Files.Where(ImageFile.HasUnreadName).Where(file => IsBelow(layout.Train, file)).Select(file => ChildOf(layout.Train, file)).Where(name => name.Length > 0);
        var others = tree.Folders.Where(folder => FileTree.FolderOf(folder) == layout.Train).Select(FileTree.NameOf).Except(withImages).Except(withPictures).ToList();
        var beside = others.FindAll(name => tree.Files.Any(file => IsBelow(FileTree.Join(layout.Train, name), file)));
        notes.AddRange(beside.Select(name => $"{tree.Describe(FileTree.Join(layout.Train, name))} holds files but no picture, so it is taken for no class."));
        string[] names = [.. withImages.Union(withPictures).Union(others.Except(beside)).Order(StringComparer.Ordinal)];
        foreach (var name in names.Where(Spelling.HasMarks))
        {
            if (Array.Find(names, known => known != name && Spelling.IsOtherOf(known, name)) is { } twin)
            {
                throw new InputException(
                    $"{tree.Location} has two folders that are both called {name} but are spelt with different characters (composed and decomposed accents); "
                    + $"rename one, or put the images of {twin} into the other.");
            }
        }

        string[] lists = [FileTree.Join(layout.Root, ClassList), ClassList];
        return lists.FirstOrDefault(tree.Contains) is { } list ? Reorder(tree, list, names, notes) : names;
    }

    private static string[] Reorder(FileTree tree, string list, string[] names, List<string> notes)
    {
        if (ClassNameList.Read(tree, list) is not { } ordered)
        {
            notes.Add($"{tree.Describe(list)} was not used: its lines are not a label and a name; the classes are in the order of their folders' names.");
            return names;
        }

        var chosen = ordered.Matching(names) ?? (ordered.Shorter.FirstOrDefault(form => form.Names.Intersect(names).Any())?.Names ?? ordered.Names);
        string[] strangers = [.. chosen.Except(names), .. names.Except(chosen)];
        return strangers.Length == 0
            ? chosen
            : throw new InputException(
                $"{tree.Describe(list)} and the class folders disagree about {strangers[0]}; list every folder once, or remove the list.");
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
        return archives.Length > 0 ? $" but archives, which are opened by naming one ({string.Join(", ", archives.Take(5))})"
            : ImageFile.CountUnread(tree.Files) is { } unread ? $" but others ({unread})"
            : "";
    }

    /// <summary>Which folders of a tree are its parts.</summary>
    /// <param name="Root">The folder that all lie in.</param>
    /// <param name="Train">The folder whose folders are the classes.</param>
    /// <param name="Test">The folder of the test part, or null.</param>
    /// <param name="Validation">The folder of the validation part, or null.</param>
    /// <param name="Unused">Folders with images beside them.</param>
    private sealed record Layout(string Root, string Train, string? Test, string? Validation, IReadOnlyList<string> Unused)
    {
        private static readonly string[] heldOut = [.. testNames, .. validationNames];

        public static Layout Of(FileTree tree, string[] images, string[] pictures)
        {
            var root = CommonFolder(tree, pictures);
            string[] children = [.. pictures.Select(picture => ChildOf(root, picture)).Distinct()];
            var train = children.FirstOrDefault(child => trainNames.Contains(child, StringComparer.OrdinalIgnoreCase));
            var (test, validation) = (First(testNames), First(validationNames));
            (test, validation) = test is null ? (validation, null) : (test, validation);
            string[] others = [.. children.Where(child => child != train && !heldOut.Contains(child, StringComparer.OrdinalIgnoreCase))];
            if (train is null || (test is null && others.Length > 0 && !HasClasses(pictures, FileTree.Join(root, train))))
            {
                return new Layout(root, root, null, null, []);
            }

            if (test is null && others.Length > 0)
            {
                throw new InputException(
                    $"{tree.Describe(root)} holds {train}, which has folders of classes, and beside it {string.Join(", ", others.Take(3).Select(other => other.Length == 0 ? "loose images" : other))}; "
                    + $"name {tree.Describe(FileTree.Join(root, train))} to train on its classes.");
            }

            var withImages = images.Select(image => ChildOf(root, image)).ToHashSet(StringComparer.Ordinal);
            var unused = children.Where(child => child.Length > 0 && child != train && child != test && child != validation && withImages.Contains(child));
            return new Layout(root, Below(train)!, Below(test), Below(validation), [.. unused.Select(child => FileTree.Join(root, child))]);

            string? First(string[] names) => names
                .Select(name => children.FirstOrDefault(child => child.Equals(name, StringComparison.OrdinalIgnoreCase))).FirstOrDefault(child => child is not null);

            string? Below(string? child) => child is null ? null : FileTree.Join(root, child);
        }

        private static bool HasClasses(string[] pictures, string folder) =>
            pictures.Where(picture => IsBelow(folder, picture)).Select(picture => ChildOf(folder, picture)).Distinct().Take(2).ToList() is [not "", not ""];

        // The deepest folder that holds all pictures; where empty folders lie beside it, they and it are classes, and the folder above is meant.
        private static string CommonFolder(FileTree tree, string[] pictures)
        {
            var folder = FileTree.FolderOf(pictures[0]);
            while (!pictures.All(picture => IsBelow(folder, picture)))
            {
                folder = FileTree.FolderOf(folder);
            }

            var parent = FileTree.FolderOf(folder);
            var isClass = folder.Length > 0
                && pictures.Any(picture => FileTree.FolderOf(picture) == folder)
                && tree.Folders.Any(other => other != folder && FileTree.FolderOf(other) == parent && !tree.Files.Any(file => IsBelow(other, file)));
            return isClass ? parent : folder;
        }
    }
}

/// <summary>
/// Names that look the same and are not: macOS writes an accent as a character of its own behind the letter, others as one character with it. The runtime has no table of
/// such characters without ICU, so the two are recognised and not made equal.
/// </summary>
internal static class Spelling
{
    /// <summary>Whether a name has accents, or parts of Korean syllables, as characters of their own.</summary>
    public static bool HasMarks(string name) => name.Any(IsMark);

    /// <summary>Whether two different names are equal but for letters that the one has with an accent behind them and the other as one character.</summary>
    public static bool IsOtherOf(string first, string second) => first != second && HasMarks(first) != HasMarks(second) && Plain(first) == Plain(second);

    // What is neither a letter with an accent nor one before an accent.
    private static string Plain(string name) =>
        string.Concat(name.Where((letter, i) => letter < '\u0080' && (i + 1 == name.Length || !IsMark(name[i + 1]))));

    private static bool IsMark(char letter) =>
        CharUnicodeInfo.GetUnicodeCategory(letter) is UnicodeCategory.NonSpacingMark || letter is >= '\u1100' and <= '\u11ff';
}
