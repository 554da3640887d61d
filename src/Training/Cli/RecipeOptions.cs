using System.CommandLine;
using System.CommandLine.Parsing;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The options that change a preset: each one names the value of the recipe that it replaces.</summary>
internal sealed class RecipeOptions
{
    /// <summary>What <c>--ood</c> takes, in every command that has it.</summary>
    public const string OutOfDistributionHelp =
        "out-of-distribution test set: NAME=PATH or PATH, or built-in noise:gaussian, noise:rademacher, noise:blobs; may be repeated";

    private readonly List<Func<ParseResult, Recipe, Recipe>> overrides = [];
    private readonly List<Option> options = [];

    public RecipeOptions()
    {
        Add<string>("--id", "in-distribution images: folder or archive (class folders, CIFAR, path-label list)",
            (r, v) => r with { Data = r.Data with { InDistribution = v } });
        Add<string>("--outliers", "auxiliary outlier images: folder, archive or .npy",
            (r, v) => r with { Data = r.Data with { Outliers = v } });
        Add<string[]>("--ood", OutOfDistributionHelp,
            (r, v) => r with { Data = r.Data with { OutOfDistribution = [.. v.Select(ParseNamedPath)] } });
        Add<int>("--image-size", "side of the square images in pixels", (r, v) => r with { Data = r.Data with { ImageSize = v } });
        Add<bool>("--skip-broken", "count and list broken images instead of stopping",
            (r, v) => r with { Data = r.Data with { SkipBroken = v } });
        Add<LongTailShape>("--profile", "cut a long tail from the training images: exponential or step",
            (r, v) => r with { Data = r.Data with { Profile = v } });
        Add<double>("--imbalance-ratio", "smallest class divided by largest, with --profile",
            (r, v) => r with { Data = r.Data with { ImbalanceRatio = v } });
        Add<double>("--validation", "share of each class's training images held out to choose the best epoch",
            (r, v) => r with { Data = r.Data with { ValidationFraction = v } });
        Add<double>("--test-fraction", "share of each class held out as test set where the data has none",
            (r, v) => r with { Data = r.Data with { TestFraction = v } });
        Add<int>("--max-outliers", "use the first so many outlier images", (r, v) => r with { Data = r.Data with { MaximumOutliers = v } });

        Add<string>("--from", "run folder whose weights the first phase starts from", (r, v) => r with { StartingRun = Path.GetFullPath(v) });
        Add<string>("--method", string.Join(", ", MethodDefinition.All.Select(method => method.Name)), (r, v) => MethodDefinition.Find(v).Apply(r));
        Add<int>("--views", "augmented views of an image in the first phase, 1 or 2", (r, v) => r with { Views = v });
        Add<bool>("--colours", "whether the first phase changes colours beside cropping and flipping: true or false", (r, v) => r with { ChangesColours = v });
        Add<int>("--seed", "seed of weights, order and augmentation", (r, v) => r with { Seed = v });
        Add<string>("--network", string.Join(", ", NetworkDefinition.All.Select(network => network.Name)), (r, v) => r with { Network = NetworkDefinition.Find(v).Name });
        Add<int>("--depth", "layers of the residual network: 18 for resnet18, 34 for resnet34", (r, v) => r with { Network = NetworkOfDepth(v) });
        Add<int>("--width", "channels of the first stage; 64 is the published network", (r, v) => r with { Width = v });
        Add<Precision>("--precision", "auto, float32 (fp32) or bfloat16 (bf16)", (r, v) => r with { Precision = v }, ParsePrecision);

        Add<string>("--device", "where to train: auto, cpu or cuda:0", (r, v) => r with { Device = v });
        Add<Backend>("--backend", "what computes losses and BatchNorm: auto (ilgpu on a GPU, torch on the CPU), torch or ilgpu",
            (r, v) => r with { Backend = v });
        Add<int>("--threads", "threads of torch's arithmetic; results are bit-identical on the same number",
            (r, v) => r with { Threads = v });

        Add<int>("--epochs", "epochs of the first phase", (r, v) => r with { Representation = r.Representation with { Epochs = v } });
        Add<int>("--batch", "in-distribution images per step of the first phase",
            (r, v) => r with { Representation = r.Representation with { BatchSize = v } });
        Add<int>("--outlier-batch", "outlier images per step of the first phase", (r, v) => r with { OutlierBatchSize = v });
        Add<double>("--learning-rate", "learning rate of the first phase",
            (r, v) => WithOptimiser(r, r.Representation.Optimiser with { LearningRate = v }));
        Add<OptimiserKind>("--optimiser", "adam or sgd, for the first phase",
            (r, v) => WithOptimiser(r, r.Representation.Optimiser with { Kind = v }));
        Add<double>("--momentum", "momentum of sgd", (r, v) => WithOptimiser(r, r.Representation.Optimiser with { Momentum = v }));
        Add<LearningRateDecay>("--schedule", "cosine, multiStep or constant, for the first phase",
            (r, v) => WithSchedule(r, r.Representation.Schedule with { Decay = v }));
        Add<int[]>("--milestones", "epochs at which multiStep divides the learning rate by ten",
            (r, v) => WithSchedule(r, r.Representation.Schedule with { Milestones = v }));
        Add<double>("--warm-up", "epochs over which the learning rate rises linearly",
            (r, v) => WithSchedule(r, r.Representation.Schedule with { WarmUpEpochs = v }));
        Add<double>("--weight-decay", "weight decay of both phases", (r, v) => r with
        {
            Representation = r.Representation with { Optimiser = r.Representation.Optimiser with { WeightDecay = v } },
            AuxiliaryBranch = r.AuxiliaryBranch with { Optimiser = r.AuxiliaryBranch.Optimiser with { WeightDecay = v } },
        });
        Add<double>("--outlier-weight", "lambda1, weight of outlier exposure",
            (r, v) => r with { Loss = r.Loss with { OutlierWeight = v } });
        Add<double>("--contrastive-weight", "lambda2, weight of the contrastive loss",
            (r, v) => r with { Loss = r.Loss with { ContrastiveWeight = v } });
        Add<double>("--temperature", "temperature of the contrastive loss", (r, v) => r with { Loss = r.Loss with { Temperature = v } });
        Add<double>("--tail-fraction", "k, fraction of classes that are tail",
            (r, v) => r with { Loss = r.Loss with { TailFraction = v } });
        Add<TailRule>("--tail-rule", "which classes are the tail: FewestImages, or HighestIndex as in the authors' code",
            (r, v) => r with { Loss = r.Loss with { TailRule = v } });

        BaselineOptions.AddTo(this);

        Add<int>("--finetune-epochs", "epochs of the second phase",
            (r, v) => r with { AuxiliaryBranch = r.AuxiliaryBranch with { Epochs = v } });
        Add<int>("--finetune-batch", "images per step of the second phase",
            (r, v) => r with { AuxiliaryBranch = r.AuxiliaryBranch with { BatchSize = v } });
        Add<double>("--finetune-learning-rate", "learning rate of the second phase",
            (r, v) => r with { AuxiliaryBranch = r.AuxiliaryBranch with { Optimiser = r.AuxiliaryBranch.Optimiser with { LearningRate = v } } });
        Add<TrainableParameters>("--finetune", "what the second phase trains: BatchNormAndClassifier, BatchNorm or Classifier",
            (r, v) => r with { Finetuned = v });
        Add<double>("--logit-adjustment", "tau of the second phase", (r, v) => r with { Loss = r.Loss with { LogitAdjustment = v } });
    }

