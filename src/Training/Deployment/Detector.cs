using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Deployment;

/// <summary>
/// A trained run for other programs: images in, class, out-of-distribution score and decision out, with the numbers of <c>score</c> and <c>serve</c>. Several threads
/// may use one detector at one time. libtorch keeps a team of threads for each thread that scores, so that few and lasting ones are best.
/// </summary>
public sealed class Detector : IDisposable
{
    private readonly ScoringModel model;

    private Detector(ScoringModel model)
    {
        this.model = model;
        Model = model.Description;
    }

    /// <summary>What was loaded: classes, score, threshold, image size, hash of the weights.</summary>
    public ModelDescription Model { get; }

    /// <summary>Loads the last checkpoint of a run.</summary>
    /// <param name="runFolder">The folder that <c>train</c> or <c>import</c> left.</param>
    /// <param name="threads">
    /// Threads that will score at one time, at least 1. The cores are divided among them, for everything that libtorch computes in this process.
    /// </param>
    /// <param name="backbone">Where the ONNX file of the run's frozen backbone is, if it is neither in the run folder nor where it was.</param>
    /// <param name="engine">
    /// What computes the network. <see cref="ScoringEngine.Auto"/> measures both on single images, which takes up to a second, and may choose the other one the next time.
    /// </param>
    /// <exception cref="InputException">There is no run, or it cannot be used; the message says what to do.</exception>
    public static Detector Open(string runFolder, int threads = 1, string? backbone = null, ScoringEngine engine = ScoringEngine.Torch)
    {
        ArgumentNullException.ThrowIfNull(runFolder);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var model = ScoringModel.Open(runFolder, threads, backbone);
        try
        {
            _ = model.Use(engine, batchSize: 1);
            return new Detector(model);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Scores an image file.</summary>
    /// <param name="imageFile">The bytes of a JPEG, PNG, BMP, WebP or GIF file of any size.</param>
    /// <exception cref="InputException">It cannot be read as an image; the message says why.</exception>
    public ImageScore Score(ReadOnlySpan<byte> imageFile)
    {
        using var pixels = new PixelBlock(1, model.ImageSize, model.ImageSize);
        Decode(imageFile, pixels.Writable(0), "The image");
        return model.Score(pixels)[0];
    }

    /// <summary>Scores an image file from where a stream is to its end.</summary>
    /// <param name="imageFile">A JPEG, PNG, BMP, WebP or GIF file of any size; it stays open.</param>
    /// <exception cref="InputException">It cannot be read as an image; the message says why.</exception>
    public ImageScore Score(Stream imageFile)
    {
        ArgumentNullException.ThrowIfNull(imageFile);
        using var content = new MemoryStream();
        imageFile.CopyTo(content);
        return Score(content.GetBuffer().AsSpan(0, (int)content.Length));
    }

    /// <summary>Scores several image files in one batch, which takes less time than one by one.</summary>
    /// <param name="imageFiles">The bytes of each file.</param>
    /// <returns>A score for each file, in their order.</returns>
    /// <exception cref="InputException">One cannot be read as an image; the message says which, counted from 1, and why.</exception>
    public IReadOnlyList<ImageScore> Score(IReadOnlyList<ReadOnlyMemory<byte>> imageFiles)
    {
        ArgumentNullException.ThrowIfNull(imageFiles);
        using var pixels = new PixelBlock(imageFiles.Count, model.ImageSize, model.ImageSize);
        for (var i = 0; i < imageFiles.Count; i++)
        {
            Decode(imageFiles[i].Span, pixels.Writable(i), $"Image {i + 1}");
        }

        return model.Score(pixels);
    }

    /// <summary>Scores an image that is decoded already.</summary>
    /// <param name="rgb">(height, width, 3) bytes, red first, from 0 to 255, without colour profile; it is resized and cropped as files are.</param>
    /// <param name="width">Columns, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <exception cref="ArgumentException">The number of bytes is not height * width * 3.</exception>
    public ImageScore ScoreRgb(ReadOnlySpan<byte> rgb, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (rgb.Length != (long)width * height * PixelBlock.Channels)
        {
            throw new ArgumentException($"{rgb.Length} bytes are not an image of {width} x {height} pixels, which has {(long)width * height * PixelBlock.Channels}.", nameof(rgb));
        }

        using var pixels = new PixelBlock(1, model.ImageSize, model.ImageSize);
        using var decoder = new ImageDecoder();
        decoder.Fit(rgb, width, height, pixels.Writable(0), model.ImageSize, model.Geometry);
        return model.Score(pixels)[0];
    }

    /// <summary>Frees the network; no thread may score any more.</summary>
    public void Dispose() => model.Dispose();

    private void Decode(ReadOnlySpan<byte> file, Span<byte> target, string name)
    {
        using var decoder = new ImageDecoder();
        if (decoder.Decode(file, target, model.ImageSize, model.Geometry) is { } fault)
        {
            throw new InputException($"{name} {fault}.");
        }
    }
}
