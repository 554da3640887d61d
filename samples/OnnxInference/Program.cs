// OnnxInference MODEL IMAGE...      the class of each image, its probability, the out-of-distribution score and the decision
// OnnxInference MODEL --examples    computes the examples that lie beside the model again, and compares
//
// It needs ONNX Runtime and a decoder of images, and nothing of Pascl.
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using SkiaSharp;

if (args.Length < 2)
{
    Console.Error.WriteLine("Usage: OnnxInference MODEL IMAGE... or OnnxInference MODEL --examples");
    return 2;
}

// From version 1.29 on ONNX Runtime sends what it runs to its maker, unless this is set before its first model is loaded; .NET keeps variables of its own, so by the C library.
if (OperatingSystem.IsLinux())
{
    _ = Native.Set("ORT_DISABLE_TELEMETRY", "1", overwrite: 0);
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
    return largest < model.Tolerance && decisions == 0 ? 0 : 1;
}

internal static partial class Native
{
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Set(string name, string value, int overwrite);
}

/// <summary>An exported model and what its metadata say.</summary>
internal sealed class Model : IDisposable
{
    private static readonly string[] wanted = ["probabilities", "ood_score", "accepted"];

    private readonly InferenceSession session;
    private readonly RunOptions options = new();
    private readonly string[] classNames;
    private readonly Preparation preparation;
    private readonly bool takesPictures;
    private readonly bool takesBytes;
    private readonly string[] outputs;

    public Model(string path)
    {
        session = new InferenceSession(path);
        var metadata = session.ModelMetadata.CustomMetadataMap;
        classNames = JsonSerializer.Deserialize<string[]>(metadata["class_names"])!;
        var size = int.Parse(metadata["image_size"]);
        preparation = metadata.TryGetValue("interpolation", out var interpolation)
            ? new Preparation(size, int.Parse(metadata["resize_side"]), interpolation == "bilinear" ? Preparation.Linear : Preparation.Cubic, IsFixedPoint: true)
            : new Preparation(size, size, Preparation.Cubic, IsFixedPoint: false);
        Tolerance = metadata["precision"] == "int8" ? 0.02 : 1e-4;
        takesPictures = metadata.GetValueOrDefault("preprocess") == "in-graph";
        takesBytes = session.InputMetadata["images"].ElementType == typeof(byte);
        outputs = [.. wanted.Where(session.OutputMetadata.ContainsKey)];
    }

    /// <summary>
    /// How far a score may be from that of an example. In eight bits a number about halfway between two may become the other one on another processor.
    /// </summary>
    public double Tolerance { get; }

