using Pascl.Training.Data;
using Pascl.Training.Model;
using TorchSharp;

namespace Pascl.Training.Evaluation;

/// <summary>What the model says about a set of images: the logits of both branches, one row per image in the set's order.</summary>
public sealed record Predictions(Logits Main, Logits Auxiliary)
{
    /// <summary>The logits of one branch.</summary>
    public Logits this[Branch branch] => branch == Branch.Main ? Main : Auxiliary;

    /// <summary>Runs a model over at least one image, in evaluation mode, unaugmented and in batches.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public static Predictions Of(DualBranchResNet model, ImageSet images, int batchSize = 256, CancellationToken cancellation = default) =>
        Of(model, images, batchSize, null, cancellation);

    /// <summary>The same; the main branch's features are kept too where there is a buffer for them.</summary>
    internal static Predictions Of(DualBranchResNet model, ImageSet images, int batchSize, RowBuffer? features, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(images.Count);
        var (main, auxiliary) = (new RowBuffer(images.Count), new RowBuffer(images.Count));
        EvaluationBatches.ForEach(images, batchSize, model.parameters().First().device, Keep, cancellation);
        return new(new Logits(main.Values, main.Columns), new Logits(auxiliary.Values, auxiliary.Columns));

        void Keep(torch.Tensor batch)
        {
            var output = model.Predict(batch);
            main.Append(output.MainLogits);
            auxiliary.Append(output.AuxiliaryLogits);
            features?.Append(output.Features);
        }
    }
}
