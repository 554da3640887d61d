using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Optimisation;

namespace Pascl.Training.Recipes;

/// <summary>
/// The recipes by name. Four sources of PASCL's hyper-parameters disagree, so each preset carries the name of its own: <c>paper</c> (arXiv 2207.01160),
/// <c>readme</c> and <c>code</c> (the authors' README and their argument defaults, amazon-science/long-tailed-ood-detection). The authors say that the
/// paper's values gave the published numbers. Where a source is silent the code's default stands.
/// </summary>
public static class Presets
{
    private const int PaperOutliers = 300_000;
    private const int CodeOutliers = 30_000;

    /// <summary>All presets in the order of the help text.</summary>
    public static IReadOnlyList<Preset> All { get; } =
    [
        Cifar10("paper", "constants of the paper, 200 epochs", Published(temperature: 0.1, contrastiveWeight: 0.1, finetuneEpochs: 3, PaperOutliers)),
        Cifar10("readme", "constants of the authors' README", Published(temperature: 0.07, contrastiveWeight: 0.1, finetuneEpochs: 10, CodeOutliers)),
        Cifar10("code", "defaults of the authors' code", Published(temperature: 0.07, contrastiveWeight: 0.1, finetuneEpochs: 10, CodeOutliers)),
        Cifar10("cpu", "for two CPU cores: width 16, 8 epochs", ForTwoCores(temperature: 0.07, contrastiveWeight: 0.1)),
        Cifar100("paper", "constants of the paper, 200 epochs", Published(temperature: 0.1, contrastiveWeight: 0.1, finetuneEpochs: 3, PaperOutliers)),
        Cifar100("readme", "constants of the authors' README", Published(temperature: 0.2, contrastiveWeight: 0.02, finetuneEpochs: 10, CodeOutliers)),
        Cifar100("code", "defaults of the authors' code", Published(temperature: 0.07, contrastiveWeight: 0.1, finetuneEpochs: 10, CodeOutliers)),
        Cifar100("cpu", "for two CPU cores: width 16, 8 epochs", ForTwoCores(temperature: 0.2, contrastiveWeight: 0.02)),
        new("imagenet-lt-paper", "ImageNet-LT, constants of the authors' README and paper: ResNet-50, 100 epochs", DataFolder.FindImageNet, ImageNetLongTailed()),
        new(
            "imagenet-lt-finetune", "ImageNet-LT from published weights (--weights), 20 epochs; ImageNet's own weights have seen every class", DataFolder.FindImageNet,
            FromPretrained("imagenet-lt-finetune", "resnet50", batchSize: 256, epochs: 20)) { NeedsBackbone = true },
        new(
            "photos", "your own photographs from published weights (--weights) or a published model (--backbone)", NoFolder,
            FromPretrained("photos", "resnet18-imagenet", batchSize: 32, epochs: 10)) { NeedsBackbone = true },
        new("quickstart", "built-in synthetic images, about a minute", null, Quickstart()),
    ];

    /// <summary>What <c>--id PATH</c> without a preset starts from: the published recipe at a CPU's size, with the images' own size and tail.</summary>
    public static Recipe Custom
    {
        get
        {
            var recipe = ForTwoCores(temperature: 0.1, contrastiveWeight: 0.1);
            return recipe with
            {
                Preset = "custom",
                Data = new DataRecipe { ValidationList = true },
                OutlierBatchSize = 64,
                Representation = recipe.Representation with { BatchSize = 64 },
                AuxiliaryBranch = recipe.AuxiliaryBranch with { BatchSize = 64 },
            };
        }
    }

    /// <summary>The preset of that name.</summary>
    /// <exception cref="InputException">There is none; the message lists them.</exception>
    public static Preset Find(string name) => All.FirstOrDefault(preset => preset.Name == name)
        ?? throw new InputException($"There is no preset {name}; choose one of {string.Join(", ", All.Select(preset => preset.Name))}.");

    /// <summary>A preset's recipe with the images in a folder of downloads.</summary>
    /// <exception cref="InputException">The preset has no images of its own, or the folder lacks some.</exception>
    public static Recipe InFolder(Recipe recipe, string folder)
    {
        if (All.FirstOrDefault(preset => preset.Name == recipe.Preset)?.Data is not { } find)
        {
            throw new InputException(
                "--data goes with a CIFAR preset, which knows what to look for; otherwise name the images with --id, --outliers and --ood.");
        }

        var found = find(folder);
        return recipe with
        {
            Data = recipe.Data with
            {
                InDistribution = Path.GetFullPath(found.InDistribution),
                Root = found.Root is { } root ? Path.GetFullPath(root) : null,
                Outliers = found.Outliers is { } outliers ? Path.GetFullPath(outliers) : null,
                OutOfDistribution = [new NamedPath(null, Path.GetFullPath(found.OutOfDistribution))],
                ExcludedSets = found.OverlappingSets,
            },
        };
    }

    private static Preset Cifar10(string source, string summary, Recipe recipe) =>
        Named($"cifar10-lt-{source}", $"CIFAR10-LT, {summary}", DataFolder.FindCifar10, recipe);

    private static Preset Cifar100(string source, string summary, Recipe recipe) =>
        Named($"cifar100-lt-{source}", $"CIFAR100-LT, {summary}", DataFolder.FindCifar100, recipe with { Baselines = BaselinesRecipe.Cifar100 });

    private static Preset Named(string name, string summary, Func<string, DataFolder> data, Recipe recipe) =>
        new(name, summary, data, recipe with { Preset = name });