    /// <summary>Adds an option that only some methods know.</summary>
    public void Add<T>(string name, string description, Func<Recipe, T, Recipe> apply, IReadOnlyList<string> methods)
    {
        var names = string.Join(" or ", methods.Select(method => MethodDefinition.Find(method).Name));
        Add<T>(name, $"{names}: {description}", (recipe, value) => methods.Contains(recipe.Method)
            ? apply(recipe, value)
            : throw new InputException($"{name} belongs to --method {names}, but the method is {MethodDefinition.Find(recipe.Method).Name}."));
    }

    public void AddTo(Command command) => options.ForEach(command.Options.Add);

    /// <summary>The recipe with every option that the user gave.</summary>
    public Recipe Apply(ParseResult result, Recipe recipe) => overrides.Aggregate(recipe, (current, apply) => apply(result, current));

    /// <summary>The options that the user gave, by name.</summary>
    public IEnumerable<string> Given(ParseResult result) => options.Where(option => WasGiven(result, option)).Select(option => option.Name);

    /// <summary>Splits NAME=PATH; a path without a name takes its name from the data. A built-in set stands in the place of a path.</summary>
    public static NamedPath ParseNamedPath(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var (name, path) = equals > 0 ? (text[..equals], text[(equals + 1)..]) : (null, text);
        return new NamedPath(name, NoiseSets.IsName(path) ? path : Path.GetFullPath(path));
    }

    /// <summary>A flag that is not given has a result too, but an implicit one.</summary>
    public static bool WasGiven(ParseResult result, Option option) => result.GetResult(option) is { Implicit: false };

    private static Recipe WithOptimiser(Recipe recipe, OptimiserSettings optimiser) =>
        recipe with { Representation = recipe.Representation with { Optimiser = optimiser } };

    private static Recipe WithSchedule(Recipe recipe, LearningRateSchedule schedule) =>
        recipe with { Representation = recipe.Representation with { Schedule = schedule } };

    private static string NetworkOfDepth(int layers) => layers switch
    {
        18 => SmallResNet.ResNet18.Name,
        34 => SmallResNet.ResNet34.Name,
        _ => throw new InputException($"There is no residual network of {layers} layers for small images here; use 18 or 34, or --network."),
    };

    private static Precision ParsePrecision(ArgumentResult result)
    {
        switch (result.Tokens[0].Value.ToLowerInvariant())
        {
            case "auto":
                return Precision.Auto;
            case "fp32" or "float32":
                return Precision.Float32;
            case "bf16" or "bfloat16":
                return Precision.BFloat16;
            default:
                result.AddError($"There is no precision {result.Tokens[0].Value}; use auto, fp32 or bf16.");
                return default;
        }
    }

