using Pascl.Training.Data;
using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>What a score is computed from.</summary>
[Flags]
public enum ScoreNeeds
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The logits of the images.</summary>
    Logits = 1,

    /// <summary>The features of the images.</summary>
    Features = 2,

    /// <summary>The logits of the training images.</summary>
    TrainingLogits = 4,

    /// <summary>The features of the training images.</summary>
    TrainingFeatures = 8,

    /// <summary>The weights of the linear classifier that makes logits of features.</summary>
    Classifier = 16,

    /// <summary>The network itself and the images: the score changes pixels along their gradient.</summary>
    Network = 32,
}

/// <summary>What scores are fitted on: a trained model and its training images. No test image and no outlier takes part.</summary>
public sealed class ScoreFitting
{
    private readonly Lazy<FeaturePass> pass;
    private readonly DualBranchNetwork? model;
    private LinearClassifier? classifier;

    /// <summary>Prepares to fit on a pass that was made already.</summary>
    /// <param name="model">The trained model.</param>
    /// <param name="trainingPass">Its pass over the images it was trained on, unaugmented; every class has at least one.</param>
    public ScoreFitting(DualBranchNetwork model, FeaturePass trainingPass)
        : this(model, trainingPass.Images, () => trainingPass)
    {
    }

    /// <summary>Prepares to fit; the model runs over the training images when the first score asks for them, and only once.</summary>
    /// <param name="model">The trained model.</param>
    /// <param name="training">The images it was trained on, unaugmented; every class has at least one.</param>
    public ScoreFitting(DualBranchNetwork model, ImageSet training)
        : this(model, training, () => FeaturePass.Of(model, training))
    {
    }

    /// <summary>Prepares to fit without a network, on what somebody else's model said of its training images.</summary>
    /// <param name="trainingPass">Their features and logits, as far as there are any; every class has at least one image.</param>
    /// <param name="classifier">What makes the logits from the features; null where nobody says.</param>
    internal ScoreFitting(FeaturePass trainingPass, LinearClassifier? classifier)
        : this(null, trainingPass.Images, () => trainingPass) => this.classifier = classifier;

    private ScoreFitting(DualBranchNetwork? model, LabelledSet training, Func<FeaturePass> run)
    {
        (this.model, Training) = (model, training);
        Prior = ClassPrior.Of(training.CountPerClass());
        pass = new(run);
    }

    /// <summary>The trained model.</summary>
    /// <exception cref="InputException">There is none: only what it said is at hand.</exception>
    public DualBranchNetwork Model => model ?? throw new InputException("The score needs the network itself, of which only features and logits are at hand.");

    /// <summary>The images it was trained on.</summary>
    public LabelledSet Training { get; }

    /// <summary>Whether there is a network.</summary>
    internal bool HasModel => model is not null;

    /// <summary>The pass over them.</summary>
    public FeaturePass TrainingPass => pass.Value;

    /// <summary>pi: the share of every class in the training images.</summary>
    public double[] Prior { get; }

    /// <summary>What makes the logits of the classes from the features: the model's, or the one that is given.</summary>
    public LinearClassifier Classifier
    {
        get => classifier ??= HasModel
            ? Model.ClassifierValues(Branch.Main)
            : throw new InputException("The score needs the weights of the classifier, which are not at hand.");
        init => classifier = value;
    }

    /// <summary>The pixels of a set.</summary>
    /// <exception cref="InputException">Only features and logits of its images are at hand.</exception>
    internal static ImageSet Pixels(LabelledSet images) =>
        images as ImageSet ?? throw new InputException($"The score needs the images of {images.Name}, of which only features and logits are at hand.");
}