    /// <summary>What the model says of an encoded image; null where the bytes are none.</summary>
    public Answer? Score(byte[] file)
    {
        var bounds = SKBitmap.DecodeBounds(file);
        using var decoded = bounds.Width == 0 ? null : SKBitmap.Decode(file, new SKImageInfo(bounds.Width, bounds.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        if (decoded is null)
        {
            return null;
        }

        var planes = takesPictures ? WithoutAlpha(decoded.GetPixelSpan()) : preparation.Planes(decoded.GetPixelSpan(), decoded.Width, decoded.Height);
        long[] shape = takesPictures ? [1, decoded.Height, decoded.Width, 3] : [1, 3, preparation.Size, preparation.Size];
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

    private static byte[] WithoutAlpha(ReadOnlySpan<byte> pixels)
    {
        var colours = new byte[pixels.Length / 4 * 3];
        for (var i = 0; i < colours.Length; i++)
        {
            colours[i] = pixels[(i / 3 * 4) + (i % 3)];
        }

        return colours;
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
/// What the model was trained with: the shorter side is resized to a length, by a filter that is widened where the image shrinks so that fine detail does not alias, and
/// the square in the centre is taken.
/// </summary>
/// <param name="Size">Rows and columns of the square.</param>
/// <param name="Side">The shorter side before the square is taken.</param>
/// <param name="Filter">Its weight by distance.</param>
/// <param name="IsFixedPoint">
/// Whether it is computed as in Pillow's Image.resize, in whole numbers with 22 binary digits behind the point and rounded after the rows and after the columns, as for networks for
/// photographs; otherwise in float with one rounding at the end.
/// </param>
internal sealed record Preparation(int Size, int Side, Preparation.Weight Filter, bool IsFixedPoint)
{
    private const int One = 1 << 22;

    /// <summary>The weight of a pixel at a distance, in pixels.</summary>
    public delegate double Weight(double distance);

    /// <summary>1 - |x|.</summary>
    public static double Linear(double distance) => Math.Max(0, 1 - Math.Abs(distance));

    /// <summary>The cubic of R. Keys with a = -1/2.</summary>
    public static double Cubic(double distance) => Math.Abs(distance) switch
    {
        < 1 and var x => (((1.5 * x) - 2.5) * x * x) + 1,
        < 2 and var x => (((((-0.5 * x) + 2.5) * x) - 4) * x) + 2,
        _ => 0,
    };

    /// <summary>From (height, width) pixels of red, green, blue and alpha to (3, Size, Size).</summary>
    public byte[] Planes(ReadOnlySpan<byte> pixels, int width, int height)
    {
        var planes = new byte[3 * Size * Size];
        var (columns, rows) = (Taps(width, Math.Min(width, height)), Taps(height, Math.Min(width, height)));
        for (var colour = 0; colour < 3; colour++)
        {
            var firstRow = rows[0].First;
            var wide = new double[rows[^1].First + rows[^1].Weights.Length - firstRow, Size];
            for (var y = 0; y < wide.GetLength(0); y++)
            {
                for (var x = 0; x < Size; x++)
                {
                    var sum = 0.0;
                    for (var i = 0; i < columns[x].Weights.Length; i++)
                    {
                        sum += columns[x].Weights[i] * pixels[((((firstRow + y) * width) + columns[x].First + i) * 4) + colour];
                    }

                    wide[y, x] = IsFixedPoint ? Rounded(sum) : sum;
                }
            }

            for (var y = 0; y < Size; y++)
            {
                for (var x = 0; x < Size; x++)
                {
                    var sum = 0.0;
                    for (var i = 0; i < rows[y].Weights.Length; i++)
                    {
                        sum += rows[y].Weights[i] * wide[rows[y].First - firstRow + i, x];
                    }

                    planes[(((colour * Size) + y) * Size) + x] = Rounded(sum);
                }
            }
        }

        return planes;
    }

    private static byte Rounded(double value) => (byte)Math.Clamp(Math.Floor(value + 0.5), 0, 255);

    // Where each of the central outputs of an axis begins to read, and with which weights. Those in fixed point are whole multiples of 1 / One, so that their sums are exact.
    private (int First, double[] Weights)[] Taps(int length, int shorter)
    {
        // For photographs the longer side is cut to a whole number and the margin rounded, for small images the other way round.
        var exact = (double)length * Side / shorter;
        var resized = IsFixedPoint ? (int)exact : (int)Math.Round(exact);
        var margin = IsFixedPoint ? (int)Math.Round((resized - Size) / 2.0) : (resized - Size) / 2;
        var scale = (double)length / resized;
        var stretch = Math.Max(scale, 1);
        return [.. Enumerable.Range(margin, Size).Select(output =>
        {
            var centre = (output + 0.5) * scale;
            var first = Math.Max(0, (int)Math.Floor(centre - (2 * stretch)));
            var end = Math.Min(length, (int)Math.Ceiling(centre + (2 * stretch)));
            double[] weights = [.. Enumerable.Range(first, end - first).Select(position => Filter((position + 0.5 - centre) / stretch))];
            var sum = weights.Sum();
            return (first, Array.ConvertAll(weights, weight => IsFixedPoint ? Math.Round(weight / sum * One, MidpointRounding.AwayFromZero) / One : weight / sum));
        })];
    }
}
