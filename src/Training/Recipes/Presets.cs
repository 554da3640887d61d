using Pascl.Training.Data;
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
        new("cifar10-lt-paper", "CIFAR10-LT, ResNet18, 200 epochs, constants of the paper", DataFolder.FindCifar10, Published("cifar10-lt-paper", temperature: 0.1, contrastiveWeight: 0.1, finetuneEpochs: 3, PaperOutliers)),
        new("cifar10-lt-readme", "CIFAR10-LT, constants of the authors' README", DataFolder.FindCifar10, Published("cifar10-lt-readme", temperature: 0.07, contrastiveWeight: 0.1, finetuneEpochs: 10, CodeOutliers)),
        new("cifar10-lt-code", "CIFAR10-LT, defaults of the authors' code", DataFolder.FindCifar10, Published("cifar10-lt-code", temperature: 0.07, contrastiveWeight: 0.1, finetuneEpochs: 10, CodeOutliers)),
        new("cifar100-lt-paper", "CIFAR100-LT, ResNet18, 200 epochs, constants of the paper", DataFolder.FindCifar100, Published("cifar100-lt-paper", temperature: 0.1, contrastiveWeight: 0.1, finetuneEpochs: 3, PaperOutliers)),
        new("cifar100-lt-readme", "CIFAR100-LT, constants of the authors' README", DataFolder.FindCifar100, Published("cifar100-lt-readme", temperature: 0.2, contrastiveWeight: 0.02, finetuneEpochs: 10, CodeOutliers)),
        new("cifar100-lt-code", "CIFAR100-LT, defaults of the authors' code", DataFolder.FindCifar100, Published("cifar100-lt-code", temperature: 0.07, contrastiveWeight: 0.1, finetuneEpochs: 10, CodeOutliers)),
        new("cifar10-lt-cpu", "CIFAR10-LT for two CPU cores: width 16, 8 epochs", DataFolder.FindCifar10, ForTwoCores("cifar10-lt-cpu", temperature: 0.07, contrastiveWeight: 0.1)),
        new("cifar100-lt-cpu", "CIFAR100-LT for two CPU cores: width 16, 8 epochs", DataFolder.FindCifar100, ForTwoCores("cifar100-lt-cpu", temperature: 0.2, contrastiveWeight: 0.02)),
        new("quickstart", "built-in synthetic images, about a minute", null, Quickstart()),
    ];

    /// <summary>What <c>--id PATH</c> without a preset starts from: the published recipe at a CPU's size, with the images' own size and tail.</summary>
    public static Recipe Custom { get; } = ForTwoCores("custom", temperature: 0.1, contrastiveWeight: 0.1) with
    {
        Data = new DataRecipe(),
        OutlierBatchSize = 64,
        Representation = ForTwoCores("custom", 0.1, 0.1).Representation with { BatchSize = 64 },
    };

    /// <summary>The preset of that name.</summary>
    /// <exception cref="InputException">There is none; the message lists them.</exception>
    public static Preset Find(string name) => All.FirstOrDefault(preset => preset.Name == name)
        ?? throw new InputException($"There is no preset {name}; choose one of {string.Join(", ", All.Select(preset => preset.Name))}.");

    private static Recipe Published(string name, double temperature, double contrastiveWeight, int finetuneEpochs, int maximumOutliers) => new()
    {
        Preset = name,
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

    // Everything but size and length is the published recipe, so that the numbers differ for one reason only.
    private static Recipe ForTwoCores(string name, double temperature, double contrastiveWeight)
    {
        var published = Published(name, temperature, contrastiveWeight, finetuneEpochs: 3, CodeOutliers);
        return published with { Width = 16, Representation = published.Representation with { Epochs = 8 } };
    }

    // Sized for two cores and a minute and a half: the task is learnt, but not to the end.
    private static Recipe Quickstart() => new()
    {
        Preset = "quickstart",
        Width = 8,
        OutlierBatchSize = 32,
        Representation = new PhaseRecipe
        {
            Epochs = 20,
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