    private void Add<T>(string name, string description, Func<Recipe, T, Recipe> apply, Func<ArgumentResult, T>? parse = null)
    {
        var option = new Option<T>(name) { Description = description, CustomParser = parse, AllowMultipleArgumentsPerToken = typeof(T).IsArray };
        options.Add(option);
        overrides.Add((result, recipe) => WasGiven(result, option) ? apply(recipe, result.GetRequiredValue(option)) : recipe);
    }
}

/// <summary>The options that change constants of the rival methods; each is refused with a method that has no such constant.</summary>
internal static class BaselineOptions
{
    private static readonly string[] Energy = [Method.EnergyOutlierExposure, Method.Berl];

    public static void AddTo(RecipeOptions options)
    {
        options.Add<double>("--energy-weight", "weight of the energy hinges", WithEnergy((e, v) => e with { Weight = v }), Energy);
        options.Add<double>("--energy-margin", "m_in, energy that training images shall be below", WithEnergy((e, v) => e with { InDistributionMargin = v }), Energy);
        options.Add<double>("--energy-outlier-margin", "m_out, energy that outliers shall be above", WithEnergy((e, v) => e with { OutlierMargin = v }), Energy);
        options.Add<double>("--energy-warm-up", "share of the first phase over which the weight rises", WithEnergy((e, v) => e with { WarmUp = v }), Energy);
        AddBerl(options);
        AddCocl(options);
        AddEat(options);
    }

    private static void AddBerl(RecipeOptions options)
    {
        options.Add<double>("--berl-gamma", "exponent of the outlier prior, in margin and weight",
            With<double>((r, v) => r with { Berl = r.Berl with { MarginExponent = v, WeightExponent = v } }), [Method.Berl]);
        options.Add<double>("--berl-lambda", "how far the prior moves the outlier margin",
            With<double>((r, v) => r with { Berl = r.Berl with { MarginSlope = v } }), [Method.Berl]);
        options.Add<bool>("--berl-detach", "whether no gradient flows through the prior",
            With<bool>((r, v) => r with { Berl = r.Berl with { DetachesPrior = v } }), [Method.Berl]);
    }

    private static void AddCocl(RecipeOptions options)
    {
        options.Add<double>("--cocl-outlier-weight", "weight of the outlier column", WithCocl((c, v) => c with { OutlierWeight = v }), [Method.Cocl]);
        options.Add<double>("--cocl-tail-weight", "weight of the tail loss", WithCocl((c, v) => c with { TailWeight = v }), [Method.Cocl]);
        options.Add<double>("--cocl-head-weight", "weight of the head loss", WithCocl((c, v) => c with { HeadWeight = v }), [Method.Cocl]);
        options.Add<double>("--cocl-temperature", "temperature of the tail loss", WithCocl((c, v) => c with { Temperature = v }), [Method.Cocl]);
        options.Add<double>("--cocl-calibration", "tau of the outlier logit calibration", WithCocl((c, v) => c with { Calibration = v }), [Method.Cocl]);
        options.Add<bool>("--cocl-next-head-class", "whether one class more is a head class, as in the authors' code",
            With<bool>((r, v) => r with { Cocl = r.Cocl with { IncludesNextHeadClass = v } }), [Method.Cocl]);
    }

    private static void AddEat(RecipeOptions options)
    {
        options.Add<int>("--eat-heads", "heads over one backbone", WithEat<int>((e, v) => e with { Heads = v }), [Method.Eat]);
        options.Add<int>("--eat-columns", "abstention columns of a head", WithEat<int>((e, v) => e with { AbstentionColumns = v }), [Method.Eat]);
        options.Add<double>("--eat-mixed-weight", "weight of the pasted tail images", WithEat<double>((e, v) => e with { MixedWeight = v }), [Method.Eat]);
        options.Add<double>("--eat-outlier-weight", "weight of the outliers", WithEat<double>((e, v) => e with { OutlierWeight = v }), [Method.Eat]);
        options.Add<double>("--eat-abstention-count", "images that an abstention column counts as in the second phase; 0 leaves it out",
            WithEat<double>((e, v) => e with { AbstentionCount = v }), [Method.Eat]);
    }

    private static Func<Recipe, T, Recipe> WithEat<T>(Func<EatRecipe, T, EatRecipe> change) => With<T>((r, v) => r with { Eat = change(r.Eat, v) });

    private static Func<Recipe, double, Recipe> WithCocl(Func<CoclRecipe, double, CoclRecipe> change) => With<double>((r, v) => r with { Cocl = change(r.Cocl, v) });

    private static Func<Recipe, T, Recipe> With<T>(Func<BaselinesRecipe, T, BaselinesRecipe> change) => (r, v) => r with { Baselines = change(r.Baselines, v) };

    private static Func<Recipe, double, Recipe> WithEnergy(Func<EnergyRecipe, double, EnergyRecipe> change) =>
        With<double>((r, v) => r with { Energy = change(r.Energy, v) });
}
