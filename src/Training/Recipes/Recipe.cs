using System.Text.Json.Serialization;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Recipes;

/// <summary>
/// Everything that decides the outcome of a run. Presets are recipes in code, each value with its source; <c>recipe.json</c> in a run folder records the
/// recipe as it ran and can be given back with <c>--recipe</c>.
/// </summary>
public sealed record Recipe
{
    /// <summary>The version of the format of <c>recipe.json</c>; <see cref="RecipeFile"/> reads older ones.</summary>
    public int Format { get; init; } = RecipeFile.CurrentFormat;

    /// <summary>The preset this recipe came from.</summary>
    public required string Preset { get; init; }

    /// <summary>What the first phase is trained with: the name of a <see cref="MethodDefinition"/>.</summary>
    public string Method { get; init; } = Methods.Method.Pascl;

    /// <summary>Seed of the weights, the order of the images and the augmentation.</summary>
    public int Seed { get; init; }

    /// <summary>Which images are read.</summary>
    public DataRecipe Data { get; init; } = new();

    /// <summary>The kind of network: the name of a <see cref="NetworkDefinition"/>.</summary>
    public string Network { get; init; } = ResNet.Small18.Name;

    /// <summary>The published model whose features a network of the kind <c>frozen-backbone</c> is trained on.</summary>
    public BackboneSettings Backbone { get; init; } = new();

    /// <summary>Channels of the first stage; the later ones have 2, 4 and 8 times as many. 64 is the published network.</summary>
    public int Width { get; init; } = 64;

    /// <summary>Run folder whose weights the first phase starts from; null for initial weights drawn by the seed.</summary>
    public string? StartingRun { get; init; }

    /// <summary>Published weights that the first phase starts from instead.</summary>
    public PretrainedRecipe Pretrained { get; init; } = new();

    /// <summary>What the first phase trains.</summary>
    public TrainableParameters Trained { get; init; } = TrainableParameters.All;

    /// <summary>What the first phase's learning rate is multiplied by for the parameters before the features: convolutions and BatchNorm.</summary>
    public double BackboneRate { get; init; } = 1;

    /// <summary>Augmented views of an in-distribution image in a batch of the first phase, 1 to 3.</summary>
    public int Views { get; init; } = 2;

    /// <summary>Whether the first phase changes the colours of images (jitter, greyscale) beside cropping and flipping them.</summary>
    public bool ChangesColours { get; init; } = true;

    /// <summary>Epochs without a better accuracy on held-out images after which a phase ends; null runs every epoch.</summary>
    public int? Patience { get; init; }

    /// <summary>D of the exponential moving average of the weights, which is what is evaluated; null for the weights themselves.</summary>
    public double? EmaDecay { get; init; }

    /// <summary>What stands in for outlier images where there are none.</summary>
    public VirtualOutlierRecipe VirtualOutliers { get; init; } = new();

    /// <summary>Weights and constants of the losses.</summary>
    public LossRecipe Loss { get; init; } = new();

    /// <summary>Constants of the methods that PASCL is compared with.</summary>
    public BaselinesRecipe Baselines { get; init; } = new();

    /// <summary>The first phase, which learns the representation and the main branch.</summary>
    public required PhaseRecipe Representation { get; init; }

    /// <summary>Outlier images per step of the first phase, K; not used by cross entropy.</summary>
    public int OutlierBatchSize { get; init; } = 256;

    /// <summary>The second phase, which finetunes the auxiliary branch.</summary>
    public required PhaseRecipe AuxiliaryBranch { get; init; }

    /// <summary>What the second phase trains.</summary>
    public TrainableParameters Finetuned { get; init; } = TrainableParameters.BatchNormAndClassifier;

    /// <summary>Arithmetic of the network's forward and backward pass; weights and losses are always float32.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>Where the network is trained: <c>auto</c> (a GPU where libtorch finds one, else the CPU), <c>cpu</c> or <c>cuda:i</c>.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>What computes the losses and BatchNorm.</summary>
    public Backend Backend { get; init; } = Backend.Auto;

    /// <summary>Torch's threads for the arithmetic; null takes one per core. Results are equal bit for bit on the same number only.</summary>
    public int? Threads { get; init; }

    /// <summary>Threads that prepare batches; null for a number by the cores. The batches are the same for any.</summary>
    public int? DataThreads { get; init; }

    /// <summary>Rows and columns that images are read with: the user's, else the backbone's or the network's; null for those of the files.</summary>
    public int? ImageSize => Data.ImageSize ?? Backbone.ImageSize ?? Input.ImageSize;

    /// <summary>What the network's images must be like.</summary>
    public NetworkInput Input => NetworkDefinition.Find(Network).Input;

    /// <summary>Whether the first phase sees outliers.</summary>
    public bool UsesOutliers => MethodDefinition.Find(Method).UsesOutliers;

    /// <summary>Whether they are images of their own.</summary>
    public bool ReadsOutliers => UsesOutliers && !VirtualOutliers.InUse;

    /// <summary>The seed that images are held out by.</summary>
    internal int SplitSeed => Data.SplitSeed ?? Seed;

