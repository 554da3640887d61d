using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;

namespace Pascl.Training.Recipes;

/// <summary>
/// Every option of a recipe. The command line, its help, the range checks of <see cref="Recipe.Validate"/> and docs/options.md come from these rows; the options of
/// a method's own constants are beside these (<see cref="MethodDefinition.Options"/>).
/// </summary>
public static class OptionTable
{
    /// <summary>lambda1, for the methods that have it.</summary>
    public static RecipeOption<double> OutlierWeight { get; } = RecipeParts.Loss.Option(
        "--outlier-weight", "lambda1, weight of outlier exposure", loss => loss.OutlierWeight, (loss, value) => loss with { OutlierWeight = value },
        "The weight of outlier exposure", OptionRanges.Weight);

    /// <summary>lambda2, for the methods that have it.</summary>
    public static RecipeOption<double> ContrastiveWeight { get; } = RecipeParts.Loss.Option(
        "--contrastive-weight", "lambda2, weight of the contrastive loss", loss => loss.ContrastiveWeight, (loss, value) => loss with { ContrastiveWeight = value },
        "The weight of the contrastive loss", OptionRanges.Weight);

    /// <summary>The temperature, for the methods that contrast.</summary>
    public static RecipeOption<double> Temperature { get; } = RecipeParts.Loss.Option(
        "--temperature", "temperature of the contrastive loss", loss => loss.Temperature, (loss, value) => loss with { Temperature = value },
        "The temperature", OptionRanges.Positive);

    private static readonly OptionUse ByOutliers = new("a method that sees outliers", recipe => recipe.UsesOutliers, recipe => $"the method is {recipe.Method}");

    private static readonly OptionUse ByReadOutliers = new(
        "images of --id and a method that sees outliers",
        recipe => recipe.UsesOutliers && recipe.Data.InDistribution is not null,
        recipe => recipe.UsesOutliers ? "the images are the built-in ones, which have outliers of their own" : $"the method is {recipe.Method}");

    private static readonly OptionUse ByProfile = new("--profile", recipe => recipe.Data.Profile is not null, _ => "the recipe has none");

    private static readonly OptionUse ByValidation = new("--validation", recipe => recipe.Data.ValidationFraction > 0, _ => "the recipe holds no images out");

    private static readonly OptionUse BySgd = new(
        "--optimiser sgd",
        recipe => recipe.Representation.Optimiser.Kind == OptimiserKind.Sgd,
        recipe => $"the optimiser is {RecipeNames.Of(recipe.Representation.Optimiser.Kind)}");

    private static readonly OptionUse ByMultiStep = new(
        "--schedule multi-step",
        recipe => recipe.Representation.Schedule.Decay == LearningRateDecay.MultiStep,
        recipe => $"the schedule is {RecipeNames.Of(recipe.Representation.Schedule.Decay)}");

    private static readonly OptionRange<int> BatchSizes = new(value => value >= 2, "at least 2, because BatchNorm needs two images");

    // 0 is in recipes of methods that see no outliers; Recipe.Validate refuses it for the others.
    private static readonly OptionRange<int> OutlierBatchSizes = new(value => value >= 0, "at least 1");

    private static readonly RecipeOption<double> SecondWeightDecay = RecipeParts.SecondOptimiser.Option(
        null, "weight decay of the second phase; --weight-decay sets both", optimiser => optimiser.WeightDecay,
        (optimiser, value) => optimiser with { WeightDecay = value }, "The weight decay of the second phase", OptionRanges.Weight);

