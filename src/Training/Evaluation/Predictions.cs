using System.Runtime.InteropServices;
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
    public static Predictions Of(DualBranchResNet model, ImageSet images, int batchSize = 256, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(images.Count);
        var device = model.parameters().First().device;
        var classCount = 0;
        var (main, auxiliary) = (new List<float>(), new List<float>());
        foreach (var batch in EvaluationBatches.Of(images, batchSize))
        {
            using (batch)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = torch.NewDisposeScope();
                var output = model.Predict(batch.Images.to(device));
                classCount = (int)output.MainLogits.shape[1];
                Append(main, output.MainLogits);
                Append(auxiliary, output.AuxiliaryLogits);
            }
        }

        return new(new Logits([.. main], classCount), new Logits([.. auxiliary], classCount));
    }

    private static void Append(List<float> rows, torch.Tensor logits) =>
        rows.AddRange(MemoryMarshal.Cast<byte, float>(logits.to(torch.float32).cpu().contiguous().bytes));
}
