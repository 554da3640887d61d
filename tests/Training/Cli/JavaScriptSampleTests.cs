using System.ComponentModel;
using System.Diagnostics;
using Pascl.Tests.Training.Deployment;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Cli;

/// <summary>The sample in JavaScript, where there is a Node with what it needs.</summary>
[Platform("Linux")]
public sealed class JavaScriptSampleTests
{
    private TemporaryFolder folder = null!;

    private static string Sample => Path.Combine(Repository.Root, "samples", "JavaScriptInference");

    [OneTimeSetUp]
    public void RequireNode()
    {
        OnnxLibrary.Require();
        try
        {
            if (Start("--input-type=module", "-e", "await import('onnxruntime-node'); await import('sharp')").Code == 0)
            {
                return;
            }
        }
        catch (Win32Exception)
        {
            // There is no such program.
        }

        Assert.Ignore("There is no Node here with onnxruntime-node and sharp, so the sample was not run; install Node 20 or newer and run `npm install` in samples/JavaScriptInference.");
    }

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    // In one test each: where Node lacks something, every case would be one more that is left out.
    [Test]
    public void it_gives_the_scores_of_the_examples_for_every_variant_of_a_model()
    {
        foreach (var options in (string[])
            ["", " --input float", " --without-threshold", " --quantise int8 --out MODEL", " --preprocess in-graph", " --preprocess in-graph --quantise int8 --out MODEL"])
        {
            Assert.That(Examples(ImageGeometry.SmallImages, options), Does.StartWith("10 examples: ").And.Contain("0 other decisions"), options);
        }
    }

    [Test]
    public void it_resizes_for_photographs_too()
    {
        foreach (var interpolation in (Interpolation[])[Interpolation.PillowBilinear, Interpolation.PillowBicubic])
        {
            Examples(new ImageGeometry(interpolation, 256.0 / 224), "");
            Examples(new ImageGeometry(interpolation, 256.0 / 224), " --preprocess in-graph");
        }
    }

    [Test]
    public void it_says_what_it_needs_and_which_file_is_no_image()
    {
        var (code, _, error) = Start("score.js");
        Assert.That((code, error), Is.EqualTo((2, "Usage: node score.js MODEL IMAGE... or node score.js MODEL --examples\n")));
        (code, _, error) = Start("score.js", Export(ImageGeometry.SmallImages, ""), folder.Write("text.png", "no image"), "/no/such/image.png");
        Assert.That((code, error), Is.EqualTo((1, error)).And.Matches<(int, string)>(_ => error.Contains("text.png is no image: ") && error.Contains("image.png is no image: ENOENT")));
    }

    private string Examples(ImageGeometry geometry, string options)
    {
        DeleteFolder();
        CreateFolder();
        var (code, output, error) = Start("score.js", Export(geometry, options), "--examples");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(Largest(output), Is.LessThan(1e-5), "the same bytes");
        return output;
    }

    private static double Largest(string output) => double.Parse(output.Split("largest difference of a score ")[1].Split(',')[0]);

    private static (int Code, string Output, string Error) Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("node", arguments) { WorkingDirectory = Sample, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private string Export(ImageGeometry geometry, string options)
    {
        var run = DeployedRun.OfItsImages(folder, TinyTraining.Recipe with { Width = 4 }, new ScoreThreshold("msp", 0.95, 0.4, 100), geometry);
        var model = Path.Combine(run, "model.onnx");
        var (code, _, error) = PasclProgram.Run($"export {run} --format onnx{options.Replace("MODEL", model, StringComparison.Ordinal)}");
        Assert.That(code, Is.Zero, error);
        return model;
    }
}