    private static readonly RecipeOption[] Data =
    [
        RecipeParts.Data.Option(
            "--id", "in-distribution images: folder or archive (class folders, CIFAR, path-label list)",
            data => data.InDistribution, (data, value) => data with { InDistribution = value }),
        RecipeParts.Data.Option(
            "--root", "folder or archive that the paths of lists start from, where the images lie elsewhere than the lists (--id LIST --root FOLDER)",
            data => data.Root, (data, value) => data with { Root = value is null ? null : Path.GetFullPath(value) }),
        RecipeParts.Data.Option(
            "--validation-list", "whether a list of validation images beside that of the test images is the validation set: true or false",
            data => data.ValidationList, (data, value) => data with { ValidationList = value }),
        RecipeParts.Data.Option(
            "--outliers", "auxiliary outlier images: folder, archive or .npy", data => data.Outliers, (data, value) => data with { Outliers = value })
            with { Use = ByReadOutliers },
        RecipeParts.Data.Option(
            "--ood", "out-of-distribution test set: NAME=PATH or PATH, or built-in noise:gaussian, noise:rademacher, noise:blobs; may be repeated",
            data => data.OutOfDistribution, (data, value) => data with { OutOfDistribution = value }),
        RecipeParts.Data.Option(
            "--image-size", "side of the square images in pixels", data => data.ImageSize, (data, value) => data with { ImageSize = value },
            "The image size", new OptionRange<int?>(value => value is null or (>= 8 and <= 1024), "between 8 and 1024 pixels")),
        RecipeParts.Data.Option(
            "--skip-broken", "count and list broken images instead of stopping", data => data.SkipBroken, (data, value) => data with { SkipBroken = value }),
        RecipeParts.Data.Option(
            "--profile", "cut a long tail of this shape from the training images", data => data.Profile, (data, value) => data with { Profile = value }),
        RecipeParts.Data.Option(
            "--imbalance-ratio", "smallest class divided by largest", data => data.ImbalanceRatio, (data, value) => data with { ImbalanceRatio = value },
            "The imbalance ratio", OptionRanges.Share) with { Use = ByProfile },
        RecipeParts.Data.Option(
            "--validation", "share of each class's training images held out to choose the best epoch",
            data => data.ValidationFraction, (data, value) => data with { ValidationFraction = value }, "The validation fraction", OptionRanges.ShareBelowOne),
        RecipeParts.Data.Option(
            "--test-fraction", "share of each class held out as test set where the data has none",
            data => data.TestFraction, (data, value) => data with { TestFraction = value },
            "The test fraction", new OptionRange<double>(value => value is > 0 and < 1, "between 0 and 1")),
        RecipeParts.Data.Option(
            "--max-outliers", "use so many outlier images, chosen at random", data => data.MaximumOutliers, (data, value) => data with { MaximumOutliers = value },
            "The number of outliers", OptionRanges.AtLeast(1).OrNone()) with { Use = ByOutliers },
        RecipeParts.Data.Option(
            "--split-seed", "seed by which images are held out and outliers chosen; not that of the run, so that several runs are tested on the same images",
            data => data.SplitSeed, (data, value) => data with { SplitSeed = value }),
    ];

