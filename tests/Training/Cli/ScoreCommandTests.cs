using System.Text.Json;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Tests.Training.Deployment;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Cli;

/// <summary>Scoring as a user types it, on a run of random weights.</summary>
public sealed class ScoreCommandTests
{
    // The numbers between 0 and 1 come from float32 logits, whose sums are in another order in batches of another size: sixteen units in the last place of 1.
    private const double Rounding = 16.0 / (1 << 24);

    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [TestCase("energy")]
    [TestCase("msp")]
    [TestCase("energy-prior")]
    public void every_image_has_the_class_and_the_score_of_an_evaluation_and_is_judged_at_the_threshold(string score)
    {
        var pictures = Pictures(300);
        using var network = SmallNetworks.Create(8, DeployedRun.ClassNames.Count);
        var images = Datasets.ReadOutOfDistribution(null, pictures, new ReadOptions(8))[0];
        var predictions = Predictions.Of(network, images);
        var scores = predictions.Main.Scores(ScoreSpec.Parse(score).OfLogits(DeployedRun.TrainingCounts));
        var threshold = scores.Average();
        var run = DeployedRun.Write(folder, "run", new ScoreThreshold(score, 0.9, threshold, 100));
        var (code, output, error) = InProcess.Run($"score {run} {pictures}");
        Assert.That((code, error), Is.EqualTo((0, "")));

        var lines = Lines(output);
        Assert.That(lines, Has.Length.EqualTo(300));
        Assert.Multiple(() =>
        {
            for (var i = 0; i < lines.Length; i++)
            {
                var logits = predictions.Auxiliary[i].ToArray();
                var label = logits.Index().MaxBy(pair => pair.Item).Index;
                var probability = Math.Exp(logits[label]) / logits.Sum(logit => Math.Exp(logit));
                Assert.That(lines[i].GetProperty("source").GetString(), Is.EqualTo(images.Source(i)));
                Assert.That(lines[i].GetProperty("class").GetString(), Is.EqualTo(DeployedRun.ClassNames[label]));
                Assert.That(lines[i].GetProperty("probability").GetDouble(), Is.EqualTo(probability).Within(1e-6));
                Assert.That(lines[i].GetProperty("score").GetDouble(), Is.EqualTo(scores[i]).Within(1e-6));
                Assert.That(lines[i].GetProperty("accepted").GetBoolean(), Is.EqualTo(lines[i].GetProperty("score").GetDouble() <= threshold));
            }
        });
        Assert.That(lines.Select(line => line.GetProperty("accepted").GetBoolean()).Distinct().Count(), Is.EqualTo(2), "the threshold divides the images");
    }

    [Test]
    public void without_a_threshold_nothing_is_accepted_or_rejected_and_the_score_is_the_methods()
    {
        var run = DeployedRun.Write(folder, "run");
        folder.Write("pictures/a.png", TestImages.Plain(8, 8, 200));
        var pictures = Path.Combine(folder.Path, "pictures");
        using var network = SmallNetworks.Create(8, DeployedRun.ClassNames.Count);
        var expected = Predictions.Of(network, Datasets.ReadOutOfDistribution(null, pictures, new ReadOptions(8))[0]).Scores(Branch.Main).Single();
        var (code, output, error) = InProcess.Run($"score {run} {pictures}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero);
            Assert.That(error, Does.Contain("has no threshold").And.Contain($"calibrate {run}"));
            Assert.That(Lines(output).Single().GetProperty("accepted").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(Lines(output).Single().GetProperty("score").GetDouble(), Is.EqualTo(expected).Within(Rounding));
        });
    }