    private static Recipe Published(double temperature, double contrastiveWeight, int finetuneEpochs, int maximumOutliers) => new()
    {
        Preset = "published",
        Data = new DataRecipe { Profile = LongTailShape.Exponential, ImbalanceRatio = 0.01, MaximumOutliers = maximumOutliers, ImageSize = 32 },
        Loss = new LossRecipe { Temperature = temperature, ContrastiveWeight = contrastiveWeight },
        Representation = new PhaseRecipe
        {
            Epochs = 200,
            BatchSize = 256,
            Optimiser = new OptimiserSettings(OptimiserKind.Adam, LearningRate: 1e-3, WeightDecay: 5e-4),
            Schedule = new LearningRateSchedule(),
        },
        AuxiliaryBranch = new PhaseRecipe
        {
            Epochs = finetuneEpochs,
            BatchSize = 128,
            Optimiser = new OptimiserSettings(OptimiserKind.Adam, LearningRate: 5e-4, WeightDecay: 5e-4),
            Schedule = new LearningRateSchedule(),
        },
    };

    // The authors' README (stage1.py: SGD with Nesterov's momentum, 0.1 for a batch of 256, milestones 60 and 80, weight decay 5e-5; stage2.py: SGD 0.01 for 3 epochs of
    // batches of 128). Their second phase parses --decay multisteps and follows a cosine all the same. What they leave open has their defaults.
    private static Recipe ImageNetLongTailed() => new()
    {
        Preset = "imagenet-lt-paper",
        Network = "resnet50",
        Loss = new LossRecipe { Temperature = 0.07, ContrastiveWeight = 0.1 },
        Representation = new PhaseRecipe
        {
            Epochs = 100,
            BatchSize = 256,
            Optimiser = new OptimiserSettings(OptimiserKind.Sgd, LearningRate: 0.1, WeightDecay: 5e-5, Nesterov: true),
            Schedule = new LearningRateSchedule { Decay = LearningRateDecay.MultiStep, Milestones = [60, 80] },
        },
        AuxiliaryBranch = new PhaseRecipe
        {
            Epochs = 3,
            BatchSize = 128,
            Optimiser = new OptimiserSettings(OptimiserKind.Sgd, LearningRate: 0.01, WeightDecay: 5e-5),
            Schedule = new LearningRateSchedule(),
        },
    };

    // Ours: a trained backbone moves at a tenth of the rate of what is drawn anew.
    private static Recipe FromPretrained(string name, string network, int batchSize, int epochs)
    {
        var published = ImageNetLongTailed();
        return published with
        {
            Preset = name,
            Network = network,
            Data = new DataRecipe { ValidationList = true },
            OutlierBatchSize = batchSize,
            BackboneRate = 0.1,
            Representation = published.Representation with
            {
                Epochs = epochs,
                BatchSize = batchSize,
                Optimiser = published.Representation.Optimiser with { LearningRate = 0.1 * batchSize / 256 },
                Schedule = new LearningRateSchedule { WarmUpEpochs = 1 },
            },
            AuxiliaryBranch = published.AuxiliaryBranch with { BatchSize = Math.Min(batchSize, 128) },
        };
    }

    private static DataFolder NoFolder(string folder) => throw new InputException(
        $"The preset photos takes your own images, whatever {folder} holds: name them with --id, --outliers and --ood.");

    // Everything but size and length is the published recipe, so that the numbers differ for one reason only.
    private static Recipe ForTwoCores(double temperature, double contrastiveWeight)
    {
        var published = Published(temperature, contrastiveWeight, finetuneEpochs: 3, CodeOutliers);
        return published with { Width = 16, Representation = published.Representation with { Epochs = 8 } };
    }

    // Sized for a minute on one core: the task is learnt, but not to the end.
    private static Recipe Quickstart() => new()
    {
        Preset = "quickstart",
        Width = 8,
        OutlierBatchSize = 32,
        Precision = Precision.Float32, // 1.2 times faster than bfloat16 on batches this small
        Threads = 1, // 1.8 times faster than two where these wait for each other asleep: a convolution takes less than a millisecond
        Representation = new PhaseRecipe
        {
            Epochs = 16,
            BatchSize = 32,
            Optimiser = new OptimiserSettings(OptimiserKind.Adam, LearningRate: 3e-3, WeightDecay: 5e-4),
            Schedule = new LearningRateSchedule(),
        },
        AuxiliaryBranch = new PhaseRecipe
        {
            Epochs = 3,
            BatchSize = 64,
            Optimiser = new OptimiserSettings(OptimiserKind.Adam, LearningRate: 1e-3, WeightDecay: 5e-4),
            Schedule = new LearningRateSchedule(),
        },
    };
}

/// <summary>A recipe with a name and what it looks for in a data folder.</summary>
/// <param name="Name">What <c>--preset</c> takes.</param>
/// <param name="Summary">One line for the help text.</param>
/// <param name="Data">Finds the preset's files in the folder of <c>--data</c>; null for the built-in images.</param>
/// <param name="Recipe">The recipe, without paths.</param>
public sealed record Preset(string Name, string Summary, Func<string, DataFolder>? Data, Recipe Recipe)
{
    /// <summary>Whether the recipe is for a backbone that somebody has trained.</summary>
    public bool NeedsBackbone { get; init; }

    /// <summary>Refuses a recipe of a preset that needs a trained backbone and has none.</summary>
    /// <exception cref="InputException">It has none.</exception>
    internal static void RequireBackbone(Recipe recipe)
    {
        if (recipe is { Pretrained.Path: null, Backbone.Path: null, StartingRun: null } && Presets.All.Any(preset => preset.NeedsBackbone && preset.Name == recipe.Preset))
        {
            throw new InputException(
                $"The preset {recipe.Preset} starts from a backbone that was trained elsewhere: name its weights with --weights FILE, or a model with --backbone MODEL.onnx.");
        }
    }
}

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