    // In the order in which they are applied: a method looks at the run that it starts from, and replaces values that the options behind it then change.
    private static readonly RecipeOption[] Run =
    [
        RecipeParts.Whole.Option(
            "--from", "run folder whose weights the first phase starts from",
            recipe => recipe.StartingRun, (recipe, value) => recipe with { StartingRun = value is null ? null : Path.GetFullPath(value) }),
        RecipeParts.Whole.Option("--method", "what is trained", recipe => recipe.Method, MethodDefinition.Change)
            with { Words = () => MethodDefinition.All.Select(method => method.Name) },
        RecipeParts.Whole.Option(
            "--patience", "epochs without a better accuracy on held-out images after which a phase ends",
            recipe => recipe.Patience, (recipe, value) => recipe with { Patience = value }, "The patience", OptionRanges.AtLeast(1).OrNone()) with { Use = ByValidation },
        RecipeParts.Whole.Option(
            "--views", "augmented views of an image in the first phase", recipe => recipe.Views, (recipe, value) => recipe with { Views = value },
            "The number of views", new OptionRange<int>(value => value is 1 or 2, "1 or 2")),
        RecipeParts.Whole.Option(
            "--colours", "whether the first phase changes colours beside cropping and flipping: true or false",
            recipe => recipe.ChangesColours, (recipe, value) => recipe with { ChangesColours = value }),
        RecipeParts.Whole.Option(
            "--seed", "seed of weights, order and augmentation", recipe => recipe.Seed, (recipe, value) => recipe with { Seed = value }),
        RecipeParts.Whole.Option(
            "--network", "the kind of network", recipe => recipe.Network, (recipe, value) => recipe with { Network = NetworkDefinition.Find(value).Name })
            with { Words = () => NetworkDefinition.All.Select(network => network.Name) },
        RecipeParts.Whole.Option(
            "--depth", "layers of the residual network: 18 for resnet18, 34 for resnet34",
            recipe => Depths.Where(depth => depth.Network == recipe.Network).Select(depth => (int?)depth.Layers).FirstOrDefault(),
            (recipe, value) => recipe with { Network = NetworkOfDepth(value) }, property: ""),
        RecipeParts.Whole.Option(
            "--width", "channels of the first stage; 64 is the published network", recipe => recipe.Width, (recipe, value) => recipe with { Width = value },
            "The width", OptionRanges.Between(1, 1024)),
        RecipeParts.Whole.Option(
            "--precision", "arithmetic of the convolutions", recipe => recipe.Precision, (recipe, value) => recipe with { Precision = value })
            with { EarlierWords = new Dictionary<string, Precision> { ["fp32"] = Precision.Float32 } },
        RecipeParts.Whole.Option(
            "--device", "where to train: auto, cpu or cuda:0", recipe => recipe.Device, (recipe, value) => recipe with { Device = value }),
        RecipeParts.Whole.Option(
            "--backend", "what computes losses and BatchNorm; auto is ilgpu on a GPU and torch on the CPU",
            recipe => recipe.Backend, (recipe, value) => recipe with { Backend = value }),
        RecipeParts.Whole.Option(
            "--threads", "threads of torch's arithmetic; results are bit-identical on the same number",
            recipe => recipe.Threads, (recipe, value) => recipe with { Threads = value }, "The number of threads", OptionRanges.AtLeast(1).OrNone()),
        RecipeParts.Whole.Option(
            "--data-threads", "threads that prepare batches; by the cores where none are named, and the same batches for any number",
            recipe => recipe.DataThreads, (recipe, value) => recipe with { DataThreads = value }, "The number of data threads", OptionRanges.AtLeast(1).OrNone()),
    ];

    private static readonly RecipeOption[] FirstPhase =
    [
        RecipeParts.Representation.Option(
            "--epochs", "epochs of the first phase", phase => phase.Epochs, (phase, value) => phase with { Epochs = value },
            "The number of epochs of the first phase", OptionRanges.AtLeast(0)),
        RecipeParts.Representation.Option(
            "--batch", "in-distribution images per step of the first phase", phase => phase.BatchSize, (phase, value) => phase with { BatchSize = value },
            "The batch size of the first phase", BatchSizes),
        RecipeParts.Whole.Option(
            "--outlier-batch", "outlier images per step of the first phase",
            recipe => recipe.OutlierBatchSize, (recipe, value) => recipe with { OutlierBatchSize = value },
            "The outlier batch size", OutlierBatchSizes) with { Use = ByOutliers },
        RecipeParts.FirstOptimiser.Option(
            "--learning-rate", "learning rate of the first phase", optimiser => optimiser.LearningRate,
            (optimiser, value) => optimiser with { LearningRate = value }, "The learning rate of the first phase", OptionRanges.Positive),
        RecipeParts.FirstOptimiser.Option(
            "--optimiser", "update rule of the first phase", optimiser => optimiser.Kind, (optimiser, value) => optimiser with { Kind = value }),
        RecipeParts.FirstOptimiser.Option(
            "--momentum", "momentum of the first phase", optimiser => optimiser.Momentum, (optimiser, value) => optimiser with { Momentum = value },
            "The momentum of the first phase", OptionRanges.ShareBelowOne) with { Use = BySgd },
        RecipeParts.FirstSchedule.Option(
            "--schedule", "how the learning rate of the first phase falls", schedule => schedule.Decay, (schedule, value) => schedule with { Decay = value }),
        RecipeParts.FirstSchedule.Option(
            "--milestones", "epochs at which the learning rate is divided by ten",
            schedule => schedule.Milestones, (schedule, value) => schedule with { Milestones = value }) with { Use = ByMultiStep },
        RecipeParts.FirstSchedule.Option(
            "--warm-up", "epochs over which the learning rate rises linearly",
            schedule => schedule.WarmUpEpochs, (schedule, value) => schedule with { WarmUpEpochs = value }),
        RecipeParts.FirstOptimiser.Option(
            "--weight-decay", "weight decay of both phases", optimiser => optimiser.WeightDecay, (optimiser, value) => optimiser with { WeightDecay = value },
            "The weight decay of the first phase", OptionRanges.Weight).AlsoSetting(SecondWeightDecay),
    ];

