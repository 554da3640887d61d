using Pascl.Training.Data;
using Pascl.Training.Model;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>What scores are fitted on: a trained model and its training images. No test image and no outlier takes part.</summary>
public sealed class ScoreFitting
{
    private readonly Lazy<FeaturePass> pass;

    /// <summary>Prepares to fit on a pass that was made already.</summary>
    /// <param name="model">The trained model.</param>
    /// <param name="trainingPass">Its pass over the images it was trained on, unaugmented; every class has at least one.</param>
    public ScoreFitting(DualBranchResNet model, FeaturePass trainingPass)
        : this(model, trainingPass.Images, () => trainingPass)
    {
    }

    /// <summary>Prepares to fit; the model runs over the training images when the first score asks for them, and only once.</summary>
    /// <param name="model">The trained model.</param>
    /// <param name="training">The images it was trained on, unaugmented; every class has at least one.</param>
    public ScoreFitting(DualBranchResNet model, ImageSet training)
        : this(model, training, () => FeaturePass.Of(model, training))
    {
    }

    private ScoreFitting(DualBranchResNet model, ImageSet training, Func<FeaturePass> run)
    {
        (Model, Training) = (model, training);
        Prior = ClassPrior.Of(training.CountPerClass());
        pass = new(run);
    }

    /// <summary>The trained model.</summary>
    public DualBranchResNet Model { get; }

    /// <summary>The images it was trained on.</summary>
    public ImageSet Training { get; }

    /// <summary>The pass over them.</summary>
    public FeaturePass TrainingPass => pass.Value;

    /// <summary>pi: the share of every class in the training images.</summary>
    internal double[] Prior { get; }
}
