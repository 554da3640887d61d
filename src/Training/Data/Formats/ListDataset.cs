using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Images named by list files of paths and labels, as ImageNet-LT has them: <c>*train.txt</c> and <c>*test.txt</c> (or <c>*val.txt</c>), also <c>.csv</c> and
/// <c>.tsv</c>. Labels are numbers from 0, with names from <c>classes.txt</c> beside the lists, or the names of the classes themselves; -1 on every line of a
/// list says that its images belong to no class. Images keep the order of the list. The images may lie below a root elsewhere, and the lists be annotations in JSON.
/// </summary>
internal sealed class ListDataset : FileDataset
{
    // Of a test list alone, whose classes may be more than its images.
    private const int MostClasses = 1_000_000;
    private static readonly string[] endings = [".txt", ".csv", ".tsv"];

    /// <summary>The lists in a tree; null where there are none.</summary>
    public static ListDataset? Find(FileTree tree) =>
        Create(tree, FindList(tree, ListNames.Train), FindList(tree, ListNames.Validation), FindList(tree, ListNames.Test));

    /// <summary>A list, or the lists in a folder, whose images lie below a root elsewhere.</summary>
    /// <param name="path">The list; those of the other parts are found beside it by its name. Or a folder of lists.</param>
    /// <param name="root">The folder or archive that their paths start from.</param>
    /// <exception cref="InputException">They are no lists, or name what is not there.</exception>
    public static ListDataset OpenBelow(string path, string root)
    {
        var tree = RootedTree.OpenBelow(path, root);
        var single = File.Exists(path) && !ListNames.IsOf(ListNames.Train, path)
            ? ImageList.Read(tree, Path.GetFileName(path)) ?? throw new InputException($"{path} is no list of images: expected a path and a label on every line, or folders of {root}.")
            : null;
        return (single is not null ? Create(tree, single, null, null) : Find(tree))
            ?? throw new InputException($"{path} holds no list of images; expected *train.txt, and perhaps *val.txt and *test.txt, with a path and a label on every line.");
    }

    private static ListDataset? Create(FileTree tree, ImageList? train, ImageList? validation, ImageList? test)
    {
        // A list of validation images is one only beside a test list; alone it is what is tested on, as with most published sets.
        (test, validation) = test is null ? (validation, null) : (test, validation);
        if ((train ?? test) is not { } first)
        {
            return null;
        }

        var notes = new List<string>();
        var names = NamesOf(tree, first, train, notes);
        var files = new Dictionary<string, IReadOnlyList<ImageFile>>();
        var lists = new List<ListFingerprint>();
        Add(TrainPart, train);
        Add(ValidationPart, train is null ? null : validation);
        Add(TestPart, test);
        return new ListDataset
        {
            Location = tree.Location,
            Format = "lists of image paths and labels",
            ClassNames = names,
            Parts = [.. files.Keys],
            Tree = tree,
            Files = files,
            Notes = notes,
            Lists = lists,
        };

        void Add(string part, ImageList? list)
        {
            if (list is not null)
            {
                files[part] = Label(tree, list, names, isTraining: part == TrainPart);
                notes.Add(Describe(tree, list));
                lists.Add(ListFingerprint.Of(tree, list.File));
            }
        }
    }

    /// <summary>The list of a part: its name ends in the part, and its lines are paths and labels.</summary>
    private static ImageList? FindList(FileTree tree, string part)
    {
        var named = tree.Files.Where(file => tree is RootedTree ? ListNames.IsOf(part, file) : endings.Any(ending => file.EndsWith(part + ending, StringComparison.OrdinalIgnoreCase)));
        ImageList[] lists = [.. named.Select(file => ImageList.Read(tree, file)).OfType<ImageList>()];
        return lists.Length < 2 ? lists.FirstOrDefault()
            : throw new InputException(
                $"{tree.Location} holds several lists of {part} images ({string.Join(", ", lists.Select(list => list.File))}); keep one.");
    }

    private static string[] NamesOf(FileTree tree, ImageList first, ImageList? train, List<string> notes)
    {
        var classList = FileTree.Join(FileTree.FolderOf(first.File), "classes.txt");
        var listed = tree.Contains(classList) ? ClassNameList.Read(tree, classList) : null;
        if (tree.Contains(classList) && listed is null)
        {
            notes.Add($"{tree.Describe(classList)} was not used: its lines are not a label and a name.");
        }

        if (first.ClassNames is { } known)
        {
            return known;
        }

        if (first.Lines.All(line => line.Label is ImageSet.NoClass))
        {
            return [];
        }

        if (first.Lines.All(line => line.Label is not null))
        {
            var largest = first.Lines.Max(line => line.Label!.Value);
            if (listed is not null)
            {
                var counts = first.Lines.Where(line => line.Label >= 0 && line.Label < listed.Names.Length).CountBy(line => line.Label!.Value).ToDictionary();
                return listed.Of([.. Enumerable.Range(0, listed.Names.Length).Select(label => counts.GetValueOrDefault(label))]);
            }

            return largest < (train is null ? MostClasses : train.Lines.Count)
                ? [.. Enumerable.Range(0, largest + 1).Select(label => $"class {label}")]
                : throw new InputException(
                    $"{tree.Describe(first.File)} has labels up to {largest} but only {first.Lines.Count} images; "
                    + "expected labels from 0, every one in use.");
        }

        string[] used = [.. first.Lines.Select(line => line.LabelText).Distinct().Order(StringComparer.Ordinal)];
        return listed is not null && used.All(name => listed.Names.Contains(name)) ? listed.Names : used;
    }