    private static readonly RecipeOption[] Loss =
    [
        OutlierWeight,
        ContrastiveWeight,
        Temperature,
        RecipeParts.Loss.Option(
            "--tail-fraction", "k, fraction of classes that are tail", loss => loss.TailFraction, (loss, value) => loss with { TailFraction = value },
            "The tail fraction", OptionRanges.Share),
        RecipeParts.Loss.Option(
            "--tail-rule", "which classes are the tail; highest-index is that of the authors' code",
            loss => loss.TailRule, (loss, value) => loss with { TailRule = value }),
    ];

    private static readonly RecipeOption[] SecondPhase =
    [
        RecipeParts.AuxiliaryBranch.Option(
            "--finetune-epochs", "epochs of the second phase", phase => phase.Epochs, (phase, value) => phase with { Epochs = value },
            "The number of epochs of the second phase", OptionRanges.AtLeast(0)),
        RecipeParts.AuxiliaryBranch.Option(
            "--finetune-batch", "images per step of the second phase", phase => phase.BatchSize, (phase, value) => phase with { BatchSize = value },
            "The batch size of the second phase", BatchSizes),
        RecipeParts.SecondOptimiser.Option(
            "--finetune-learning-rate", "learning rate of the second phase", optimiser => optimiser.LearningRate,
            (optimiser, value) => optimiser with { LearningRate = value }, "The learning rate of the second phase", OptionRanges.Positive),
        RecipeParts.SecondOptimiser.Option(
            null, "momentum of the second phase", optimiser => optimiser.Momentum, (optimiser, value) => optimiser with { Momentum = value },
            "The momentum of the second phase", OptionRanges.ShareBelowOne),
        SecondWeightDecay,
        RecipeParts.Whole.Option(
            "--finetune", "what the second phase trains", recipe => recipe.Finetuned, (recipe, value) => recipe with { Finetuned = value },
            "What the second phase trains",
            new OptionRange<TrainableParameters>(value => value != TrainableParameters.MainBranch, "part of the auxiliary branch")),
        RecipeParts.Loss.Option(
            "--logit-adjustment", "tau of the second phase", loss => loss.LogitAdjustment, (loss, value) => loss with { LogitAdjustment = value },
            "The logit adjustment", OptionRanges.Weight),
    ];

    /// <summary>All options, in the order of the help text and in which they are applied.</summary>
    public static IEnumerable<RecipeOption> All => Groups.SelectMany(group => group.Options);

    /// <summary>All options by the part of the recipe that they change.</summary>
    internal static IReadOnlyList<OptionGroup> Groups =>
    [
        new("Images", Data),
        new("Run and network", Run),
        new("First phase", FirstPhase),
        new("Loss", Loss),
        new("Constants of single methods", [.. MethodDefinition.All.SelectMany(method => method.Options).Distinct().Except(Common)]),
        new("Second phase", SecondPhase),
    ];

