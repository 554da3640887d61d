using Pascl.Training.Data;
using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>One run of the model over a set of images, kept: every out-of-distribution score but ODIN is computed from it without the model.</summary>
/// <param name="Images">The images.</param>
/// <param name="Predictions">The logits of both branches.</param>
/// <param name="Features">(images, 8 * width): the features of the main branch, which gives the score.</param>
public sealed record FeaturePass(ImageSet Images, Predictions Predictions, Features Features)
{
    /// <summary>Runs a model over at least one image, in evaluation mode, unaugmented and in batches.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public static FeaturePass Of(DualBranchResNet model, ImageSet images, int batchSize = Predictions.UsualBatchSize, CancellationToken cancellation = default)
    {
        var features = new RowBuffer(images.Count);
        var predictions = Predictions.Of(model, images, batchSize, features, cancellation);
        return new FeaturePass(images, predictions, new Features(features.Values, features.Columns));
    }
}
