using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Scoring;

/// <summary>Scores any number of images in the order in which they come: threads read and decode batches ahead while the network works on one.</summary>
internal static class ScoringPipeline
{
    private const int LargestBatch = 256;
    private const int SmallestBatch = 8;

    // 256 images of 32 x 32: what an evaluation takes of small images. Larger ones take proportionally more memory in the network.
    private const int PixelsPerBatch = LargestBatch * 32 * 32;

    /// <summary>Scores images, a batch of them at a time.</summary>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public static IEnumerable<IReadOnlyList<ScoredImage>> Run(ScoringModel model, IEnumerable<ImageInput> inputs)
    {
        var batchSize = Math.Clamp(PixelsPerBatch / (model.ImageSize * model.ImageSize), SmallestBatch, LargestBatch);
        var chunks = new NumberedChunks<ImageInput>(inputs, batchSize);
        var workers = Environment.ProcessorCount;
        using var batches = new Prefetcher<DecodedImages>(
            number => DecodedImages.Of(chunks.Take(number), model.ImageSize), 0, int.MaxValue, workers, depth: workers);
        while (true)
        {
            using var batch = batches.Next();
            if (batch.Count == 0)
            {
                yield break;
            }

            yield return batch.ScoreBy(model);
        }
    }
}