    [TestCase(Method.Eat, "abstention-mass", Branch.Auxiliary, true)]
    [TestCase(Method.Eat, "abstention-mass", Branch.Auxiliary, false)]
    [TestCase(Method.Cocl, "outlier-probability", Branch.Main, true)]
    [TestCase(Method.Cocl, "outlier-probability", Branch.Main, false)]
    public void a_method_with_a_reading_of_its_own_is_scored_and_judged_by_it(string method, string score, Branch branch, bool calibrated)
    {
        var recipe = TinyTraining.Recipe with { Width = 4, Method = method };
        using var network = SmallNetworks.Create(recipe.Width, recipe);
        var pictures = Pictures(5);
        var expected = Predictions.Of(network, Datasets.ReadOutOfDistribution(null, pictures, new ReadOptions(8))[0]).Scores(branch);
        var middle = expected.Order().Skip(2).Take(2).ToArray();
        Assert.That(middle[1] - middle[0], Is.GreaterThan(4 * Rounding), "the pictures' scores differ enough to be divided");
        var threshold = middle.Average();
        DeployedRun.Write(folder, "run", recipe, network, calibrated ? new ScoreThreshold(score, 0.6, threshold, 5) : null);
        var (code, output, error) = InProcess.Run($"score {Path.Combine(folder.Path, "run")} {pictures}");
        Assert.That(code, Is.Zero, error);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Lines(output).Select(line => line.GetProperty("score").GetDouble()), Is.EqualTo(expected).Within(Rounding));
            Assert.That(
                Lines(output).Select(line => line.GetProperty("accepted").ToString()),
                Is.EqualTo(expected.Select(value => !calibrated ? "" : value <= threshold ? "True" : "False")));
        }
    }

    [Test]
    public void folders_archives_patterns_and_files_give_the_same_numbers_in_the_order_of_the_paths()
    {
        var run = DeployedRun.Write(folder, "run");
        byte[][] images = [.. Enumerable.Range(0, 3).Select(i => TestImages.Png(9 + i, 12, Noise(9 + i, 12, i)))];
        (string Name, byte[] Content)[] files = [("in/a.png", images[0]), ("in/b.PNG", images[1]), ("notes.txt", "x"u8.ToArray()), ("in/deep/c.png", images[2])];
        foreach (var (name, content) in files)
        {
            folder.Write("pictures/" + name, content);
        }

        var pictures = Path.Combine(folder.Path, "pictures");
        var tar = Archives.Pack(folder, "all.tar", files);
        var compressed = Archives.Pack(folder, "all.tar.gz", files);
        string[] paths =
        [
            pictures, tar, compressed, $"{tar}/in", $"{pictures}/**/*.[pP]", $"{pictures}/**/?.*", $"{pictures}/in/*/c.png", $"{pictures}/in/b.PNG",
        ];
        var (code, output, error) = InProcess.Run($"score {run} {string.Join(' ', paths)}");
        Assert.That(code, Is.EqualTo(1), error);
        string[][] expected =
        [
            ["in/a.png", "in/b.PNG", "in/deep/c.png"], ["in/a.png", "in/b.PNG", "in/deep/c.png"], ["in/a.png", "in/b.PNG", "in/deep/c.png"],
            ["in/a.png", "in/b.PNG", "in/deep/c.png"], ["*.[pP]"], ["in/a.png", "in/b.PNG", "in/deep/c.png"], ["in/deep/c.png"], ["in/b.PNG"],
        ];
        var lines = Lines(output);
        Assert.That(lines.Select(line => line.GetProperty("source").GetString()), Is.EqualTo(expected.SelectMany(names => names)).Using<string, string>(
            (source, name) => source.EndsWith(name, StringComparison.Ordinal)));
        Assert.That(lines.Count(line => line.TryGetProperty("error", out var sentence) && sentence.GetString()!.Contains("matches nothing")), Is.EqualTo(1));
        var scores = lines.Where(line => line.TryGetProperty("score", out _)).ToLookup(
            line => line.GetProperty("source").GetString()![^5..], line => line.GetProperty("score").GetDouble());
        Assert.That(scores.Select(same => same.Distinct().Count()), Is.All.EqualTo(1));
        Assert.That(scores.SelectMany(same => same).Distinct().Count(), Is.EqualTo(3));
    }

    [Test]
    public void what_cannot_be_read_is_an_error_on_its_line_and_the_others_are_scored()
    {
        var run = DeployedRun.Write(folder, "run");
        var good = TestImages.Png(20, 20, Noise(20, 20, 1));
        var names = new[]
        {
            folder.Write("good.png", good), folder.Write("cut.png", good.AsSpan(0, good.Length / 2)), folder.Write("empty.png", ""),
            folder.Write("page.jpg", "<html>not found</html>"), Path.Combine(folder.Path, "gone.png"), folder.Write("broken.tar.gz", "no archive"),
            folder.Write("notes/only.txt", "x") is var file ? Path.GetDirectoryName(file)! : "", folder.Write("last.png", good),
        };
        string[] expected = ["", "cut.png", "empty.png is empty", "page.jpg is not an image", "gone.png does not exist; expected an image", "broken.tar.gz", "holds no images", ""];
        var (code, output, _) = InProcess.Run($"score {run} {string.Join(' ', names)}");
        var lines = Lines(output);
        Assert.That((code, lines.Length), Is.EqualTo((1, names.Length)));
        Assert.Multiple(() =>
        {
            for (var i = 0; i < names.Length; i++)
            {
                Assert.That(lines[i].GetProperty("source").GetString(), Is.EqualTo(names[i]));
                Assert.That(lines[i].TryGetProperty("error", out var error) ? error.GetString() : "", expected[i].Length == 0 ? Is.Empty : Does.Contain(expected[i]));
                Assert.That(lines[i].TryGetProperty("score", out _), Is.EqualTo(expected[i].Length == 0));
            }
        });
        Assert.That(lines[0].GetProperty("score").GetDouble(), Is.EqualTo(lines[^1].GetProperty("score").GetDouble()));
    }

    [Test]
    [Platform("Linux")]
    public void without_a_reader_scoring_stops_at_the_next_write_with_the_code_of_a_broken_pipe_and_no_word()
    {
        var (run, pictures) = (DeployedRun.Write(folder, "run"), Pictures(64));
        using var program = PasclProgram.Start(PasclProgram.Folder, $"score {run} {string.Join(' ', Enumerable.Repeat(pictures, 20_000))}");
        Assert.That(program.StandardOutput.ReadLine(), Does.StartWith("{\"source\":"));
        program.StandardOutput.Close();
        Assert.That(program.WaitForExit(TimeSpan.FromSeconds(30)), "1,280,000 images would take minutes");
        Assert.That(program.StandardError.ReadToEnd(), Does.Not.Contain("   at ").And.Not.Contain("defect").And.Not.Contain("pipe"));
        Assert.That(program.ExitCode, Is.EqualTo(141));
    }

    [Test]
    public void paths_come_from_standard_input_one_per_line()
    {
        var run = DeployedRun.Write(folder, "run");
        var path = folder.Write("a name with spaces.png", TestImages.Plain(8, 8, 90));
        var input = Console.In;
        Console.SetIn(new StringReader($"{path}\n\n{path}\r\n/gone.png"));
        try
        {
            var (code, output, _) = InProcess.Run($"score {run} --stdin");
            Assert.That(code, Is.EqualTo(1));
            Assert.That(Lines(output).Select(line => line.GetProperty("source").GetString()), Is.EqualTo([path, path, "/gone.png"]));
        }
        finally
        {
            Console.SetIn(input);
        }
    }

    [TestCase("score", "RUN")]
    [TestCase("score RUN", "There is nothing to score", "--stdin")]
    [TestCase("score RUN a.png --engine cudnn", "cudnn")]
    [TestCase("score /no/such/run a.png", "/no/such/run does not exist; the folder of a run was expected")]
    public void bad_input_ends_with_exit_code_2_and_sentences(string line, params string[] expected)
    {
        var (code, output, error) = InProcess.Run(line.Replace("RUN", DeployedRun.Write(folder, "run"), StringComparison.Ordinal));
        Assert.That((code, output), Is.EqualTo((2, "")), error);
        Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.OrdinalIgnoreCase)), error);
    }

    [Test]
    public void both_engines_decide_alike_and_one_is_chosen_by_measuring_where_that_pays()
    {
        OnnxLibrary.Require();
        var run = DeployedRun.Write(folder, "run", new ScoreThreshold("energy", 0.9, -1.1, 100));
        var pictures = Pictures(70);
        var outputs = Enum.GetNames<ScoringEngine>().Select(engine => InProcess.Run($"score {run} {pictures} --engine {engine}")).ToArray();
        Assert.That(outputs, Is.All.Matches<(int Code, string Output, string Error)>(one => (one.Code, one.Error) == (0, "")), "for 70 images nothing is measured");
        var lines = outputs.Select(one => Lines(one.Output)).ToArray();
        Assert.That(lines, Has.Length.EqualTo(3));
        foreach (var other in lines[1..])
        {
            Assert.That(other.Select(Decision), Is.EqualTo(lines[0].Select(Decision)));
            Assert.That(other.Select(line => line.GetProperty("score").GetDouble()), Is.EqualTo(lines[0].Select(line => line.GetProperty("score").GetDouble())).Within(1e-5));
        }

        var input = Console.In;
        Console.SetIn(new StringReader(string.Join('\n', Directory.GetFiles(pictures).Order(StringComparer.Ordinal))));
        try
        {
            var (code, output, error) = InProcess.Run($"score {run} --stdin");
            Assert.That(code, Is.Zero, error);
            Assert.That(Lines(output).Select(Decision), Is.EqualTo(lines[0].Select(Decision)));
            Assert.That(error, Does.StartWith("Engine: ").And.Contain(" images/s, libtorch "), "how many come is not known");
        }
        finally
        {
            Console.SetIn(input);
        }

        static (string?, string?, bool) Decision(JsonElement line) => (line.GetProperty("source").GetString(), line.GetProperty("class").GetString(), line.GetProperty("accepted").GetBoolean());
    }

    [TestCase(63, false)]
    [TestCase(64, true)]
    [TestCase(0, true)]
    public void images_are_counted_without_being_read_or_asked_for_twice(int wanted, bool more)
    {
        var asked = 0;
        using var inputs = new CountedInputs(Enumerable.Range(0, more ? 70 : 60).Select(i => new ImageInput($"{asked++}", () => throw new InvalidOperationException($"{i} was read"))));
        Assert.That(inputs.Has(wanted), Is.EqualTo(more));
        Assert.That(asked, Is.EqualTo(Math.Min(wanted, more ? 70 : 60)));
        Assert.That(inputs.Select(input => input.Source), Is.EqualTo(Enumerable.Range(0, more ? 70 : 60).Select(i => $"{i}")));
    }

    [Test]
    public void a_network_that_diverged_is_no_answer()
    {
        var recipe = TinyTraining.Recipe with { Width = 4 };
        using var network = SmallNetworks.Create(recipe.Width, DeployedRun.ClassNames.Count);
        using (TorchSharp.torch.no_grad())
        {
            network.state_dict()["linear.bias"].fill_(float.NaN);
        }

        DeployedRun.Write(folder, "diverged", recipe, network, null);
        var (code, output, error) = InProcess.Run($"score {Path.Combine(folder.Path, "diverged")} {Pictures(2)}");
        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("logit of NaN"));
    }

    // Of bfloat16 the spacing at 1; of float32 the rounding of a few hundred additions.
    [TestCase(Precision.Float32, 1e-6)]
    [TestCase(Precision.BFloat16, 1.0 / 128)]
    public void a_score_depends_on_the_images_beside_it_in_the_last_digits_at_most(Precision precision, double rounding)
    {
        var run = DeployedRun.Write(folder, "run", null, precision);
        using var model = ScoringModel.Open(run, 1);
        var images = SmallNetworks.Images(70, 8, 8);
        var together = model.Score(images);
        Assert.Multiple(() =>
        {
            foreach (var size in (int[])[1, 3, 16, 64])
            {
                var parts = Enumerable.Range(0, images.Count).Chunk(size).SelectMany(part => model.Score(images.Select(part))).ToArray();
                Assert.That(parts.Select(part => part.Score), Is.EqualTo(together.Select(one => one.Score)).Within(rounding), $"batches of {size}");
                Assert.That(parts.Select(part => part.Probability), Is.EqualTo(together.Select(one => one.Probability)).Within(rounding), $"batches of {size}");
            }
        });
    }

    private static JsonElement[] Lines(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static byte[] Noise(int width, int height, int seed)
    {
        var bytes = new byte[width * height * 3];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private string Pictures(int count)
    {
        for (var i = 0; i < count; i++)
        {
            folder.Write($"pictures/{i:000}.png", TestImages.Png(8, 8, Noise(8, 8, i)));
        }

        return Path.Combine(folder.Path, "pictures");
    }
}
