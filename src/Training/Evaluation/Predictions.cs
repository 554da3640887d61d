using Pascl.Training.Data;
using Pascl.Training.Model;
using TorchSharp;

namespace Pascl.Training.Evaluation;

/// <summary>
/// What the model says about a set of images, one row or number per image in the set's order: the logits of the classes by both branches, and the
/// out-of-distribution scores of the method.
/// </summary>
public sealed record Predictions(Logits Main, Logits Auxiliary)
{
    /// <summary>Images in a batch where nothing else is asked for.</summary>
    internal const int UsualBatchSize = 256;

    private readonly double[]? mainScores;
    private readonly double[]? auxiliaryScores;

    private Predictions(Readout readout, BranchReading main, BranchReading auxiliary)
        : this(main.Logits, auxiliary.Logits) => (Readout, mainScores, auxiliaryScores) = (readout, main.Scores, auxiliary.Scores);

    /// <summary>How the method reads a branch's outputs; <see cref="Scores"/> are by it.</summary>
    public Readout Readout { get; } = LogitReadout.MaximumSoftmax;

    /// <summary>The logits of one branch.</summary>
    public Logits this[Branch branch] => branch == Branch.Main ? Main : Auxiliary;

    /// <summary>The method's own score of every image by one branch.</summary>
    public double[] Scores(Branch branch) =>
        (branch == Branch.Main ? mainScores : auxiliaryScores) ?? this[branch].Scores(logits => Readout.Score(logits, branch));

    /// <summary>Runs a model over at least one image, in evaluation mode, unaugmented and in batches.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public static Predictions Of(DualBranchResNet model, ImageSet images, int batchSize = UsualBatchSize, CancellationToken cancellation = default) =>
        Of(model, images, batchSize, null, cancellation);

    /// <summary>The same; the main branch's features are kept too where there is a buffer for them.</summary>
    internal static Predictions Of(DualBranchResNet model, ImageSet images, int batchSize, RowBuffer? features, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(images.Count);
        var (main, auxiliary) = (new RowBuffer(images.Count), new RowBuffer(images.Count));
        EvaluationBatches.ForEach(images, batchSize, model.parameters().First().device, Keep, cancellation);
        var readout = Readout.Of(model);
        return new(readout, Read(main, Branch.Main), Read(auxiliary, Branch.Auxiliary));

        void Keep(torch.Tensor batch)
        {
            var output = model.Predict(batch);
            main.Append(output.MainLogits);
            auxiliary.Append(output.AuxiliaryLogits);
            features?.Append(output.Features);
        }

        BranchReading Read(RowBuffer outputs, Branch branch) => BranchReading.Of(outputs, readout, branch, model.Head.ClassCount);
    }
}
