using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using SkiaSharp;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>Compares an exported model with the network that it came from, image by image.</summary>
internal static class OnnxVerification
{
    /// <summary>Images that are compared where there are so many.</summary>
    public const int MostImages = 2000;

    public const int BatchSize = 128;

    /// <summary>At most so many images, spread evenly, because sets are often sorted by class.</summary>
    public static ImageSet Choose(ImageSet images, int most = MostImages) => images.Count <= most
        ? images
        : images.Select(Enumerable.Range(0, most).Select(i => (int)((long)i * images.Count / most)));

    /// <summary>
    /// Runs both over the images. For a model that prepares pictures itself every image is a picture that becomes a square first, and drawn ones follow that are larger, smaller
    /// and no squares.
    /// </summary>
    /// <exception cref="InputException">The network's logits are not finite.</exception>
    public static OnnxAgreement Compare(byte[] model, DeployedModel deployed, PixelType input, ImageSet images)
    {
        using var session = new OnnxSession(model);
        var agreement = new OnnxAgreement(0, 0, 0, 0, 0);
        foreach (var given in Batches(deployed, input, images))
        {
            var squares = input == PixelType.Picture ? Squares(given, deployed) : given;
            var expected = Predictions.Of(deployed.Network, squares, BatchSize);
            expected.Check(squares);
            var scores = deployed.Score.Of(squares, expected);
            var outputs = session.Run(given, input);
            var all = Enumerable.Range(0, given.Count);
            agreement = new OnnxAgreement(
                agreement.Images + given.Count,
                Math.Max(agreement.Logits, Largest(outputs.Logits, all.SelectMany(image => Doubles(expected.Auxiliary[image])))),
                Math.Max(agreement.Probabilities, Largest(outputs.Probabilities, all.SelectMany(image => Softmax.Of(expected.Auxiliary[image])))),
                Math.Max(agreement.Scores, Largest(outputs.Scores, scores)),
                agreement.Decisions + OtherDecisions(outputs, scores, deployed));
        }

        return agreement;
    }

    private static IEnumerable<ImageSet> Batches(DeployedModel deployed, PixelType input, ImageSet images)
    {
        foreach (var chosen in Enumerable.Range(0, images.Count).Chunk(BatchSize))
        {
            yield return images.Select(chosen);
        }

        if (input == PixelType.Picture)
        {
            foreach (var (width, height) in OnnxExamples.PictureSizes(deployed.ImageSize))
            {
                var picture = new PixelBlock(1, height, width);
                OnnxExamples.Draw(picture.Writable(0), width);
                yield return new ImageSet($"a drawn picture of {width} x {height} pixels", picture, [ImageSet.NoClass], []);
            }
        }
    }

    private static ImageSet Squares(ImageSet pictures, DeployedModel deployed)
    {
        var squares = new PixelBlock(pictures.Count, deployed.ImageSize, deployed.ImageSize);
        using var decoder = new ImageDecoder();
        for (var i = 0; i < pictures.Count; i++)
        {
            decoder.Fit(pictures.Pixels(i), pictures.Width, pictures.Height, squares.Writable(i), deployed.ImageSize, deployed.Geometry);
        }

        return new ImageSet(pictures.Name, squares, [.. pictures.Labels], pictures.ClassNames);
    }

    private static double Largest(float[] actual, IEnumerable<double> expected) =>
        actual.Zip(expected).Max(pair => OnnxAgreement.Difference(pair.First, pair.Second));

    private static int OtherDecisions(OnnxOutputs outputs, double[] scores, DeployedModel deployed) => outputs.Accepted is not { } accepted
        ? 0
        : accepted.Zip(scores).Count(pair =>
            pair.First != (pair.Second <= deployed.Threshold!.Value)
            && OnnxAgreement.Difference(pair.Second, deployed.Threshold.Value) > OnnxAgreement.Allowed);

    private static double[] Doubles(ReadOnlySpan<float> row) => Array.ConvertAll(row.ToArray(), value => (double)value);
}

/// <summary>
/// How far an exported model is from the network it came from: the largest |a - b| / max(1, |b|) over all images, with b by torch in float32 and its softmax
/// and score in double.
/// </summary>
/// <param name="Images">Images that were compared.</param>
/// <param name="Logits">Largest difference of the logits.</param>
/// <param name="Probabilities">Largest difference of the probabilities.</param>
/// <param name="Scores">Largest difference of the scores.</param>
/// <param name="Decisions">
/// Images that one accepts and the other rejects. The score of such an image may lie so near to the threshold that the allowed difference decides; those are
/// not counted.
/// </param>
internal sealed record OnnxAgreement(int Images, double Logits, double Probabilities, double Scores, int Decisions)
{
    public const double Allowed = 1e-4;

    public double Largest => Math.Max(Logits, Math.Max(Probabilities, Scores));

    /// <summary>Whether the exported model may be used in the network's place.</summary>
    public bool Holds => Largest <= Allowed && Decisions == 0;

    /// <summary>|a - b| / max(1, |b|); infinite where one is not a number.</summary>
    public static double Difference(double actual, double expected) =>
        Math.Abs(actual - expected) / Math.Max(1, Math.Abs(expected)) is var difference && double.IsNaN(difference) ? double.PositiveInfinity : difference;
}

