using System.Text.Json;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using SkiaSharp;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>
/// Images and what the model says of them, in a file beside the model, so that whoever runs it elsewhere can see that decoding, resizing and arithmetic there are
/// right: eight images of the verification as they are, and two that are larger and no squares.
/// </summary>
internal static class OnnxExamples
{
    private const int StoredImages = 8;

    private static readonly (int Width, int Height)[] largerSizes = [(97, 61), (70, 150)];
    private static readonly JsonSerializerOptions readable = new() { WriteIndented = true };

    public static string FileOf(string model) => Path.ChangeExtension(model, ".examples.json");

    /// <summary>Writes the examples of a model that gives the numbers of its network.</summary>
    /// <exception cref="InputException">The file could not be written.</exception>
    public static void Write(string path, DeployedModel deployed, ImageSet images) => Write(path, deployed, images, set =>
    {
        var predictions = Predictions.Of(deployed.Network, set, set.Count);
        return (predictions.Auxiliary, deployed.Score.Of(set, predictions));
    });

    /// <summary>Writes the examples.</summary>
    /// <param name="path">The file.</param>
    /// <param name="deployed">The model.</param>
    /// <param name="images">Images that it was verified on.</param>
    /// <param name="answer">What it says of images: logits of the classes, and scores.</param>
    /// <exception cref="InputException">The file could not be written.</exception>
    public static void Write(string path, DeployedModel deployed, ImageSet images, Func<ImageSet, (Logits Logits, double[] Scores)> answer)
    {
        byte[][] files =
        [
            .. Enumerable.Range(0, Math.Min(StoredImages, images.Count)).Select(i => Png(images.Pixels((int)((long)i * images.Count / StoredImages)), images.Width, images.Height)),
            .. largerSizes.Select(size => Png(Drawn(size.Width, size.Height), size.Width, size.Height)),
        ];
        var set = new ImageSet("examples", Decode(files, deployed.ImageSize, deployed.Geometry), new int[files.Length], deployed.ClassNames);
        var (logits, scores) = answer(set);
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

    private static PixelBlock Decode(byte[][] files, int size, ImageGeometry geometry)
    {
        var pixels = new PixelBlock(files.Length, size, size);
        using var decoder = new ImageDecoder();
        for (var i = 0; i < files.Length; i++)
        {
            _ = decoder.Decode(files[i], pixels.Writable(i), size, geometry);
        }

        return pixels;
    }

    // Waves of several lengths in each colour: a resizing with another filter gives another image.
    private static byte[] Drawn(int width, int height)
    {
        var pixels = new byte[width * height * PixelBlock.Channels];
        for (var i = 0; i < pixels.Length; i++)
        {
            var (x, y, colour) = (i / PixelBlock.Channels % width, i / PixelBlock.Channels / width, i % PixelBlock.Channels);
            pixels[i] = (byte)(127.5 + (60 * Math.Sin(x * (0.2 + (0.3 * colour)))) + (60 * Math.Cos(y * (0.7 - (0.2 * colour)))));
        }

        return pixels;
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
