using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Images named by list files of paths and labels, as ImageNet-LT has them: <c>*train.txt</c> and <c>*test.txt</c> (or <c>*val.txt</c>), also <c>.csv</c> and
/// <c>.tsv</c>. Labels are numbers from 0, with names from <c>classes.txt</c> beside the lists, or the names of the classes themselves; -1 on every line of a
/// list says that its images belong to no class. Images keep the order of the list.
/// </summary>
internal sealed class ListDataset : FileDataset
{
    // Of a test list alone, whose classes may be more than its images.
    private const int MostClasses = 1_000_000;
    private static readonly string[] endings = [".txt", ".csv", ".tsv"];

    public static ListDataset? Find(FileTree tree)
    {
        var train = FindList(tree, "train");
        var test = FindList(tree, "test") ?? FindList(tree, "val");
        if ((train ?? test) is not { } first)
        {
            return null;
        }

        var notes = new List<string>();
        var names = NamesOf(tree, first, train, notes);
        var files = new Dictionary<string, IReadOnlyList<ImageFile>>();
        if (train is not null)
        {
            files[TrainPart] = Label(tree, train, names, isTraining: true);
            notes.Add(Describe(tree, train));
        }

        if (test is not null)
        {
            files[TestPart] = Label(tree, test, names, isTraining: false);
            notes.Add(Describe(tree, test));
            if (FindList(tree, "val") is { } unused && unused.File != test.File)
            {
                notes.Add($"{tree.Describe(unused.File)} ({unused.Lines.Count:N0} images) is not used; --validation holds out images of its own.");
            }
        }

        return new ListDataset
        {
            Location = tree.Location,
            Format = "lists of image paths and labels",
            ClassNames = names,
            Parts = [.. files.Keys],
            Tree = tree,
            Files = files,
            Notes = notes,
        };
    }

    /// <summary>The list of a part: its name ends in the part, and its lines are paths and labels.</summary>
    private static ImageList? FindList(FileTree tree, string part)
    {
        var named = tree.Files.Where(file => endings.Any(ending => file.EndsWith(part + ending, StringComparison.OrdinalIgnoreCase)));
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
        return [.. list.Lines.Select(Find)];

        ImageFile Find(ImageList.Line line)
        {
            var where = $"{tree.Describe(list.File)}, line {line.Number}";
            var label = hasClasses ? LabelOf(line, where) : ImageSet.NoClass;
            var file = list.Find(tree, line.Path)
                ?? throw new InputException($"{where}, names {line.Path}, which {tree.Location} does not hold.");
            return seen.TryGetValue(file, out var earlier) && earlier.Label != label
                ? throw new InputException($"{where}, gives {line.Path} the label {line.LabelText}, but line {earlier.Number} gives it another; an image has one class.")
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

            return number >= 0 && number < names.Length ? number
                : throw new InputException(
                    number < 0 ? $"{where}, has label {number}; expected 0 or more, or -1 on every line of a list without classes."
                    : $"{where}, has label {number}; expected 0 to {names.Length - 1}, because there are {names.Length} classes.");
        }
    }

    private static string Describe(FileTree tree, ImageList list) =>
        $"{tree.Describe(list.File)} names the images: {list.Lines.Count:N0} of {tree.Files.Count(ImageFile.HasImageName):N0}, {list.Form}.";
}

/// <summary>A list of images: on every line a path and a label, separated by a space, a tab, a comma or a semicolon.</summary>
internal sealed record ImageList(string File, IReadOnlyList<ImageList.Line> Lines, string Form)
{
    private static readonly (char Character, string Name)[] separators = [('\t', "tabs"), (',', "commas"), (';', "semicolons"), (' ', "spaces")];

    /// <summary>Reads a list; null where the file is text of another kind.</summary>
    /// <exception cref="InputException">Some of its lines are of a list and others are not.</exception>
    public static ImageList? Read(FileTree tree, string file)
    {
        (int Index, string Item)[] lines = [.. tree.ReadLines(file).Index().Where(line => !string.IsNullOrWhiteSpace(line.Item) && !line.Item.StartsWith('#'))];
        if (lines.Length == 0)
        {
            return null;
        }

        if (Array.TrueForAll(lines, line => Find(tree, file, line.Item.Trim()) is not null))
        {
            return new ImageList(file, [.. lines.Select(line => new Line(line.Index + 1, line.Item, line.Item.Trim(), $"{ImageSet.NoClass}", ImageSet.NoClass))], "paths without labels");
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
