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

    /// <summary>S, for the methods whose first phase has the cross entropy of the classes.</summary>
    public static RecipeOption<double> LabelSmoothing { get; } = RecipeParts.Loss.Option(
        "--label-smoothing", "share of a label that is spread evenly over all classes in the cross entropy of the first phase",
        loss => loss.LabelSmoothing, (loss, value) => loss with { LabelSmoothing = value }, "The label smoothing", OptionRanges.ShareBelowOne);

    private static readonly OptionUse ByOutliers = new("a method that sees outliers", recipe => recipe.UsesOutliers, recipe => $"the method is {recipe.Method}");

    private static readonly OptionUse ByOutlierImages = new(
        "a method that sees outliers", recipe => recipe.ReadsOutliers, recipe => recipe.UsesOutliers ? $"--outliers {VirtualOutlierRecipe.Word} reads none" : $"the method is {recipe.Method}");

    private static readonly OptionUse ByReadOutliers = new(
        "images of --id and a method that sees outliers",
        recipe => recipe.VirtualOutliers.InUse || (recipe.UsesOutliers && recipe.Data.InDistribution is not null),
        recipe => recipe.UsesOutliers ? "the images are the built-in ones, which have outliers of their own" : $"the method is {recipe.Method}");

    private static readonly OptionUse ByWeights = new("--weights", recipe => recipe.Pretrained.Path is not null, _ => "the recipe has none");

    private static readonly OptionUse ByOwnNetwork = new("a network of --network", recipe => recipe.Backbone.Path is null, _ => "the backbone of --backbone is frozen");

    private static readonly OptionUse ByProfile = new("--profile", recipe => recipe.Data.Profile is not null, _ => "the recipe has none");

    private static readonly OptionUse ByValidation = new("--validation", recipe => recipe.Data.ValidationFraction > 0, _ => "the recipe holds no images out");

    private static readonly OptionUse ByBackbone = new("--backbone", recipe => recipe.Backbone.Path is not null, recipe => $"the network is {recipe.Network}");

    private static readonly OptionUse BySgd = new(
        "--optimiser sgd",
        recipe => recipe.Representation.Optimiser.Kind == OptimiserKind.Sgd,
        recipe => $"the optimiser is {RecipeNames.Of(recipe.Representation.Optimiser.Kind)}");

    private static readonly OptionUse ByMultiStep = new(
        "--schedule multi-step",
        recipe => recipe.Representation.Schedule.Decay == LearningRateDecay.MultiStep,
        recipe => $"the schedule is {RecipeNames.Of(recipe.Representation.Schedule.Decay)}");

    private static readonly OptionUse BySecondMultiStep = new(
        "--finetune-schedule multi-step",
        recipe => recipe.AuxiliaryBranch.Schedule.Decay == LearningRateDecay.MultiStep,
        recipe => $"the schedule of the second phase is {RecipeNames.Of(recipe.AuxiliaryBranch.Schedule.Decay)}");

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
            "--validation-list", "whether a list or folder of validation images beside that of the test images is the validation set: true or false",
            data => data.ValidationList, (data, value) => data with { ValidationList = value }),
        RecipeParts.Data.Option(
            "--outliers", $"auxiliary outlier images: folder, archive or .npy; {VirtualOutlierRecipe.Word} makes them of the training images (pascl)",
            data => data.Outliers, (data, value) => data with { Outliers = value }) with { Use = ByReadOutliers, Set = VirtualOutlierRecipe.Choose },
        RecipeParts.Data.Option(
            "--ood", "out-of-distribution test set: NAME=PATH or PATH, or built-in noise:gaussian, noise:rademacher, noise:blobs; near:, far: or shift: in front says its group; may be repeated",
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
            "The number of outliers", OptionRanges.AtLeast(1).OrNone()) with { Use = ByOutlierImages },
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
        RecipeParts.Pretrained.Option(
            "--weights", "published weights that the first phase starts from: a ResNet of torchvision's names, .pth or .safetensors, which decides the network",
            pretrained => pretrained.Path, (pretrained, value) => pretrained with { Path = value is null ? null : Path.GetFullPath(value), Sha256 = null }),
        RecipeParts.Pretrained.Option(
            "--weights-key", "where the weights lie in a file of several, for example ema", pretrained => pretrained.Key,
            (pretrained, value) => pretrained with { Key = value }) with { Use = ByWeights },
        RecipeParts.Pretrained.Option(
            null, "SHA-256 of the file of weights, filled in from it", pretrained => pretrained.Sha256, (pretrained, value) => pretrained with { Sha256 = value }),
        RecipeParts.Whole.Option("--method", "what is trained", recipe => recipe.Method, MethodDefinition.Change)
            with { Words = () => MethodDefinition.All.Select(method => method.Name) },
        RecipeParts.Whole.Option(
            "--patience", "epochs without a better accuracy on held-out images after which a phase ends",
            recipe => recipe.Patience, (recipe, value) => recipe with { Patience = value }, "The patience", OptionRanges.AtLeast(1).OrNone()) with { Use = ByValidation },
        RecipeParts.Whole.Option(
            "--views", "augmented views of an image in the first phase", recipe => recipe.Views, (recipe, value) => recipe with { Views = value },
            "The number of views", new OptionRange<int>(value => value is >= 1 and <= 3, "1, 2 or 3")),
        RecipeParts.Whole.Option(
            "--colours", "whether the first phase changes colours beside cropping and flipping: true or false",
            recipe => recipe.ChangesColours, (recipe, value) => recipe with { ChangesColours = value }),
        RecipeParts.Whole.Option(
            "--ema-decay", "D of the exponential moving average of the weights, e <- D e + (1 - D) w after each step of both phases, which is then what is evaluated",
            recipe => recipe.EmaDecay, (recipe, value) => recipe with { EmaDecay = value },
            "The decay of the average of the weights", new OptionRange<double>(value => value is > 0 and < 1, "between 0 and 1").OrNone()),
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

    // Before the others of a backbone: a new file has another hash, output and size.
    private static readonly RecipeOption[] Backbone =
    [
        RecipeParts.Backbone.Option(
            "--backbone", "ONNX file of a published model that stays as it is, and whose features are trained on", backbone => backbone.Path,
            (backbone, value) => backbone with { Path = value is null ? null : Path.GetFullPath(value), Sha256 = null, Output = null, ImageSize = null })
            .AndThen(recipe => recipe with { Network = FrozenBackboneDefinition.Instance.Name, BackboneRate = 1 }),
        RecipeParts.Backbone.Option(
            "--backbone-output", "output of the model that has the features; none for the only one of its kind",
            backbone => backbone.Output, (backbone, value) => backbone with { Output = value }) with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--backbone-input", "mean and standard deviation of the model's input, by those who trained it",
            backbone => backbone.Input, (backbone, value) => backbone with { Input = value }) with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--backbone-mean", "what is subtracted from each channel, in the order of the model's channels, in the place of --backbone-input",
            backbone => backbone.Mean, (backbone, value) => backbone with { Mean = value }, "The mean of the backbone's input", PerChannel(double.IsFinite, "finite numbers"))
            with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--backbone-deviation", "what divides each channel then, likewise",
            backbone => backbone.StandardDeviation, (backbone, value) => backbone with { StandardDeviation = value },
            "The standard deviation of the backbone's input", PerChannel(value => double.IsFinite(value) && value > 0, "numbers above 0")) with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--backbone-channels", "order of the model's channels", backbone => backbone.Channels, (backbone, value) => backbone with { Channels = value })
            with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--backbone-range", "range of a pixel before the mean is subtracted: unit is [0, 1], bytes is [0, 255]",
            backbone => backbone.Range, (backbone, value) => backbone with { Range = value }) with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--backbone-views", "augmented views of each image whose features are computed, from which every epoch draws",
            backbone => backbone.Views, (backbone, value) => backbone with { Views = value }, "The number of the backbone's views", OptionRanges.Between(1, 1000))
            with { Use = ByBackbone },
        RecipeParts.Backbone.Option(
            "--feature-cache", "folder where features are kept; by default below the user's folder for caches",
            backbone => backbone.Cache, (backbone, value) => backbone with { Cache = value is null ? null : Path.GetFullPath(value) }) with { Use = ByBackbone },
    ];

    private static readonly RecipeOption[] FirstPhase =
    [
        RecipeParts.Representation.Option(
            "--epochs", "epochs of the first phase", phase => phase.Epochs, (phase, value) => phase with { Epochs = value },
            "The number of epochs of the first phase", OptionRanges.AtLeast(0)),
        RecipeParts.Representation.Option(
            "--batch", "in-distribution images per step of the first phase", phase => phase.BatchSize, (phase, value) => phase with { BatchSize = value },
            "The batch size of the first phase", BatchSizes),
        RecipeParts.Representation.Option(
            "--sampling", "how often the first phase shows the images of each class", phase => phase.Sampling, (phase, value) => phase with { Sampling = value }),
        RecipeParts.Whole.Option(
            "--train", "what the first phase trains: all, or of a trained backbone the BatchNorm and what is behind the features, or the latter alone",
            recipe => recipe.Trained, (recipe, value) => recipe with { Trained = value }, "What the first phase trains",
            new OptionRange<TrainableParameters>(value => value != TrainableParameters.BatchNorm, "all or a part with the classifier")) with { Use = ByOwnNetwork },
        RecipeParts.Whole.Option(
            "--backbone-rate", "what the first phase's learning rate is multiplied by for convolutions and BatchNorm",
            recipe => recipe.BackboneRate, (recipe, value) => recipe with { BackboneRate = value }, "The factor of the backbone's learning rate", OptionRanges.Positive)
            with { Use = ByOwnNetwork },
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
        LabelSmoothing,
        RecipeParts.Loss.Option(
            "--tail-fraction", "k, fraction of classes that are tail", loss => loss.TailFraction, (loss, value) => loss with { TailFraction = value },
            "The tail fraction", OptionRanges.Share),
        RecipeParts.Loss.Option(
            "--tail-rule", "which classes are the tail; highest-index is that of the authors' code",
            loss => loss.TailRule, (loss, value) => loss with { TailRule = value }),
        .. VirtualOutlierRecipe.Options,
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
            "--finetune-optimiser", "update rule of the second phase", optimiser => optimiser.Kind, (optimiser, value) => optimiser with { Kind = value }),
        RecipeParts.SecondSchedule.Option(
            "--finetune-schedule", "how the learning rate of the second phase falls", schedule => schedule.Decay, (schedule, value) => schedule with { Decay = value }),
        RecipeParts.SecondSchedule.Option(
            "--finetune-milestones", "epochs at which the learning rate of the second phase is divided by ten",
            schedule => schedule.Milestones, (schedule, value) => schedule with { Milestones = value }) with { Use = BySecondMultiStep },
        RecipeParts.SecondOptimiser.Option(
            null, "momentum of the second phase", optimiser => optimiser.Momentum, (optimiser, value) => optimiser with { Momentum = value },
            "The momentum of the second phase", OptionRanges.ShareBelowOne),
        SecondWeightDecay,
        RecipeParts.Whole.Option(
            "--finetune", "what the second phase trains", recipe => recipe.Finetuned, (recipe, value) => recipe with { Finetuned = value },
            "What the second phase trains",
            new OptionRange<TrainableParameters>(value => value != TrainableParameters.All, "part of the auxiliary branch")),
        RecipeParts.AuxiliaryBranch.Option(
            "--finetune-sampling", "how often the second phase shows the images of each class", phase => phase.Sampling, (phase, value) => phase with { Sampling = value }),
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
        new("Frozen backbone", Backbone),
        new("First phase", FirstPhase),
        new("Loss", Loss),
        new("Constants of single methods", [.. MethodDefinition.All.SelectMany(method => method.Options).Distinct().Except(Common)]),
        new("Second phase", SecondPhase),
    ];

    // These are checked for every method, whether it uses them or not.
    private static IEnumerable<RecipeOption> Common => [.. Data, .. Run, .. Backbone, .. FirstPhase, .. Loss, .. SecondPhase];

    private static (int Layers, string Network)[] Depths => [(18, ResNet.Small18.Name), (34, ResNet.Small34.Name)];

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

    private static OptionRange<IReadOnlyList<double>> PerChannel(Func<double, bool> contains, string words) =>
        new(values => values.Count == 0 || (values.Count == 3 && values.All(contains)), $"three {words}");

    private static string NetworkOfDepth(int? layers) => Array.Find(Depths, depth => depth.Layers == layers).Network
        ?? throw new InputException($"There is no residual network of {layers} layers for small images here; use 18 or 34, or --network.");
}

/// <summary>Options that belong together.</summary>
/// <param name="Title">What they have in common.</param>
/// <param name="Options">The options.</param>
internal sealed record OptionGroup(string Title, IReadOnlyList<RecipeOption> Options);