    // These are checked for every method, whether it uses them or not.
    private static IEnumerable<RecipeOption> Common => [.. Data, .. Run, .. FirstPhase, .. Loss, .. SecondPhase];

    private static (int Layers, string Network)[] Depths => [(18, SmallResNet.ResNet18.Name), (34, SmallResNet.ResNet34.Name)];

    /// <summary>Who uses an option; null where every recipe does.</summary>
    public static OptionUse? UseOf(RecipeOption option)
    {
        string[] methods = [.. MethodDefinition.All.Where(method => method.Options.Contains(option)).Select(method => method.Name)];
        return methods.Length > 0 ? OptionUse.ByMethods(methods) : option.Use;
    }

    /// <summary>Throws one sentence for the first value of a recipe that is outside of its range; constants of other methods may be anything.</summary>
    /// <exception cref="InputException">There is one.</exception>
    internal static void Check(Recipe recipe)
    {
        foreach (var option in Common.Concat(MethodDefinition.Find(recipe.Method).Options))
        {
            option.Check(recipe);
        }
    }

    /// <summary>Throws one sentence where a recipe does not use the value of an option that was given.</summary>
    /// <exception cref="InputException">It does not.</exception>
    internal static void RequireUse(RecipeOption option, Recipe recipe)
    {
        if (UseOf(option) is { } use && !use.Holds(recipe))
        {
            throw new InputException($"{option.Name} belongs to {use.Words}, but {use.Instead(recipe)}.");
        }
    }

    private static string NetworkOfDepth(int? layers) => Array.Find(Depths, depth => depth.Layers == layers).Network
        ?? throw new InputException($"There is no residual network of {layers} layers for small images here; use 18 or 34, or --network.");
}

/// <summary>Options that belong together.</summary>
/// <param name="Title">What they have in common.</param>
/// <param name="Options">The options.</param>
internal sealed record OptionGroup(string Title, IReadOnlyList<RecipeOption> Options);

/// <summary>The parts of a recipe whose values are options.</summary>
public static class RecipeParts
{
    /// <summary>The recipe itself.</summary>
    public static RecipePart<Recipe> Whole { get; } = new("", recipe => recipe, (_, changed) => changed);

    /// <summary>Which images are read.</summary>
    public static RecipePart<DataRecipe> Data { get; } = Whole.Part(recipe => recipe.Data, (recipe, value) => recipe with { Data = value });

    /// <summary>Weights and constants of the losses.</summary>
    public static RecipePart<LossRecipe> Loss { get; } = Whole.Part(recipe => recipe.Loss, (recipe, value) => recipe with { Loss = value });

    /// <summary>Constants of single methods.</summary>
    public static RecipePart<BaselinesRecipe> Baselines { get; } = Whole.Part(recipe => recipe.Baselines, (recipe, value) => recipe with { Baselines = value });

    /// <summary>The first phase.</summary>
    public static RecipePart<PhaseRecipe> Representation { get; } =
        Whole.Part(recipe => recipe.Representation, (recipe, value) => recipe with { Representation = value });

    /// <summary>The optimiser of the first phase.</summary>
    public static RecipePart<OptimiserSettings> FirstOptimiser { get; } =
        Representation.Part(phase => phase.Optimiser, (phase, value) => phase with { Optimiser = value });

    /// <summary>The learning rate of the first phase.</summary>
    public static RecipePart<LearningRateSchedule> FirstSchedule { get; } =
        Representation.Part(phase => phase.Schedule, (phase, value) => phase with { Schedule = value });

    /// <summary>The second phase.</summary>
    public static RecipePart<PhaseRecipe> AuxiliaryBranch { get; } =
        Whole.Part(recipe => recipe.AuxiliaryBranch, (recipe, value) => recipe with { AuxiliaryBranch = value });

    /// <summary>The optimiser of the second phase.</summary>
    public static RecipePart<OptimiserSettings> SecondOptimiser { get; } =
        AuxiliaryBranch.Part(phase => phase.Optimiser, (phase, value) => phase with { Optimiser = value });
}
