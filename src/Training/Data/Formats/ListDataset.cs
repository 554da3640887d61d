using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Images named by list files with lines <c>path label</c>, as ImageNet-LT has them: <c>*train.txt</c> and <c>*test.txt</c> (or
/// <c>*val.txt</c>), with paths relative to the list. Names come from <c>classes.txt</c> beside the lists, else classes are called by their
/// number. Images keep the order of the list.
/// </summary>
internal sealed class ListDataset : FileDataset
{
    public static ListDataset? Find(FileTree tree)
    {
        var train = FindList(tree, "train");
        if (train is null)
        {
            return null;
        }

        var folder = FileTree.FolderOf(train);
        var test = FindList(tree, "test") ?? FindList(tree, "val");
        var classList = FileTree.Join(folder, "classes.txt");
        var names = tree.Contains(classList) ? ClassNameList.Read(tree, classList) : null;
        var training = ReadList(tree, train, names?.Length);
        var classCount = names?.Length ?? training.Max(file => file.Label) + 1;
        if (classCount > training.Length)
        {
            throw new InputException(
                $"{tree.Describe(train)} has labels up to {classCount - 1} but only {training.Length} images; "
                + "expected labels from 0, every one in use.");
        }

        var files = new Dictionary<string, IReadOnlyList<ImageFile>> { [TrainPart] = training };

        if (test is not null)
        {
            files[TestPart] = ReadList(tree, test, classCount);
        }

        return new ListDataset
        {
            Location = tree.Location,
            Format = "lists of image paths and labels",
            ClassNames = names ?? [.. Enumerable.Range(0, classCount).Select(label => $"class {label}")],
            Parts = [.. files.Keys],
            Tree = tree,
            Files = files,
        };
    }

    /// <summary>The list of a part: its name ends in the part, and its first line is a path and a number.</summary>
    private static string? FindList(FileTree tree, string part)
    {
        var named = tree.Files.Where(file => file.EndsWith($"{part}.txt", StringComparison.OrdinalIgnoreCase));
        string[] lists = [.. named.Where(file => TryParse(tree.ReadLines(file)[0]) is not null)];
        return lists.Length < 2 ? lists.FirstOrDefault()
            : throw new InputException($"{tree.Location} holds several lists of {part} images ({string.Join(", ", lists)}); keep one.");
    }

    private static ImageFile[] ReadList(FileTree tree, string list, int? classCount)
    {
        var folder = FileTree.FolderOf(list);
        return [.. tree.ReadLines(list).Index().Select(line => Parse(line.Index + 1, line.Item))];

        ImageFile Parse(int number, string line)
        {
            var where = $"{tree.Describe(list)}, line {number}";
            var (path, label) = TryParse(line)
                ?? throw new InputException($"{where}, is \"{line}\"; expected a path, a space and a label.");
            if (label < 0 || label >= classCount)
            {
                var expected = classCount is null ? "0 or more" : $"0 to {classCount - 1}, because there are {classCount} classes";
                throw new InputException($"{where}, has label {label}; expected {expected}.");
            }

            var file = FileTree.Join(folder, path);
            return tree.Contains(file)
                ? new ImageFile(file, label)
                : throw new InputException($"{where}, names {path}, which {tree.Location} does not hold.");
        }
    }

    private static (string Path, int Label)? TryParse(string line)
    {
        var split = line.TrimEnd().LastIndexOf(' ');
        return split > 0 && int.TryParse(line.AsSpan(split), NumberStyles.Integer, CultureInfo.InvariantCulture, out var label)
            ? (line[..split], label)
            : null;
    }
}
