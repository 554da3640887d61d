using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Methods;
using Pascl.Training.Model;
using static Pascl.Training.Recipes.RecipeChecks;

namespace Pascl.Training.Recipes;

/// <summary>
/// Everything that decides the outcome of a run. Presets are recipes in code, each value with its source; <c>recipe.json</c> in a run folder records the
/// recipe as it ran and can be given back with <c>--recipe</c>.
/// </summary>
public sealed record Recipe
{
    /// <summary>The preset this recipe came from.</summary>
    public required string Preset { get; init; }

    /// <summary>What the first phase is trained with.</summary>
    public Method Method { get; init; } = Method.Pascl;

    /// <summary>Seed of the weights, the order of the images and the augmentation.</summary>
    public int Seed { get; init; }

    /// <summary>Which images are read.</summary>
    public DataRecipe Data { get; init; } = new();

    /// <summary>Number of layers of the residual network.</summary>
    public ResNetDepth Depth { get; init; } = ResNetDepth.ResNet18;

    /// <summary>Channels of the first stage; the later ones have 2, 4 and 8 times as many. 64 is the published network.</summary>
    public int Width { get; init; } = 64;

    /// <summary>Run folder whose weights the first phase starts from; null for initial weights drawn by the seed.</summary>
    public string? StartingRun { get; init; }

    /// <summary>Augmented views of an in-distribution image in a batch of the first phase, 1 or 2.</summary>
    public int Views { get; init; } = 2;

    /// <summary>Whether the first phase changes the colours of images (jitter, greyscale) beside cropping and flipping them.</summary>
    public bool ChangesColours { get; init; } = true;

    /// <summary>Weights and constants of the losses.</summary>
    public LossRecipe Loss { get; init; } = new();

    /// <summary>Constants of the rival methods.</summary>
    public RivalRecipe Rivals { get; init; } = new();

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

    /// <summary>Whether the first phase sees outliers.</summary>
    public bool UsesOutliers => MethodDefinition.Of(Method).UsesOutliers;

    /// <summary>The tail classes among classes with these numbers of training images.</summary>
    public TailClasses Tail(ReadOnlySpan<int> countPerClass) => new(countPerClass, Loss.TailFraction, Loss.TailRule);

    /// <summary>Throws one sentence for the first value that no run could use.</summary>
    /// <exception cref="InputException">A value is out of its range; the message names it, its value and the range.</exception>
    public void Validate()
    {
        Require(Width is >= 1 and <= 1024, "The width", Width, "between 1 and 1024");
        Require(Threads is null or >= 1, "The number of threads", Threads, "at least 1");
        Require(UsesOutliers ? OutlierBatchSize >= 1 : OutlierBatchSize >= 0, "The outlier batch size", OutlierBatchSize, "at least 1");
        RequireWeight(Loss.OutlierWeight, "The weight of outlier exposure");
        RequireWeight(Loss.ContrastiveWeight, "The weight of the contrastive loss");
        Require(IsPositive(Loss.Temperature), "The temperature", Loss.Temperature, "a finite number above 0");
        Require(Loss.TailFraction is > 0 and <= 1, "The tail fraction", Loss.TailFraction, "above 0 and at most 1");
        RequireWeight(Loss.LogitAdjustment, "The logit adjustment");
        Require(Data.ImbalanceRatio is > 0 and <= 1, "The imbalance ratio", Data.ImbalanceRatio, "above 0 and at most 1");
        Require(Data.ValidationFraction is >= 0 and < 1, "The validation fraction", Data.ValidationFraction, "at least 0 and below 1");
        Require(Data.TestFraction is > 0 and < 1, "The test fraction", Data.TestFraction, "between 0 and 1");
        Require(Data.ImageSize is null or (>= 8 and <= 1024), "The image size", Data.ImageSize, "between 8 and 1024 pixels");
        Require(Data.MaximumOutliers is null or >= 1, "The number of outliers", Data.MaximumOutliers, "at least 1");
        Require(Finetuned != TrainableParameters.MainBranch, "What the second phase trains", Finetuned, "part of the auxiliary branch");
        Require(Views is 1 or 2, "The number of views", Views, "1 or 2");
        MethodDefinition.Of(Method).Validate(this);
        Validate(Representation, "first phase");
        Validate(AuxiliaryBranch, "second phase");
    }

    private static void Validate(PhaseRecipe phase, string name)
    {
        Require(phase.Epochs >= 0, $"The number of epochs of the {name}", phase.Epochs, "at least 0");
        Require(phase.BatchSize >= 2, $"The batch size of the {name}", phase.BatchSize, "at least 2, because BatchNorm needs two images");
        Require(IsPositive(phase.Optimiser.LearningRate), $"The learning rate of the {name}", phase.Optimiser.LearningRate, "a finite number above 0");
        RequireWeight(phase.Optimiser.WeightDecay, $"The weight decay of the {name}");
        Require(phase.Optimiser.Momentum is >= 0 and < 1, $"The momentum of the {name}", phase.Optimiser.Momentum, "at least 0 and below 1");
    }
}
