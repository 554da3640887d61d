using Pascl.Training.Data;
using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// An out-of-distribution score that is ready to be computed for one model: it gives images their score, higher = more out-of-distribution. It comes from
/// <see cref="ScoreSpec.Fit"/>, or is the score that a deployed model accepts and rejects by.
/// </summary>
public sealed class OodScore
{
    private readonly Func<FeaturePass, double[]> scores;

    internal OodScore(string name, ScoreSpec? spec, Func<FeaturePass, double[]> scores) => (Name, Spec, this.scores) = (name, spec, scores);

    /// <summary>What it is called in files and by <c>--score</c>: the name, with those of its parameters that are not the default.</summary>
    public string Name { get; }

    /// <summary>What it was made of; null for the own score of a method that reads more than the logits of the classes.</summary>
    public ScoreSpec? Spec { get; }

    /// <summary>The score by which a deployed model accepts or rejects images: the method's own, whatever its network has behind the features, or one of the class logits.</summary>
    /// <param name="text"><c>NAME</c> or <c>NAME:PARAMETER=VALUE</c>; null for the method's own.</param>
    /// <param name="readout">How the method reads its network.</param>
    /// <param name="trainingCounts">Training images of each class.</param>
    /// <exception cref="InputException">There is no such score, or it needs more than a deployed model has.</exception>
    public static OodScore OfDeployed(string? text, Readout readout, IReadOnlyList<int> trainingCounts)
    {
        // The own score of a plain classifier is one of the logits like any other.
        if ((text ?? readout.ScoreName) == readout.ScoreName && readout is not LogitReadout)
        {
            return new OodScore(readout.ScoreName, null, pass => pass.Predictions.Scores(pass.Predictions.Readout.ScoreBranch));
        }

        var spec = ScoreSpec.Parse(text ?? readout.ScoreName);
        var ofLogits = spec.OfLogits(trainingCounts);
        return new OodScore(spec.ToString(), spec, pass => pass.Predictions.Main.Scores(ofLogits));
    }

    /// <summary>The score of every image of a pass, in its order.</summary>
    /// <exception cref="InputException">One is not a number, because the model's logits or features are not finite.</exception>
    public double[] Of(FeaturePass pass)
    {
        var result = scores(pass);
        return Array.FindIndex(result, double.IsNaN) is >= 0 and var image
            ? throw new InputException(
                $"The score {Name} of {pass.Images.Source(image)} in {pass.Images.Name} is not a number: the model's logits or features are not " +
                "finite. Its training diverged; train again with a lower learning rate.")
            : result;
    }

    /// <summary>The same of what a deployed model says, which keeps no features.</summary>
    internal double[] Of(LabelledSet images, Predictions predictions) => Of(new FeaturePass(images, predictions, new Features(new ArrayRows([], images.Count, 0))));
}

/// <summary>What scores are fitted on: a trained model and its training images. No test image and no outlier takes part.</summary>
public sealed class ScoreFitting
{
    private readonly Lazy<FeaturePass> pass;
    private readonly DualBranchNetwork? model;
    private readonly Dictionary<object, object> shared = [];
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

    /// <summary>What several scores need alike is computed for the first of them and kept.</summary>
    /// <param name="key">What it is, with everything that it depends on; equal keys are the same thing.</param>
    /// <param name="compute">Computes it.</param>
    internal T Once<T>(object key, Func<T> compute)
        where T : notnull
    {
        if (!shared.TryGetValue(key, out var value))
        {
            value = compute();
            shared.Add(key, value);
        }

        return (T)value;
    }

    /// <exception cref="InputException">Only features and logits of its images are at hand.</exception>
    internal static ImageSet Pixels(LabelledSet images) =>
        images as ImageSet ?? throw new InputException($"The score needs the images of {images.Name}, of which only features and logits are at hand.");
}

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

/// <summary>What a score has from the training images, the least first.</summary>
public enum ScoreFit
{
    /// <summary>Nothing: it follows from the model and the image.</summary>
    Nothing,

    /// <summary>The share of each class.</summary>
    ClassShares,

    /// <summary>Statistics of their features or logits.</summary>
    TrainingImages,
}
