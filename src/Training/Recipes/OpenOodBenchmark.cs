using Pascl.Training.Data;

namespace Pascl.Training.Recipes;

/// <summary>
/// A benchmark of OpenOOD v1.5 (Zhang et al., arXiv 2306.09301): which sets are near, far and covariate-shifted, and the names of the lists below the folder of its data. Facts
/// from <c>openood/evaluation_api/datasets.py</c> of OpenOOD, commit 3c35632.
/// </summary>
internal sealed class OpenOodBenchmark
{
    private const string Lists = "benchmark_imglist";
    private const string Classic = "images_classic";
    private const string LargeScale = "images_largescale";

    private static readonly Member[] farOfCifar =
    [
        new("mnist", SetGroup.Far, "mnist", Classic), new("svhn", SetGroup.Far, "svhn", Classic), new("texture", SetGroup.Far, "texture", Classic),
        new("places365", SetGroup.Far, "places365", Classic),
    ];

    private static readonly Member[] ofImageNet =
    [
        new("ssb_hard", SetGroup.Near, "ssb_hard", LargeScale), new("ninco", SetGroup.Near, "ninco", LargeScale),
        new("inaturalist", SetGroup.Far, "inaturalist", LargeScale), new("textures", SetGroup.Far, "textures", Classic),
        new("openimage_o", SetGroup.Far, "openimage_o", LargeScale),
    ];

    private readonly Member[] members;
    private readonly string images;

    private OpenOodBenchmark(string name, string images, Member[] members) => (Name, this.images, this.members) = (name, images, members);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<OpenOodBenchmark> All { get; } =
    [
        new("cifar10", Classic,
        [
            new("cifar100", SetGroup.Near, "cifar100", Classic), new("tin", SetGroup.Near, "tin", Classic), .. farOfCifar,
            new("cifar10c", SetGroup.Shift, "cifar10c", Classic),
        ]),
        new("cifar100", Classic, [new("cifar10", SetGroup.Near, "cifar10", Classic), new("tin", SetGroup.Near, "tin", Classic), .. farOfCifar]),
        new("imagenet200", LargeScale, [.. ofImageNet, .. Shifted("imagenet200", "v2", "c", "r")]),
        new("imagenet", LargeScale, [.. ofImageNet, .. Shifted("imagenet", "v2", "c", "r", "es")]),
    ];

    /// <summary>Name of the benchmark, which is that of its in-distribution set.</summary>
    public string Name { get; }

    /// <summary>Every set and its group.</summary>
    public IEnumerable<(string Name, SetGroup Group)> Sets => members.Select(member => (member.Name, member.Group));

    /// <summary>Splits NAME=FOLDER.</summary>
    /// <exception cref="InputException">There is no such benchmark, or no such folder.</exception>
    public static (OpenOodBenchmark Benchmark, string Folder) Parse(string text)
    {
        var (name, folder) = text.Split('=', 2) is [var before, var after] ? (before, after) : (text, "");
        var benchmark = All.FirstOrDefault(known => known.Name == name)
            ?? throw new InputException($"There is no benchmark '{name}'; those of OpenOOD v1.5 are {string.Join(", ", All.Select(known => known.Name))}.");
        return Directory.Exists(Path.Combine(folder, Lists))
            ? (benchmark, Path.GetFullPath(folder))
            : throw new InputException(
                $"--benchmark {text} does not name the data of OpenOOD; expected {name}=FOLDER, and in FOLDER {Lists}, {Classic} and {LargeScale} as its download script leaves them.");
    }

    /// <summary>The list of training images; those of validation and test images lie beside it.</summary>
    /// <exception cref="InputException">It is not there.</exception>
    public (string List, string Root) InDistribution(string folder) => (Listed(folder, $"train_{Name}"), Path.Combine(folder, images));

    /// <summary>The sets in the folder of OpenOOD's data, near ones first.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="say">Told of covariate-shifted sets that are not there: they are downloads of their own, and everything but the full spectrum does without.</param>
    /// <exception cref="InputException">A list of a near or far set is not there.</exception>
    public IReadOnlyList<NamedPath> In(string folder, Action<string> say)
    {
        var sets = new List<NamedPath>();
        foreach (var member in members)
        {
            var root = Path.Combine(folder, member.Images);
            if (member.Group == SetGroup.Shift && !IsThere(PathOf(folder, $"test_{member.List}"), root))
            {
                say($"The covariate-shifted set {member.Name} of {Name} is not in {folder}; it is left out of the full spectrum.");
                continue;
            }

            sets.Add(new NamedPath(member.Name, Listed(folder, $"test_{member.List}")) { Group = member.Group, Root = root });
        }

        return sets;
    }

    private static Member[] Shifted(string benchmark, params string[] kinds) =>
        Array.ConvertAll(kinds, kind => new Member($"imagenet_{kind}", SetGroup.Shift, $"{benchmark}_{kind}", LargeScale));

    private string PathOf(string folder, string list) => Path.Combine(folder, Lists, Name, list + ".txt");

    private string Listed(string folder, string list) => File.Exists(PathOf(folder, list))
        ? PathOf(folder, list)
        : throw new InputException($"{PathOf(folder, list)} does not exist; the benchmark {Name} needs it. OpenOOD's download script fetches the lists (benchmark_imglist).");

    private static bool IsThere(string list, string root) =>
        File.Exists(list) && File.ReadLines(list).FirstOrDefault()?.Split(' ')[0] is { Length: > 0 } first && File.Exists(Path.Combine(root, first));

    private sealed record Member(string Name, SetGroup Group, string List, string Images);
}