    private static ImageFile[] Label(FileTree tree, ImageList list, string[] names, bool isTraining)
    {
        var labelOf = names.Index().ToDictionary(name => name.Item, name => name.Index, StringComparer.Ordinal);
        var hasClasses = list.Lines.Any(line => line.Label is not ImageSet.NoClass);
        var seen = new Dictionary<string, (int Label, int Number)>(StringComparer.Ordinal);
        string?[] found = [.. list.Lines.Select(line => list.Find(tree, line.Path))];
        if (Array.IndexOf(found, null) is >= 0 and var missing)
        {
            var count = found.Count(file => file is null);
            throw new InputException(
                $"{Where(list.Lines[missing])}, names {list.Lines[missing].Path}, which {tree.Location} does not hold"
                + (count == 1 ? "." : $"; neither does it hold {count - 1:N0} others of the {found.Length:N0} images of the list.")
                + (tree is RootedTree ? " Name the folder that the paths start from with --root." : ""));
        }

        return [.. list.Lines.Select((line, i) => Labelled(line, found[i]!))];

        string Where(ImageList.Line line) => $"{tree.Describe(list.File)}, line {line.Number}";

        ImageFile Labelled(ImageList.Line line, string file)
        {
            var label = hasClasses ? LabelOf(line, Where(line)) : ImageSet.NoClass;
            return seen.TryGetValue(file, out var earlier) && earlier.Label != label
                ? throw new InputException($"{Where(line)}, gives {line.Path} the label {line.LabelText}, but line {earlier.Number} gives it another; an image has one class.")
                : new ImageFile(file, (seen[file] = (label, line.Number)).Label);
        }

        int LabelOf(ImageList.Line line, string where)
        {
            if (labelOf.TryGetValue(line.LabelText, out var named))
            {
                return named;
            }

            if (line.Label is not { } number)
            {
                throw new InputException(
                    isTraining ? $"{where}, is \"{line.Text}\"; expected a path and a label of the same kind as on the other lines."
                    : $"{where}, has label {line.LabelText}, but the classes are {string.Join(", ", names.Take(10))}{(names.Length > 10 ? ", ..." : "")}.");
            }

            if (number >= 0 && number < names.Length)
            {
                return number;
            }

            var others = list.Lines.Count(other => other.Label < 0 || other.Label >= names.Length) - 1;
            var more = others == 0 ? "" : $" So have {others:N0} other lines.";
            throw new InputException(
                number < 0 ? $"{where}, has label {number}; expected 0 or more, or -1 on every line of a list without classes.{more}"
                : $"{where}, has label {number}; expected 0 to {names.Length - 1}, because there are {names.Length} classes.{more}");
        }
    }

    private static string Describe(FileTree tree, ImageList list) =>
        $"{tree.Describe(list.File)} names the images: {list.Lines.Count:N0}{(tree is RootedTree ? "" : $" of {tree.Files.Count(ImageFile.HasImageName):N0}")}, {list.Form}.";
}

/// <summary>A list of images: on every line a path and a label, separated by a space, a tab, a comma or a semicolon.</summary>
internal sealed record ImageList(string File, IReadOnlyList<ImageList.Line> Lines, string Form)
{
    /// <summary>The classes in label order, where the list itself has them.</summary>
    public string[]? ClassNames { get; init; }

    private static readonly (char Character, string Name)[] separators = [('\t', "tabs"), (',', "commas"), (';', "semicolons"), (' ', "spaces")];

