using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment;

/// <summary>Scores any number of images in the order in which they come: every core reads, decodes and scores a batch of its own.</summary>
internal static class ScoringPipeline
{
    // 64 images of 32 x 32 stay in a core's cache while they go through the network; of larger ones a batch has as many pixels.
    private const int LargestBatch = 64;
    private const int PixelsPerBatch = LargestBatch * 32 * 32;

    // To measure takes as long as about ten batches; the faster engine saves perhaps a third of each.
    private const int BatchesWorthMeasuring = 64;

    public static int BatchSize(ScoringModel model) => Math.Clamp(PixelsPerBatch / (model.ImageSize * model.ImageSize), 1, LargestBatch);

    /// <summary>The number of images from which on it pays to measure which engine is faster.</summary>
    public static int WorthMeasuring(ScoringModel model) => BatchesWorthMeasuring * BatchSize(model);

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
            using var batch = DecodedImages.Of(chunks.Take(number), model.ImageSize, model.Geometry);
            return batch.ScoreBy(model);
        }
    }
}

/// <summary>Cuts a sequence of unknown length into chunks that threads take by number, each number once, in any order.</summary>
internal sealed class NumberedChunks<T>(IEnumerable<T> items, int size)
{
    private readonly Lock gate = new();
    private readonly IEnumerator<T[]> chunks = items.Chunk(size).GetEnumerator();
    private readonly Dictionary<int, T[]> early = [];
    private int next;

    /// <summary>The chunk of a number; empty behind the end of the sequence.</summary>
    public T[] Take(int number)
    {
        lock (gate)
        {
            for (; next <= number; next++)
            {
                early.Add(next, chunks.MoveNext() ? chunks.Current : []);
            }

            return early.Remove(number, out var chunk) ? chunk : throw new InvalidOperationException($"Chunk {number} was taken before.");
        }
    }
}

/// <summary>Some images as the network takes them, and what is wrong with those that could not be read.</summary>
internal sealed class DecodedImages : IDisposable
{
    private readonly ImageInput[] inputs;
    private readonly PixelBlock pixels;
    private readonly string?[] errors;

    private DecodedImages(ImageInput[] inputs, int size, ImageGeometry geometry)
    {
        this.inputs = inputs;
        pixels = new PixelBlock(inputs.Length, size, size);
        using var decoder = new ImageDecoder();
        errors = [.. inputs.Select((input, i) => Decode(input, decoder, pixels.Writable(i), size, geometry))];
    }

    /// <summary>Reads and decodes images on the calling thread, resized and cropped like those of an evaluation.</summary>
    /// <param name="inputs">The images.</param>
    /// <param name="size">Rows and columns of the result.</param>
    /// <param name="geometry">How images become squares.</param>
    public static DecodedImages Of(ImageInput[] inputs, int size, ImageGeometry geometry) => new(inputs, size, geometry);

    /// <summary>Scores the images that could be read.</summary>
    /// <returns>All images in their order.</returns>
    public IReadOnlyList<ScoredImage> ScoreBy(ScoringModel model)
    {
        var noClass = new int[inputs.Length];
        Array.Fill(noClass, ImageSet.NoClass);
        string[] sources = [.. inputs.Select(input => input.Source)];
        var images = new ImageSet("images", pixels, noClass, [], sources);
        var scores = new Queue<ImageScore>(model.Score(images.Select(Enumerable.Range(0, inputs.Length).Where(i => errors[i] is null))));
        return [.. sources.Select((source, i) => new ScoredImage(source, errors[i] is null ? scores.Dequeue() : null, errors[i]))];
    }

    public void Dispose() => pixels.Dispose();

    private static string? Decode(ImageInput input, ImageDecoder decoder, Span<byte> target, int size, ImageGeometry geometry)
    {
        try
        {
            return decoder.Decode(input.Read().Span, target, size, geometry) is { } fault ? $"{input.Source} {fault}." : null;
        }
        catch (InputException exception)
        {
            return exception.Message;
        }
    }
}

/// <summary>How a deployed model takes its pixels.</summary>
public enum PixelType
{
    /// <summary>Bytes from 0 to 255, as decoders give them.</summary>
    UInt8,

    /// <summary>float32 in [0, 1].</summary>
    Float,

    /// <summary>Bytes of decoded pictures of any size, which the graph itself resizes and crops.</summary>
    Picture,
}

/// <summary>A scored image as one JSON object, the same on the command line and from the server.</summary>
internal static class ScoredImageJson
{
    // Names of files and classes stay readable; the text goes into no HTML.
    private static readonly JsonWriterOptions options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Appends images, one line each.</summary>
    public static void AppendLines(StringBuilder text, IEnumerable<ScoredImage> images)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, options);
        foreach (var image in images)
        {
            Write(json, image);
            json.Flush();
            text.Append(Encoding.UTF8.GetString(buffer.WrittenSpan)).Append('\n');
            buffer.ResetWrittenCount();
            json.Reset();
        }
    }

    /// <summary>Writes <c>{"source", "class", "probability", "score", "accepted"}</c>, or <c>{"source", "error"}</c>; an image without a name has no source.</summary>
    public static void Write(Utf8JsonWriter json, ScoredImage image)
    {
        json.WriteStartObject();
        if (image.Source is not null)
        {
            json.WriteString("source", image.Source);
        }

        if (image.Score is { } score)
        {
            json.WriteString("class", score.Class);
            json.WriteNumber("probability", score.Probability);
            json.WriteNumber("score", score.Score);
            if (score.Accepted is { } accepted)
            {
                json.WriteBoolean("accepted", accepted);
            }
            else
            {
                json.WriteNull("accepted");
            }
        }
        else
        {
            json.WriteString("error", image.Error);
        }

        json.WriteEndObject();
    }
}

/// <summary>One image and what became of it: its score, or why there is none.</summary>
/// <param name="Source">Where it is from; null for an image without a name.</param>
/// <param name="Score">What the model says; null where the image could not be read.</param>
/// <param name="Error">What is wrong with the image, a sentence; null where nothing is.</param>
internal sealed record ScoredImage(string? Source, ImageScore? Score, string? Error);
