// OnnxInference MODEL IMAGE...      the class of each image, its probability, the out-of-distribution score and the decision
// OnnxInference MODEL --examples    computes the examples that lie beside the model again, and compares
//
// It needs ONNX Runtime and a decoder of images, and nothing of Pascl.
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using SkiaSharp;

if (args.Length < 2)
{
    Console.Error.WriteLine("Usage: OnnxInference MODEL IMAGE... or OnnxInference MODEL --examples");
    return 2;
}

using var model = new Model(args[0]);
return args[1] == "--examples" ? Examples(args[0]) : Images(args[1..]);

int Images(string[] paths)
{
    var failed = 0;
    foreach (var path in paths)
    {
        if (!File.Exists(path) || model.Score(File.ReadAllBytes(path)) is not { } answer)
        {
            failed++;
            Console.Error.WriteLine($"{path} is no image.");
            continue;
        }

        var decision = answer.Accepted switch { true => ", accepted", false => ", rejected", null => "" };
        Console.WriteLine($"{path}: {answer.Class} ({answer.Probability:P1}), score {answer.Score:0.000000}{decision}");
    }

    return failed == 0 ? 0 : 1;
}

int Examples(string path)
{
    using var file = JsonDocument.Parse(File.ReadAllBytes(Path.ChangeExtension(path, ".examples.json")));
    var (largest, decisions, count) = (0.0, 0, 0);
    foreach (var example in file.RootElement.EnumerateArray())
    {
        var answer = model.Score(example.GetProperty("image").GetBytesFromBase64())!;
        largest = Math.Max(largest, Math.Abs(answer.Score - example.GetProperty("score").GetDouble()));
        decisions += example.TryGetProperty("accepted", out var accepted) && accepted.GetBoolean() != answer.Accepted ? 1 : 0;
        count++;
    }

    Console.WriteLine($"{count} examples: largest difference of a score {largest:0.0e+0}, {decisions} other decisions");
    return largest < 1e-4 && decisions == 0 ? 0 : 1;
}

/// <summary>An exported model and what its metadata say.</summary>
internal sealed class Model : IDisposable
{
    private static readonly string[] wanted = ["probabilities", "ood_score", "accepted"];

    private readonly InferenceSession session;
    private readonly RunOptions options = new();
    private readonly string[] classNames;
    private readonly int size;
    private readonly bool takesBytes;
    private readonly string[] outputs;

    public Model(string path)
    {
        session = new InferenceSession(path);
        var metadata = session.ModelMetadata.CustomMetadataMap;
        classNames = JsonSerializer.Deserialize<string[]>(metadata["class_names"])!;
        size = int.Parse(metadata["image_size"]);
        if (metadata.TryGetValue("interpolation", out var interpolation))
        {
            throw new NotSupportedException($"The model takes photographs ({interpolation}, shorter side {metadata["resize_side"]}); this sample resizes as for small images.");
        }

        takesBytes = session.InputMetadata["images"].ElementType == typeof(byte);
        outputs = [.. wanted.Where(session.OutputMetadata.ContainsKey)];
    }

    /// <summary>What the model says of an encoded image; null where the bytes are none.</summary>
    public Answer? Score(byte[] file)
    {
        var bounds = SKBitmap.DecodeBounds(file);
        using var decoded = bounds.Width == 0 ? null : SKBitmap.Decode(file, new SKImageInfo(bounds.Width, bounds.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        if (decoded is null)
        {
            return null;
        }

        var planes = Resize.ShorterSideAndCentre(decoded.GetPixelSpan(), decoded.Width, decoded.Height, size);
        long[] shape = [1, 3, size, size];
        using var images = takesBytes
            ? OrtValue.CreateTensorValueFromMemory(planes, shape)
            : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(planes, value => value / 255f), shape);
        using var results = session.Run(options, ["images"], [images], outputs);
        var probabilities = results[0].GetTensorDataAsSpan<float>().ToArray();
        var best = Array.IndexOf(probabilities, probabilities.Max());
        return new Answer(
            classNames[best], probabilities[best], results[1].GetTensorDataAsSpan<float>()[0],
            outputs.Length > 2 ? results[2].GetTensorDataAsSpan<bool>()[0] : null);
    }

    public void Dispose()
    {
        session.Dispose();
        options.Dispose();
    }
}

/// <summary>What a model says of an image; <paramref name="Accepted"/> is null for a model without a threshold.</summary>
internal sealed record Answer(string Class, float Probability, float Score, bool? Accepted);

/// <summary>
/// The resizing that the model was trained with: the shorter side to the size, by the cubic filter of Keys with a = -1/2, widened where the image shrinks, so that
/// fine detail does not alias; then the square in the centre.
/// </summary>
internal static class Resize
{
    /// <summary>From (height, width) pixels of red, green, blue and alpha to (3, size, size).</summary>
    public static byte[] ShorterSideAndCentre(ReadOnlySpan<byte> pixels, int width, int height, int size)
    {
        var planes = new byte[3 * size * size];
        if (width == size && height == size)
        {
            for (var i = 0; i < planes.Length; i++)
            {
                planes[i] = pixels[(i % (size * size) * 4) + (i / (size * size))];
            }

            return planes;
        }

        var (columns, rows) = (Taps(width, Math.Min(width, height), size), Taps(height, Math.Min(width, height), size));
        for (var colour = 0; colour < 3; colour++)
        {
            // First along the rows, then along the columns, with one rounding at the end.
            var firstRow = rows[0].First;
            var wide = new float[rows[^1].First + rows[^1].Weights.Length - firstRow, size];
            for (var y = 0; y < wide.GetLength(0); y++)
            {
                for (var x = 0; x < size; x++)
                {
                    for (var i = 0; i < columns[x].Weights.Length; i++)
                    {
                        wide[y, x] += columns[x].Weights[i] * pixels[((((firstRow + y) * width) + columns[x].First + i) * 4) + colour];
                    }
                }
            }

            for (var y = 0; y < size; y++)
            {
                for (var x = 0; x < size; x++)
                {
                    var sum = 0f;
                    for (var i = 0; i < rows[y].Weights.Length; i++)
                    {
                        sum += rows[y].Weights[i] * wide[rows[y].First - firstRow + i, x];
                    }

                    planes[(((colour * size) + y) * size) + x] = (byte)Math.Clamp(sum + 0.5f, 0f, 255f);
                }
            }
        }

        return planes;
    }

    // Where each of the central outputs of an axis begins to read, and with which weights.
    private static (int First, float[] Weights)[] Taps(int length, int shorter, int size)
    {
        var resized = (int)Math.Round((double)length * size / shorter);
        var scale = (double)length / resized;
        var stretch = Math.Max(scale, 1);
        return [.. Enumerable.Range((resized - size) / 2, size).Select(output =>
        {
            var centre = (output + 0.5) * scale;
            var first = Math.Max(0, (int)Math.Floor(centre - (2 * stretch)));
            var end = Math.Min(length, (int)Math.Ceiling(centre + (2 * stretch)));
            double[] weights = [.. Enumerable.Range(first, end - first).Select(position => Cubic((position + 0.5 - centre) / stretch))];
            var sum = weights.Sum();
            return (first, Array.ConvertAll(weights, weight => (float)(weight / sum)));
        })];
    }

    private static double Cubic(double distance) => Math.Abs(distance) switch
    {
        < 1 and var x => (((1.5 * x) - 2.5) * x * x) + 1,
        < 2 and var x => (((((-0.5 * x) + 2.5) * x) - 4) * x) + 2,
        _ => 0,
    };
}