    /// <summary>Seed of a phase, counted from 0: each draws its order and augmentation from streams of its own.</summary>
    internal ulong SeedOf(uint phase) => ((ulong)phase << 32) | (uint)Seed;

    /// <summary>The tail classes among classes with these numbers of training images.</summary>
    public TailClasses Tail(ReadOnlySpan<int> countPerClass) => new(countPerClass, Loss.TailFraction, Loss.TailRule);

    /// <summary>Throws one sentence for the first value that no run could use: each by its row of <see cref="OptionTable"/>, then what concerns several.</summary>
    /// <exception cref="InputException">A value is out of its range; the message names it, its value and the range.</exception>
    public void Validate()
    {
        _ = NetworkDefinition.Find(Network);
        OptionTable.Check(this);
        if (StartingRun is not null && Pretrained.Path is not null)
        {
            throw new InputException("--from and --weights both name the weights that training starts from; give one of them.");
        }

        Require(!UsesOutliers || OutlierBatchSize >= 1, "The outlier batch size", OutlierBatchSize, "at least 1");
        var method = MethodDefinition.Find(Method);
        if (VirtualOutliers.InUse && !method.MakesOutliers)
        {
            throw new InputException(
                $"--outliers {VirtualOutlierRecipe.Word} makes outliers of the training images, for --method {string.Join(" or ", MethodDefinition.All.Where(other => other.MakesOutliers).Select(other => other.Name))}, "
                + $"but the method is {Method}: {(method.UsesOutliers ? "name outlier images with --outliers PATH" : "it sees no outliers, so leave that out")}.");
        }

        method.Validate(this);
        CheckBackbone(method);
    }

    private void CheckBackbone(MethodDefinition method)
    {
        var isFrozen = Network == FrozenBackboneDefinition.Instance.Name;
        if (isFrozen != Backbone.Path is not null)
        {
            throw new InputException(isFrozen
                ? $"The network {Network} is trained on the features of a published model: name it with --backbone MODEL.onnx."
                : $"The network {Network} and the backbone {Backbone.Path} exclude each other; leave --network or --backbone out.");
        }

        if (isFrozen && method.ChangesPixels(this))
        {
            throw new InputException(
                $"The method {Method} {(VirtualOutliers.InUse ? $"without outlier images (--outliers {VirtualOutlierRecipe.Word}) " : "")}mixes the pixels of images in every step, "
                + $"but the features of a frozen backbone are computed before; choose {(VirtualOutliers.InUse ? "--virtual-outliers annulus or " : "")}another --method.");
        }

        if (isFrozen && Precision == Precision.BFloat16)
        {
            throw new InputException("What is trained on a frozen backbone computes in float32; leave --precision out.");
        }
    }
}

/// <summary>Which images a run reads and how the long tail is cut from them.</summary>
public sealed record DataRecipe
{
    /// <summary>The in-distribution images, a folder or an archive; null for the built-in synthetic images.</summary>
    public string? InDistribution { get; init; }

    /// <summary>The folder or archive that the paths of lists start from; null where the images lie below their lists.</summary>
    public string? Root { get; init; }

    /// <summary>
    /// Whether a list of validation images beside that of the test images is the validation set. An earlier version left such a list out, so its recipes, which do not say, do.
    /// </summary>
    public bool ValidationList { get; init; }

    /// <summary>The auxiliary outlier images, a folder, an archive or an .npy file; null where the method uses none, or makes its own.</summary>
    public string? Outliers { get; init; }

    /// <summary>The out-of-distribution test sets by name; an SC-OOD layout gives several from one path.</summary>
    public IReadOnlyList<NamedPath> OutOfDistribution { get; init; } = [];

    /// <summary>Sets of an SC-OOD layout that are left out, because they show the in-distribution classes themselves.</summary>
    public IReadOnlyList<string> ExcludedSets { get; init; } = [];

    /// <summary>Side of the square images in pixels; null takes the images' own size where they agree.</summary>
    public int? ImageSize { get; init; }

    /// <summary>Whether broken images are counted and left out instead of stopping the run.</summary>
    public bool SkipBroken { get; init; }

    /// <summary>The shape of the long tail cut from the training images; null uses them as they are.</summary>
    public LongTailShape? Profile { get; init; }

    /// <summary>Images of the smallest class divided by those of the largest; used with <see cref="Profile"/>.</summary>
    public double ImbalanceRatio { get; init; } = 0.01;

    /// <summary>Below what the names of images are told apart: the root of lists, else the in-distribution images' own path.</summary>
    internal string? Place => Root ?? InDistribution;

    /// <summary>Share of each class's training images held out for model selection, in [0, 1); 0 selects the last epoch, or by <see cref="ValidationList"/>.</summary>
    public double ValidationFraction { get; init; }

    /// <summary>Share of each class held out as the test set where the data has no test part of its own.</summary>
    public double TestFraction { get; init; } = 0.2;

    /// <summary>So many outlier images are used, chosen at random; null uses all.</summary>
    public int? MaximumOutliers { get; init; }

