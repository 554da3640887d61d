using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Tests.Training.Deployment;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Cli;

/// <summary>The sample in Python, where there is one with what it needs.</summary>
[Platform("Linux")]
public sealed class PythonSampleTests
{
    private static readonly string[] pythons = [Environment.GetEnvironmentVariable("PASCL_PYTHON") ?? "python3", "/usr/bin/python3"];

    private TemporaryFolder folder = null!;

    private static string Script => Path.Combine(Repository.Root, "samples", "PythonInference", "score.py");

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    // Pillow's filters are the same bytes; the cubic in single precision may round a value about halfway to the other side.
    [TestCase("cubic", 20, 20, 0.001)]
    [TestCase("bilinear", 20, 23, 0)]
    [TestCase("bicubic", 20, 23, 0)]
    public void it_gives_a_model_the_bytes_that_pascl_gives_it(string interpolation, int size, int side, double others)
    {
        var python = PythonWith("import numpy, PIL");
        var geometry = interpolation == "cubic" ? ImageGeometry.SmallImages
            : new ImageGeometry(interpolation == "bilinear" ? Interpolation.PillowBilinear : Interpolation.PillowBicubic, side / (double)size);
        using var decoder = new ImageDecoder();
        foreach (var (width, height) in ((int, int)[])[(97, 61), (70, 151), (20, 20), (9, 13)])
        {
            var pixels = new byte[width * height * 3];
            new Random(width).NextBytes(pixels);
            var file = folder.Write($"{width}.png", TestImages.Png(width, height, pixels));
            var expected = new byte[size * size * 3];
            Assert.That(decoder.Decode(File.ReadAllBytes(file), expected, size, geometry), Is.Null);
            var (code, planes, error) = Run(python, "--planes", $"{size}", $"{side}", interpolation, file);
            Assert.That(code, Is.Zero, error);
            var differences = planes.Select((value, i) => Math.Abs(value - expected[(i % (size * size) * 3) + (i / (size * size))])).ToArray();
            Assert.That(differences, Has.Length.EqualTo(expected.Length));
            Assert.That((differences.Max(), differences.Count(difference => difference > 0)), Is.LessThanOrEqualTo((1, (int)(others * planes.Length))), $"{width} x {height}");
        }
    }

    // In one test: where Python lacks something, every variant would be one more that is left out.
    [Test]
    public void it_gives_the_scores_of_the_examples_of_every_variant_and_says_which_file_is_no_image()
    {
        var python = PythonWith("import numpy, PIL, onnxruntime");
        OnnxLibrary.Require();
        var photographs = new ImageGeometry(Interpolation.PillowBilinear, 256.0 / 224);
        foreach (var (options, geometry) in ((string, ImageGeometry?)[])[
            ("", null), (" --input float", null), (" --without-threshold", null), (" --preprocess in-graph", null), (" --quantise int8 --out MODEL", null),
            ("", photographs), (" --preprocess in-graph", photographs), (" --preprocess in-graph --quantise int8 --out MODEL", photographs)])
        {
            DeleteFolder();
            CreateFolder();
            var run = DeployedRun.OfItsImages(folder, TinyTraining.Recipe with { Width = 4 }, new ScoreThreshold("msp", 0.95, 0.4, 100), geometry);
            var model = Path.Combine(run, "model.onnx");
            Assert.That(PasclProgram.Run($"export {run} --format onnx{options.Replace("MODEL", model, StringComparison.Ordinal)}").ExitCode, Is.Zero);
            var (code, output, error) = Run(python, model, "--examples");
            Assert.That(code, Is.Zero, $"{options} {geometry}: {Encoding.UTF8.GetString(output)}{error}");
            Assert.That(Encoding.UTF8.GetString(output), Does.StartWith("10 examples: ").And.Contain("0 other decisions"), $"{options} {geometry}");
            (code, _, error) = Run(python, model, folder.Write("text.png", "no image"));
            Assert.That((code, error), Is.EqualTo((1, error)).And.Matches<(int, string)>(_ => error.Contains("text.png is no image", StringComparison.Ordinal)));
            Assert.That(Run(python).Code, Is.EqualTo(2));
        }
    }

    // What stands for ONNX Runtime says whether it was given the picture as it is.
    [Test]
    public void it_gives_a_model_that_takes_pictures_the_picture_as_it_is()
    {
        var python = PythonWith("import numpy, PIL");
        folder.Write(
            "onnxruntime.py",
            """
            import types
            import numpy as np

            class InferenceSession:
                def __init__(self, path, providers):
                    self.metadata = {"class_names": '["a", "b"]', "image_size": "8", "precision": "float32", "preprocess": "in-graph"}

                def get_modelmeta(self):
                    return types.SimpleNamespace(custom_metadata_map=self.metadata)

                def get_inputs(self):
                    return [types.SimpleNamespace(type="tensor(uint8)")]

                def get_outputs(self):
                    return [types.SimpleNamespace(name=name) for name in ("logits", "probabilities", "ood_score")]

                def run(self, outputs, given):
                    images = given["images"]
                    assert outputs == ["probabilities", "ood_score"] and images.dtype == np.uint8 and images.shape == (1, 61, 97, 3)
                    return [np.array([[0.25, 0.75]]), np.array([float(np.arange(images.size) @ images.ravel().astype(np.int64))])]
            """);
        var pixels = new byte[97 * 61 * 3];
        new Random(1).NextBytes(pixels);
        var file = folder.Write("picture.png", TestImages.Png(97, 61, pixels));
        var (code, output, error) = Start(python, [Script, "model.onnx", file], ("PYTHONPATH", folder.Path));
        Assert.That(code, Is.Zero, error);
        Assert.That(Encoding.UTF8.GetString(output), Is.EqualTo($"{file}: b (75.0%), score {pixels.Select((value, i) => (long)value * i).Sum()}.000000\n"));
    }

    private static string PythonWith(string imports)
    {
        foreach (var python in pythons)
        {
            try
            {
                if (Start(python, ["-c", imports]).Code == 0)
                {
                    return python;
                }
            }
            catch (Win32Exception)
            {
                // There is no such program.
            }
        }

        Assert.Ignore($"There is no Python here that can '{imports}', so the sample was not run; PASCL_PYTHON may name one.");
        return "";
    }

    private static (int Code, byte[] Output, string Error) Run(string python, params string[] arguments) => Start(python, [Script, .. arguments]);

    private static (int Code, byte[] Output, string Error) Start(string python, IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(python, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        return (process.ExitCode, output.ToArray(), error.Result);
    }
}