/// <summary>
/// Images and what the model says of them, in a file beside the model, so that whoever runs it elsewhere can see that decoding, resizing and arithmetic there are
/// right: eight images of the verification as they are, and two that are larger and no squares.
/// </summary>
internal static class OnnxExamples
{
    private const int StoredImages = 8;

    private static readonly (int Width, int Height)[] drawnSizes = [(97, 61), (70, 150)];
    private static readonly JsonSerializerOptions readable = new() { WriteIndented = true };

    /// <summary>Sizes of pictures, as width and height, that say whether a model resizes and crops them as it should: those of the examples, and some about the size of its squares.</summary>
    public static IEnumerable<(int Width, int Height)> PictureSizes(int imageSize) =>
        [.. drawnSizes, ((3 * imageSize) + 1, (2 * imageSize) + 3), (imageSize, (4 * imageSize) + 5), ((imageSize / 2) + 1, (imageSize / 3) + 1)];

    public static string FileOf(string model) => Path.ChangeExtension(model, ".examples.json");

    /// <summary>Writes the examples of a model that gives the numbers of its network.</summary>
    /// <exception cref="InputException">The file could not be written.</exception>
    public static void Write(string path, DeployedModel deployed, ImageSet images)
    {
        var files = Files(images);
        var squares = Squares(files, deployed);
        var predictions = Predictions.Of(deployed.Network, squares, squares.Count);
        Write(path, deployed, files, predictions.Auxiliary, deployed.Score.Of(squares, predictions));
    }

    /// <summary>Writes the examples of a model that gives numbers of its own.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="input">Its pixels.</param>
    /// <param name="images">Images that it was verified on.</param>
    /// <exception cref="InputException">The file could not be written.</exception>
    public static void Write(string path, QuantisedModel model, PixelType input, ImageSet images)
    {
        var files = Files(images);
        using var session = new OnnxSession(model.Bytes);
        OnnxOutputs[] answers = input == PixelType.Picture
            ? Array.ConvertAll(files, file => session.Run(Picture(file), input))
            : [session.Run(Squares(files, model.Deployed), input)];
        Write(
            path, model.Deployed, files, new Logits([.. answers.SelectMany(answer => answer.Logits)], model.Deployed.ClassNames.Count),
            [.. answers.SelectMany(answer => answer.Scores).Select(score => (double)score)]);
    }

    /// <summary>Draws waves of several lengths in each colour: a resizing with another filter gives another image.</summary>
    /// <param name="pixels">(height, width, 3).</param>
    /// <param name="width">Columns.</param>
    public static void Draw(Span<byte> pixels, int width)
    {
        for (var i = 0; i < pixels.Length; i++)
        {
            var (x, y, colour) = (i / PixelBlock.Channels % width, i / PixelBlock.Channels / width, i % PixelBlock.Channels);
            pixels[i] = (byte)(127.5 + (60 * Math.Sin(x * (0.2 + (0.3 * colour)))) + (60 * Math.Cos(y * (0.7 - (0.2 * colour)))));
        }
    }

    private static void Write(string path, DeployedModel deployed, byte[][] files, Logits logits, double[] scores)
    {
        var classes = logits.Classes();
        var examples = files.Select((file, i) => new Dictionary<string, object>
        {
            ["image"] = file,
            ["class"] = deployed.ClassNames[classes[i]],
            ["probability"] = Softmax.Of(logits[i])[classes[i]],
            ["score"] = scores[i],
        }).ToList();
        if (deployed.Threshold is { } threshold)
        {
            for (var i = 0; i < examples.Count; i++)
            {
                examples[i]["accepted"] = scores[i] <= threshold.Value;
            }
        }

        DurableFile.Replace(path, stream => JsonSerializer.Serialize(stream, examples, readable));
    }

    private static byte[][] Files(ImageSet images) =>
    [
        .. Enumerable.Range(0, Math.Min(StoredImages, images.Count)).Select(i => Png(images.Pixels((int)((long)i * images.Count / StoredImages)), images.Width, images.Height)),
        .. drawnSizes.Select(size =>
        {
            var pixels = new byte[size.Height * size.Width * PixelBlock.Channels];
            Draw(pixels, size.Width);
            return Png(pixels, size.Width, size.Height);
        }),
    ];

    private static ImageSet Squares(byte[][] files, DeployedModel deployed)
    {
        var pixels = new PixelBlock(files.Length, deployed.ImageSize, deployed.ImageSize);
        using var decoder = new ImageDecoder();
        for (var i = 0; i < files.Length; i++)
        {
            _ = decoder.Decode(files[i], pixels.Writable(i), deployed.ImageSize, deployed.Geometry);
        }

        return new ImageSet("examples", pixels, new int[files.Length], deployed.ClassNames);
    }

    private static ImageSet Picture(byte[] file)
    {
        using var decoder = new ImageDecoder();
        _ = decoder.DecodeWhole(file, out var width, out var height);
        var pixels = new PixelBlock(1, height, width);
        decoder.Colours().CopyTo(pixels.Writable(0));
        return new ImageSet("example", pixels, [ImageSet.NoClass], []);
    }

    private static byte[] Png(ReadOnlySpan<byte> pixels, int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var i = 0; i < width * height; i++)
        {
            bitmap.SetPixel(i % width, i / width, new SKColor(pixels[3 * i], pixels[(3 * i) + 1], pixels[(3 * i) + 2]));
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return data.ToArray();
    }
}