    /// <summary>
    /// Seed by which images are held out and outliers are chosen, apart from <see cref="Recipe.Seed"/>, so that runs of several seeds are tested on the same images. Null
    /// is what versions before format 3 did: held out by the seed of the run, and the first outliers taken.
    /// </summary>
    public int? SplitSeed { get; init; } = 0;
}

/// <summary>A data set on disk and the name it has in tables.</summary>
/// <param name="Name">The name; null takes it from the data.</param>
/// <param name="Path">Folder, archive or file, or a built-in set such as <c>noise:gaussian</c>.</param>
public sealed record NamedPath(string? Name, string Path)
{
    /// <summary>What kind of test set it is; null where nobody says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SetGroup? Group { get; init; }

    /// <summary>The folder that the paths of a list start from; null for that of all lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Root { get; init; }
}

/// <summary>Published weights of a backbone: all before the features.</summary>
public sealed record PretrainedRecipe
{
    /// <summary>The file, of PyTorch or safetensors; null for none.</summary>
    public string? Path { get; init; }

    /// <summary>Where in the file the weights lie; null for the only ones.</summary>
    public string? Key { get; init; }

    /// <summary>SHA-256 of the file in hexadecimal digits, so that a recipe that is repeated starts from the same weights.</summary>
    public string? Sha256 { get; init; }
}

/// <summary>How long and with which optimiser a phase trains.</summary>
public sealed record PhaseRecipe
{
    /// <summary>Passes; an epoch is min(images / batch, outliers / outlier batch) steps, the last partial batch dropped.</summary>
    public required int Epochs { get; init; }

    /// <summary>In-distribution images per step, N.</summary>
    public required int BatchSize { get; init; }

    /// <summary>How often an epoch shows the images of each class.</summary>
    public ClassSampling Sampling { get; init; }

    /// <summary>The optimiser and its learning rate at the start.</summary>
    public required OptimiserSettings Optimiser { get; init; }

    /// <summary>How the learning rate goes on from there.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>The learning rate of the step that follows <paramref name="finishedSteps"/> steps of the phase.</summary>
    public double LearningRate(long finishedSteps, int stepsPerEpoch) =>
        Optimiser.LearningRate * Schedule.Multiplier(finishedSteps, stepsPerEpoch, Epochs);
}

/// <summary>Weights and constants of L = L_in + lambda1 L_out + lambda2 L_con and of the second phase's logit adjustment.</summary>
public sealed record LossRecipe
{
    /// <summary>lambda1, the weight of outlier exposure.</summary>
    public double OutlierWeight { get; init; } = 0.5;

    /// <summary>lambda2, the weight of the contrastive loss.</summary>
    public double ContrastiveWeight { get; init; } = 0.1;

    /// <summary>Temperature of the contrastive similarities.</summary>
    public double Temperature { get; init; } = 0.07;

    /// <summary>S, the share of a label that is spread evenly over all classes in the cross entropy of the first phase.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>k, the fraction of classes whose images are anchors: those with the fewest training images.</summary>
    public double TailFraction { get; init; } = 0.4;

    /// <summary>Which classes count as the tail.</summary>
    public TailRule TailRule { get; init; } = TailRule.FewestImages;

    /// <summary>tau of the logit adjustment in the second phase; 0 trains with plain cross entropy.</summary>
    public double LogitAdjustment { get; init; } = 1;
}

/// <summary>Constants of the methods that PASCL is compared with; each method reads its own. docs/methods.md has the equations and the sources.</summary>
public sealed record BaselinesRecipe
{
    /// <summary>The constants that the methods' authors use on CIFAR100-LT; the defaults are those of CIFAR10-LT.</summary>
    public static BaselinesRecipe Cifar100 { get; } = new()
    {
        Energy = new EnergyRecipe { InDistributionMargin = -27 },
        Berl = new BerlRecipe { MarginSlope = 100 },
        Eat = new EatRecipe { AbstentionColumns = 30 },
    };

    /// <summary>Hinges of the energy: EnergyOE and BERL.</summary>
    public EnergyRecipe Energy { get; init; } = new();

    /// <summary>The balance that BERL adds to the hinges of the energy; EnergyOE does not read it.</summary>
    public BerlRecipe Berl { get; init; } = new();

    /// <summary>Constants of COCL, which no other method reads.</summary>
    public CoclRecipe Cocl { get; init; } = new();

    /// <summary>Constants of EAT, which no other method reads.</summary>
    public EatRecipe Eat { get; init; } = new();

    /// <summary>Constants of RNA, which no other method reads.</summary>
    public RnaRecipe Rna { get; init; } = new();

    /// <summary>Constants of TSCL, which no other method reads.</summary>
    public TsclRecipe Tscl { get; init; } = new();

    /// <summary>Constants of PATT, which no other method reads.</summary>
    public PattRecipe Patt { get; init; } = new();
}

internal static class RecipeChecks
{
    /// <summary>Throws one sentence that names a value and its range where the value is outside of it.</summary>
    /// <exception cref="InputException">It is.</exception>
    public static void Require(bool holds, string what, object? value, string range)
    {
        if (!holds)
        {
            throw new InputException(FormattableString.Invariant($"{what} is {value}; it must be {range}."));
        }
    }
}