    /// <summary>Reads a list; null where the file is text of another kind.</summary>
    /// <exception cref="InputException">Some of its lines are of a list and others are not.</exception>
    public static ImageList? Read(FileTree tree, string file)
    {
        if (file.EndsWith(ListNames.Annotations, StringComparison.OrdinalIgnoreCase))
        {
            return AnnotationFile.Read(tree, file);
        }

        (int Index, string Item)[] lines = [.. tree.ReadLines(file).Index().Where(line => !string.IsNullOrWhiteSpace(line.Item) && !line.Item.StartsWith('#'))];
        if (lines.Length == 0)
        {
            return null;
        }

        if (Array.TrueForAll(lines, line => Find(tree, file, line.Item.Trim()) is not null))
        {
            return new ImageList(file, [.. lines.Select(line => new Line(line.Index + 1, line.Item, line.Item.Trim(), $"{ImageSet.NoClass}", ImageSet.NoClass))], "paths without labels");
        }

        if (tree is RootedTree below && Folders(below, lines) is { } images)
        {
            return new ImageList(file, images, $"all images of {lines.Length:N0} folders");
        }

        // A list names images of the tree; which separator it has shows where most lines do.
        var candidates = separators.Select(separator => (separator.Name, Lines: Split(tree, file, lines, separator.Character))).Where(candidate => candidate.Lines.Count > 0);
        var scored = candidates.Select(candidate => (candidate.Name, candidate.Lines, Found: candidate.Lines.Count(line => Find(tree, file, line.Path) is not null)));
        var best = scored.OrderByDescending(candidate => candidate.Found).FirstOrDefault();
        if (best.Lines is null || (best.Found == 0 && !best.Lines.Any(line => line.Label is not null && ImageFile.HasImageName(line.Path))))
        {
            return lines.FirstOrDefault(line => NamesImage(tree, file, line.Item)) is { Item: { } text, Index: var index }
                ? throw new InputException($"{tree.Describe(file)}, line {index + 1}, is \"{text}\", which names an image, but not as a path and a label; write it so, or remove the list.")
                : null;
        }

        var hasHeader = lines.Length > 1 && (best.Lines[0].Number != lines[0].Index + 1 || IsHeader(tree, file, best.Lines));
        if (hasHeader)
        {
            best.Lines.RemoveAll(line => line.Number == lines[0].Index + 1);
        }

        return best.Lines.Count == lines.Length - (hasHeader ? 1 : 0)
            ? new ImageList(
                file, best.Lines,
                $"{(best.Lines.All(line => line.Label is not null) ? "labels as numbers" : "labels as names")}, separated by {best.Name}{(hasHeader ? ", after a header" : "")}")
            : throw NoLine(tree, file, lines, best.Lines);
    }

    // Lists of ImageNet's synsets name folders, one on a line; their images have no class. Null where one of them is no folder with images.
    private static Line[]? Folders(RootedTree tree, (int Index, string Item)[] lines)
    {
        var images = new List<Line>();
        foreach (var (index, text) in lines)
        {
            var count = images.Count;
            images.AddRange(tree.ImagesIn(text.Trim()).Select(path => new Line(index + 1, text, path, $"{ImageSet.NoClass}", ImageSet.NoClass)));
            if (images.Count == count)
            {
                return null;
            }
        }

        return [.. images];
    }

    /// <summary>The file of the tree that a path of the list names: from the list's folder, else from the tree's; null where there is none.</summary>
    public string? Find(FileTree tree, string path) => Find(tree, File, path);

    private static string? Find(FileTree tree, string list, string path)
    {
        var below = tree.Resolve(FileTree.FolderOf(list), path);
        return below is not null && tree.Contains(below) ? below
            : tree.Resolve("", path) is { } fromRoot && tree.Contains(fromRoot) ? fromRoot
            : null;
    }

    // A first line whose path is no file, while all others' are, and whose label is no number where theirs are.
    private static bool IsHeader(FileTree tree, string file, List<Line> lines) =>
        Find(tree, file, lines[0].Path) is null && !ImageFile.HasImageName(lines[0].Path) && lines[0].Label is null;

    private static InputException NoLine(FileTree tree, string file, (int Index, string Item)[] lines, List<Line> read)
    {
        var numbers = read.Select(line => line.Number).ToHashSet();
        var (index, text) = lines.Skip(1).First(line => !numbers.Contains(line.Index + 1));
        return new InputException($"{tree.Describe(file)}, line {index + 1}, is \"{text}\"; expected a path, a space and a label.");
    }

    private static bool NamesImage(FileTree tree, string file, string line) =>
        line.Split([' ', '\t', ',', ';', '"'], StringSplitOptions.RemoveEmptyEntries).Any(part => ImageFile.HasImageName(part) && Find(tree, file, part) is not null);

    private static List<Line> Split(FileTree tree, string file, (int Index, string Item)[] lines, char separator)
    {
        var split = new List<Line>();
        foreach (var (index, text) in lines)
        {
            var trimmed = text.Trim();
            var end = trimmed.LastIndexOf(separator);

            // A path may hold the separator, and so may the name of a class.
            for (var shorter = end; separator == ' ' && shorter > 0; shorter = trimmed.LastIndexOf(separator, shorter - 1))
            {
                if (Find(tree, file, trimmed[..shorter]) is not null)
                {
                    end = shorter;
                    break;
                }
            }

            if (end > 0 && end < trimmed.Length - 1)
            {
                var (path, label) = (Unquoted(trimmed[..end]), Unquoted(trimmed[(end + 1)..]));
                split.Add(new Line(index + 1, text, path, label, int.TryParse(label, NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : null));
            }
        }

        return split;

        static string Unquoted(string text) => text.Trim() is ['"', .. var inner, '"'] ? inner : text.Trim();
    }

    /// <summary>A line of a list.</summary>
    /// <param name="Number">Its number, from 1.</param>
    /// <param name="Text">The whole line.</param>
    /// <param name="Path">The path.</param>
    /// <param name="LabelText">The label as it stands there.</param>
    /// <param name="Label">The label where it is a number.</param>
    internal sealed record Line(int Number, string Text, string Path, string LabelText, int? Label);
}
