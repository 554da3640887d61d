using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment.Scoring;

/// <summary>Some images as the network takes them, and what is wrong with those that could not be read.</summary>
internal sealed class DecodedImages : IDisposable
{
    private readonly ImageInput[] inputs;
    private readonly PixelBlock pixels;
    private readonly string?[] errors;

    private DecodedImages(ImageInput[] inputs, int size)
    {
        this.inputs = inputs;
        pixels = new PixelBlock(inputs.Length, size, size);
        using var decoder = new ImageDecoder();
        errors = [.. inputs.Select((input, i) => Decode(input, decoder, pixels.Writable(i), size))];
    }

    /// <summary>Reads and decodes images on the calling thread, resized and cropped like those of an evaluation.</summary>
    /// <param name="inputs">The images.</param>
    /// <param name="size">Rows and columns of the result.</param>
    public static DecodedImages Of(ImageInput[] inputs, int size) => new(inputs, size);

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

    /// <summary>Frees the pixels.</summary>
    public void Dispose() => pixels.Dispose();

    private static string? Decode(ImageInput input, ImageDecoder decoder, Span<byte> target, int size)
    {
        try
        {
            return decoder.Decode(input.Read().Span, target, size) is { } fault ? $"{input.Source} {fault}." : null;
        }
        catch (InputException exception)
        {
            return exception.Message;
        }
    }
}
