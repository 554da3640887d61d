using System.Globalization;
using System.Text.RegularExpressions;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Test sets in the layout of SC-OOD (Yang et al., Semantically Coherent Out-of-Distribution Detection, ICCV 2021): <c>images/...</c> and
/// <c>imglist/benchmark_NAME/test_SET.txt</c> with a path and a dictionary per line, written as JSON or as Python does. <c>sc_label</c> is
/// the in-distribution class that an image shows, or -1. Lines <c>path label</c> are read too.
/// </summary>
internal sealed partial class ScoodDataset : FileDataset
{
    private const string ListFolder = "imglist";
    private const string ImageFolder = "images";
    private const string ListPrefix = "test_";
    private const string BenchmarkPrefix = "benchmark_";

    public override bool IsCollection => true;

    /// <summary>The layout in a tree, or null. Its benchmark must be the only one.</summary>
    public static ScoodDataset? Find(FileTree tree) => Find(tree, null);

    /// <summary>
    /// The data set for a path <c>.../imglist/benchmark_NAME</c> that names one benchmark of several; null for other paths.
    /// </summary>
    public static ScoodDataset? FindBenchmark(string path) =>
        Path.GetDirectoryName(path) is { } lists && Path.GetFileName(lists) == ListFolder && Path.GetDirectoryName(lists) is { } root
            ? Find(FileTree.Open(root.Length == 0 ? "." : root), Path.GetFileName(path))
                ?? throw new InputException($"{path} holds no lists {ListPrefix}SET.txt.")
            : null;

    private static ScoodDataset? Find(FileTree tree, string? benchmark)
    {
        string[] lists = [.. tree.Files.Where(file => IsList(file) && (benchmark is null || BenchmarkOf(file) == benchmark))];
        string[] benchmarks = [.. lists.Select(FileTree.FolderOf).Distinct()];
        return benchmarks switch
        {
            [] => null,
            [var only] => Create(tree, only, lists),
            _ => throw new InputException(
                $"{tree.Location} holds lists for several benchmarks ({string.Join(", ", benchmarks)}); "
                + $"name one, as in {tree.Location}/{benchmarks[0]}."),
        };
    }

    private static ScoodDataset Create(FileTree tree, string benchmarkFolder, string[] lists)
    {
        var imageFolder = FileTree.Join(FileTree.FolderOf(FileTree.FolderOf(benchmarkFolder)), ImageFolder);
        var files = lists.ToDictionary(SetName, list => ReadList(tree, list, imageFolder));
        var largest = files.Values.SelectMany(set => set).Select(file => file.Label).DefaultIfEmpty(ImageSet.NoClass).Max();
        var names = FileTree.NameOf(benchmarkFolder) switch
        {
            "benchmark_cifar10" => CifarNames.Ten,
            "benchmark_cifar100" => CifarNames.Hundred,
            _ => [.. Enumerable.Range(0, largest + 1).Select(label => $"class {label}")],
        };
        return largest < names.Count
            ? new ScoodDataset
            {
                Location = tree.Location,
                Format = $"SC-OOD test sets ({FileTree.NameOf(benchmarkFolder)})",
                ClassNames = names,
                Parts = [.. files.Keys],
                Tree = tree,
                Files = files,
                Lists = [.. lists.Select(list => ListFingerprint.Of(tree, list))],
            }
            : throw new InputException(
                $"{tree.Describe(benchmarkFolder)} has sc_label {largest}, but the benchmark has {names.Count} classes.");
    }

    private static IReadOnlyList<ImageFile> ReadList(FileTree tree, string list, string imageFolder) =>
        [.. tree.ReadLines(list).Index().Where(line => !string.IsNullOrWhiteSpace(line.Item)).Select(line => Parse(tree, list, imageFolder, line))];

    private static ImageFile Parse(FileTree tree, string list, string imageFolder, (int Index, string Item) line)
    {
        var where = $"{tree.Describe(list)}, line {line.Index + 1}";
        var match = LineForm().Match(line.Item);
        if (!match.Success
            || !int.TryParse(match.Groups["label"].ValueSpan, NumberStyles.Integer, CultureInfo.InvariantCulture, out var label))
        {
            throw new InputException($"{where}, is \"{line.Item}\"; expected a path and {{\"sc_label\": NUMBER}}, or a path and a number.");
        }

        var file = tree.Resolve(imageFolder, match.Groups["path"].Value);
        return file is not null && tree.Contains(file)
            ? new ImageFile(file, Math.Max(label, ImageSet.NoClass))
            : throw new InputException($"{where}, names {FileTree.Join(imageFolder, match.Groups["path"].Value)}, which {tree.Location} does not hold.");
    }

    private static bool IsList(string file) =>
        FileTree.NameOf(file).StartsWith(ListPrefix, StringComparison.Ordinal)
        && file.EndsWith(".txt", StringComparison.Ordinal)
        && BenchmarkOf(file).StartsWith(BenchmarkPrefix, StringComparison.Ordinal)
        && FileTree.NameOf(FileTree.FolderOf(FileTree.FolderOf(file))) == ListFolder;

    private static string BenchmarkOf(string list) => FileTree.NameOf(FileTree.FolderOf(list));

    private static string SetName(string list) => FileTree.NameOf(list)[ListPrefix.Length..^".txt".Length];

    [GeneratedRegex(
        """^(?<path>\S.*?)\s+(\{.*['"]sc_label['"]\s*:\s*(?<label>-?\d+)\s*[,}].*|(?<label>-?\d+))\s*$""",
        RegexOptions.CultureInvariant)]
    private static partial Regex LineForm();
}
