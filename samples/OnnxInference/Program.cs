// OnnxInference MODEL IMAGE...: the class of each image, its probability, the out-of-distribution score and the decision.
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using SkiaSharp;

using var session = new InferenceSession(args[0]);
using var options = new RunOptions();
var classNames = JsonSerializer.Deserialize<string[]>(session.ModelMetadata.CustomMetadataMap["class_names"])!;
var size = int.Parse(session.ModelMetadata.CustomMetadataMap["image_size"]);
foreach (var path in args[1..])
{
    using var image = SKBitmap.Decode(path) ?? throw new InvalidDataException($"{path} is no image.");
    using var square = new SKBitmap(size, size, SKColorType.Rgba8888, SKAlphaType.Unpremul);
    using (var canvas = new SKCanvas(square))
    {
        var side = Math.Min(image.Width, image.Height);
        var middle = SKRect.Create((image.Width - side) / 2, (image.Height - side) / 2, side, side);
        canvas.DrawImage(SKImage.FromBitmap(image), middle, SKRect.Create(size, size), new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
    }

    byte[] planes = [.. square.Pixels.Select(p => p.Red), .. square.Pixels.Select(p => p.Green), .. square.Pixels.Select(p => p.Blue)];
    using var images = OrtValue.CreateTensorValueFromMemory(planes, [1, 3, size, size]);
    using var results = session.Run(options, ["images"], [images], ["probabilities", "ood_score", "accepted"]);
    var probabilities = results[0].GetTensorDataAsSpan<float>().ToArray();
    var best = Array.IndexOf(probabilities, probabilities.Max());
    var decision = results[2].GetTensorDataAsSpan<bool>()[0] ? "accepted" : "rejected";
    Console.WriteLine($"{path}: {classNames[best]} ({probabilities[best]:P1}), score {results[1].GetTensorDataAsSpan<float>()[0]:0.000000}, {decision}");
}
