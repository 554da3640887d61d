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

    [Test]
    public void it_gives_the_scores_of_the_examples_and_says_which_file_is_no_image(
        [Values("", " --input float", " --without-threshold", " --preprocess in-graph", " --quantise int8 --out MODEL")] string options)
    {
        var python = PythonWith("import numpy, PIL, onnxruntime");
        OnnxLibrary.Require();
        var run = DeployedRun.OfItsImages(folder, TinyTraining.Recipe with { Width = 4 }, new ScoreThreshold("msp", 0.95, 0.4, 100));
        var model = Path.Combine(run, "model.onnx");
        Assert.That(PasclProgram.Run($"export {run} --format onnx{options.Replace("MODEL", model, StringComparison.Ordinal)}").ExitCode, Is.Zero);
        var (code, output, error) = Run(python, model, "--examples");
        Assert.That(code, Is.Zero, error);
        Assert.That(Encoding.UTF8.GetString(output), Does.StartWith("10 examples: ").And.Contain("0 other decisions"));
        (code, _, error) = Run(python, model, folder.Write("text.png", "no image"));
        Assert.That((code, error), Is.EqualTo((1, error)).And.Matches<(int, string)>(_ => error.Contains("text.png is no image", StringComparison.Ordinal)));
        Assert.That(Run(python).Code, Is.EqualTo(2));
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

    private static (int Code, byte[] Output, string Error) Start(string python, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(python, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        return (process.ExitCode, output.ToArray(), error.Result);
    }
}
