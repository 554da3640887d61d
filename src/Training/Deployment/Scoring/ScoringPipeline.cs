using Pascl.Training.Data;

namespace Pascl.Training.Deployment.Scoring;

/// <summary>Scores any number of images in the order in which they come: every core reads, decodes and scores a batch of its own.</summary>
internal static class ScoringPipeline
{
    // 64 images of 32 x 32 stay in a core's cache while they go through the network; of larger ones a batch has as many pixels.
    private const int LargestBatch = 64;
    private const int PixelsPerBatch = LargestBatch * 32 * 32;

    /// <summary>Images of a full batch.</summary>
    public static int BatchSize(ScoringModel model) => Math.Clamp(PixelsPerBatch / (model.ImageSize * model.ImageSize), 1, LargestBatch);

    /// <summary>Scores images, a batch of them at a time.</summary>
    /// <param name="model">The model, opened for <see cref="Environment.ProcessorCount"/> batches at one time.</param>
    /// <param name="inputs">The images.</param>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public static IEnumerable<IReadOnlyList<ScoredImage>> Run(ScoringModel model, IEnumerable<ImageInput> inputs)
    {
        var chunks = new NumberedChunks<ImageInput>(inputs, BatchSize(model));
        var workers = Environment.ProcessorCount;
        using var batches = new Prefetcher<IReadOnlyList<ScoredImage>>(Score, 0, int.MaxValue, workers, depth: workers);
        while (batches.Next() is { Count: > 0 } batch)
        {
            yield return batch;
        }

        IReadOnlyList<ScoredImage> Score(int number)
        {
            using var batch = DecodedImages.Of(chunks.Take(number), model.ImageSize);
            return batch.ScoreBy(model);
        }
    }
}
