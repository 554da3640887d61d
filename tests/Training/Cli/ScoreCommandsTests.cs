using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Cli;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary><c>evaluate --scores</c> and <c>calibrate</c> as a user types them, on runs whose network has its first weights.</summary>
[Platform("Linux")]
public sealed class ScoreCommandsTests
{
    private TemporaryFolder folder = null!;

    [OneTimeSetUp]
    public void MakeRuns()
    {
        folder = new TemporaryFolder();
        Run("plain", 0);
        Run("validated", 0.2);
        Run("energy", 0, Method.EnergyOutlierExposure);
    }

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    private string Plain => Path.Combine(folder.Path, "plain");

    private string Validated => Path.Combine(folder.Path, "validated");

    [Long]
    [Test]
    public void all_scores_are_compared_on_the_sets_of_the_run()
    {
        var output = Succeed($"evaluate {Plain} --scores all");
        var report = ScoreReport.Read(Path.Combine(Plain, "scores.json"));
        var ordinary = EvaluationReport.Read(Path.Combine(Plain, "report.json")).Main;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Scores.Select(score => score.Name), Is.EqualTo(ScoreSpec.All.Select(score => score.Name)));
            Assert.That(report.Scores, Has.All.Matches<ScoreResult>(score => score.Sets.Select(set => set.Name).SequenceEqual(["near", "far"])));
            Assert.That(report.Scores, Has.All.Matches<ScoreResult>(score => score.Average!.Auroc is >= 0 and <= 1));
            Assert.That(report.Scores[0].Sets.Select(set => set.Metrics), Is.EqualTo(ordinary.Sets.Select(set => set.Result.Metrics)), "the report's score");
            Assert.That(report.Scores[0].Tail, Is.EqualTo(ordinary.Average!.Groups.Tail), "and the report's tail");
            Assert.That(report.Scores[0].Sets.Select(set => set.OutOfDistributionImages), Is.All.EqualTo(600));
            Assert.That(report.Conventions, Contains.Key("metrics.auroc").And.ContainKey("symbols"));
            Assert.That(output, Does.Contain("AUROC of each score").And.Contain("AUPR of each score").And.Contain("FPR95 of each score").And.Contain("average, tail"));
            Assert.That(output, Does.Match($"knn +{Percent(report, "knn", 0)} +{Percent(report, "knn", 1)} "));
        }
    }

    [Long]
    [Test]
    public void chosen_scores_on_noise_go_where_the_report_goes_and_repeat_bit_for_bit()
    {
        var (first, second) = (Path.Combine(folder.Path, "noise.json"), Directory.CreateDirectory(Path.Combine(folder.Path, "again")).FullName);
        const string sets = "--ood noise:gaussian --ood snow=noise:rademacher --ood noise:blobs --scores odin:epsilon=0.01,knn:k=1,energy";
        Succeed($"evaluate {Validated} {sets} --out {first}");
        Succeed($"evaluate {Validated} {sets} --out {second}");
        var scores = Path.Combine(folder.Path, "noise-scores.json");
        var report = ScoreReport.Read(scores);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllText(Path.Combine(second, "scores.json")), Is.EqualTo(File.ReadAllText(scores)));
            Assert.That(File.ReadAllText(Path.Combine(second, "report.json")), Is.EqualTo(File.ReadAllText(first)));
            Assert.That(report.Scores.Select(score => score.Name), Is.EqualTo((string[])["odin:epsilon=0.01", "knn:k=1", "energy"]));
            Assert.That(report.Scores[0].Constants, Is.EqualTo(new Dictionary<string, string> { ["temperature"] = "default", ["epsilon"] = "given" }));
            Assert.That(report.Scores.Select(score => score.FittedTo), Is.EqualTo((ScoreFit?[])[ScoreFit.Nothing, ScoreFit.TrainingImages, ScoreFit.Nothing]));
            Assert.That(report.Data!.Sets.Select(set => set.Set), Is.EqualTo((string[])["training", "validation", "test", "outliers", "gaussian", "snow", "blobs"]));
            Assert.That(EvaluationReport.Read(first).Data!.Sets, Is.EqualTo(report.Data.Sets).And.All.Matches<SetFingerprint>(set => set.Images > 0 && set.Pixels.Length == 16));
            Assert.That(File.ReadAllText(Path.Combine(folder.Path, "noise.html")), Does.Contain("Scores of the main branch").And.Contain("odin:epsilon=0.01"));
            Assert.That(report.Scores[0].Sets.Select(set => set.Name), Is.EqualTo((string[])["gaussian", "snow", "blobs"]));
            Assert.That(File.Exists(Path.Combine(Validated, "report.json")), Is.False, "other sets are not the run's report");
            Assert.That(File.Exists(Path.Combine(Validated, "scores.json")), Is.False);
        }
    }

    [Test]
    public void the_threshold_is_chosen_on_held_out_images_and_stored_beside_unchanged_tensors()
    {
        using var run = RunFolder.Open(Validated);
        var (tensors, before) = (TinyTraining.Tensors(run), Info(run));
        var output = Succeed($"calibrate {Validated} --tpr 0.9 --score energy:temperature=2");
        var after = Info(run);
        var data = TrainingDataReader.Read(RecipeFile.Parse(after.Recipe, run.Checkpoint), withOutliers: false);
        double[] scores = Scores(run, data.Validation!, "energy:temperature=2");
        var expected = AcceptanceThreshold.Of(scores, 0.9);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(after.Threshold, Is.EqualTo(new ScoreThreshold("energy:temperature=2", 0.9, after.Threshold!.Value, data.Validation!.Count, Precision.Float32)));
            Assert.That(after.Threshold.Value, Is.EqualTo(expected).Within(1e-5));
            Assert.That(TinyTraining.Tensors(run), Is.EqualTo(tensors));
            Assert.That(
                (after.Recipe, after.History, after.Epoch, after.Step, after.Phase, after.LogLength),
                Is.EqualTo((before.Recipe, before.History, before.Epoch, before.Step, before.Phase, before.LogLength)));
            Assert.That(output, Does.Contain($"{data.Validation.Count} training images that the run held out").And.Not.Contain("Warning"));
            Assert.That(output, Does.Match(@"these images +accepted +\d+ +9\d\.\d\d").And.Match(@"test images +accepted +600 +\d"));
            Assert.That(output, Does.Match(@"near +rejected +600 +\d").And.Match(@"far +rejected +600 +\d"));
            var table = run.ReadThreshold(after.Threshold)!;
            Assert.That((table.Score, table.Threshold, table.Images), Is.EqualTo((after.Threshold.Score, after.Threshold.Value, after.Threshold.Images)));
            Assert.That(table.Rows.Select(row => row.Set), Is.EqualTo((string[])["these images", "test images", "near", "far"]));
            Assert.That(table.Rows[0].Accepted, Is.EqualTo(scores.Count(score => score <= table.Threshold) / (double)scores.Length).Within(1e-9));
            Assert.That(File.ReadAllText(run.Evaluation.Page), Does.Contain("What the threshold does"));
            Assert.That(Directory.GetFiles(Validated, "*.unfinished"), Is.Empty);
        }

        Succeed($"calibrate {Validated}");
        Assert.That(Info(run).Threshold, Is.EqualTo(new ScoreThreshold("msp", 0.95, Info(run).Threshold!.Value, data.Validation!.Count, Precision.Float32)));
    }

    [Test]
    public void the_runs_report_has_the_table_of_its_threshold_as_long_as_there_is_one()
    {
        Run("reported", 0);
        using var run = RunFolder.Open(Path.Combine(folder.Path, "reported"));
        Succeed($"evaluate {run.Root}");
        var before = File.ReadAllText(run.Report);
        Assert.That(EvaluationReport.Read(run.Report).Threshold, Is.Null);

        Succeed($"calibrate {run.Root}");
        var calibrated = File.ReadAllText(run.Report);
        var table = EvaluationReport.Read(run.Report).Threshold!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table with { Rows = [] }, Is.EqualTo(run.ReadThreshold(Info(run).Threshold)! with { Rows = [] }));
            Assert.That(table.Rows, Is.EqualTo(run.ReadThreshold(Info(run).Threshold)!.Rows));
            Assert.That(WithoutThreshold(calibrated), Is.EqualTo(WithoutThreshold(before)), "calibrate changes nothing else");
        }

        Succeed($"evaluate {run.Root}");
        Assert.That(File.ReadAllText(run.Report), Is.EqualTo(calibrated), "an evaluation takes it from the folder");

        Checkpoint.Store(run.Checkpoint, Info(run).Threshold! with { Score = "energy" });
        var (_, output, error) = PasclProgram.Run($"evaluate {run.Root}");
        Assert.That(error, Does.Contain("Note: the threshold is not in the report.").And.Contain("on energy. Write it anew: calibrate RUN."), output);
        Assert.That(File.ReadAllText(run.Report), Is.EqualTo(before));

        File.WriteAllText(run.Report, "{}");
        (var code, output, error) = PasclProgram.Run($"calibrate {run.Root}");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(error, Does.Contain("Note: the threshold is not in the run's report.").And.Contain("report.json is not an evaluation report"));
        Assert.That(File.ReadAllText(run.Report), Is.EqualTo("{}"), "what cannot be read is left as it is");
    }

    [Test]
    public void the_score_is_the_methods_own_unless_another_is_named()
    {
        using var run = RunFolder.Open(Path.Combine(folder.Path, "energy"));
        Assert.That(Succeed($"calibrate {run.Root}"), Does.Contain("its energy score is at most"));
        Assert.That(Info(run).Threshold!.Score, Is.EqualTo("energy"));
        Assert.That(File.ReadAllText(run.Evaluation.Page), Does.Contain("its energy score is at most"), "the page says it, too");
        Succeed($"calibrate {run.Root} --score max-logit");
        Assert.That(Info(run).Threshold!.Score, Is.EqualTo("max-logit"));
    }

    [Test]
    public void without_held_out_images_the_test_set_is_named_and_warned_about()
    {
        var output = Succeed($"calibrate {Plain} --tpr 1");
        using var run = RunFolder.Open(Plain);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.Contain("600 images of the run's TEST SET").And.Contain("Warning:").And.Contain("--validation 0.1"));
            Assert.That(output, Does.Match(@"these images +accepted +600 +100\.00 +99\.39 to 100\.00 +100\.00 +100\.00 +100\.00").And.Not.Match("test images +600"));
            Assert.That(Info(run).Threshold!.Images, Is.EqualTo(600));
        }
    }

    [Long]
    [Test]
    public void other_images_may_have_the_classes_of_the_run_or_none()
    {
        string[] names = [.. TinyTraining.Data.Test.ClassNames];
        WriteImages("with-classes", [.. names.Select(name => $"{name}/image.png")]);
        WriteImages("without", ["a.png", "b.png", "c.png"]);
        WriteImages("other-classes", ["cat/a.png", "dog/b.png"]);
        Assert.That(Succeed($"calibrate {Plain} --id {Path.Combine(folder.Path, "with-classes")}"), Does.Match(@"these images +accepted +10 +100\.00"));
        var output = Succeed($"calibrate {Plain} --id {Path.Combine(folder.Path, "without")}");
        Assert.That(output, Does.Match(@"these images +accepted +3 +100\.00 .* +- +- +-").And.Match("test images +accepted +600"));
        Expect($"calibrate {Plain} --id {Path.Combine(folder.Path, "other-classes")}", "has the classes cat, dog", names[0]);
    }

    [TestCase("evaluate RUN --scores mps", "no score 'mps'", "msp, max-logit")]
    [TestCase("evaluate RUN --scores msp,", "no score ''")]
    [TestCase("evaluate RUN --scores knn:k=0", "k of the score knn is '0'", "at least 1")]
    [TestCase("evaluate RUN --scores knn:k=1.5", "whole number")]
    [TestCase("evaluate RUN --scores odin:epsilon=-1", "epsilon", "at least 0")]
    [TestCase("evaluate RUN --ood noise:pink", "no built-in set 'noise:pink'", "noise:gaussian")]
    [TestCase("evaluate no-such-run --scores all", "no-such-run", "does not exist")]
    [TestCase("calibrate no-such-run", "no-such-run", "does not exist")]
    [TestCase("calibrate EMPTY", "not the folder of a run", "checkpoint.safetensors")]
    [TestCase("calibrate RUN --tpr 0", "--tpr is 0", "above 0 and at most 1")]
    [TestCase("calibrate RUN --tpr 95", "--tpr is 95", "such as 0.95")]
    [TestCase("calibrate RUN --tpr NaN", "--tpr is NaN")]
    [TestCase("calibrate RUN --tpr most", "most")]
    [TestCase("calibrate RUN --score mahalanobis", "more than an image's logits", "msp, max-logit")]
    [TestCase("calibrate RUN --score nothing", "no score 'nothing'")]
    [TestCase("calibrate RUN --id no-such-images", "no-such-images")]
    [TestCase("calibrate", "RUN")]
    public void bad_input_ends_with_exit_code_2_and_sentences(string line, params string[] expected)
    {
        var empty = Directory.CreateDirectory(Path.Combine(folder.Path, "empty")).FullName;
        var before = File.ReadAllBytes(Path.Combine(Plain, "checkpoint.safetensors"));
        Expect(line.Replace(" RUN", $" {Plain}", StringComparison.Ordinal).Replace("EMPTY", empty, StringComparison.Ordinal), expected);
        Assert.That(File.ReadAllBytes(Path.Combine(Plain, "checkpoint.safetensors")), Is.EqualTo(before));
    }

    [Test]
    public void a_run_that_is_being_trained_is_not_calibrated()
    {
        using var training = RunFolder.Resume(Plain);
        Expect($"calibrate {Plain}", "in use");
    }

    [Test]
    public void the_page_on_scores_has_a_row_for_every_score_with_its_parameters()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "scores.md"));
        using (Assert.EnterMultipleScope())
        {
            foreach (var kind in ScoreSpec.All)
            {
                var row = Regex.Match(page, $@"^\| `{Regex.Escape(kind.Name)}` \|.*$", RegexOptions.Multiline).Value;
                Assert.That(row, Is.Not.Empty, kind.Name);
                Assert.That(kind.Parameters, Has.All.Matches<ScoreParameter>(parameter => row.Contains(
                    string.Create(CultureInfo.InvariantCulture, $"{parameter.Name} {parameter.Default}"), StringComparison.Ordinal)), row);
            }
        }
    }

    private void Run(string name, double validation, string method = Method.Pascl)
    {
        var tiny = MethodDefinition.Find(method).Apply(TinyTraining.Recipe);
        var recipe = tiny with
        {
            Data = tiny.Data with { ValidationFraction = validation },
            Representation = tiny.Representation with { Epochs = 0 },
            AuxiliaryBranch = tiny.AuxiliaryBranch with { Epochs = 0 },
        };
        using var run = RunFolder.Create(recipe.Preset, Path.Combine(folder.Path, name));
        using var trainer = new Trainer(recipe, TrainingDataReader.Read(recipe), run);
        run.WriteRecipe(RecipeFile.Write(trainer.Recipe));
        trainer.Run();
    }

    private void WriteImages(string name, string[] paths)
    {
        foreach (var (index, path) in paths.Index())
        {
            folder.Write(Path.Combine(name, path), Data.Formats.TestImages.Plain(8, 8, (byte)(20 * index)));
        }
    }

    private static double[] Scores(RunFolder run, ImageSet images, string score)
    {
        var info = Info(run);
        using var model = new DualBranchResNet(ResNetDepth.ResNet18, info.ClassNames.Count, width: 2);
        using (var checkpoint = Checkpoint.Open(run.Checkpoint))
        {
            checkpoint.LoadInto(model);
        }

        return Predictions.Of(model, images).Main.Scores(ScoreSpec.Parse(score).OfLogits(info.TrainingCounts));
    }

    private static CheckpointInfo Info(RunFolder run)
    {
        using var checkpoint = Checkpoint.Open(run.Checkpoint);
        return checkpoint.Info;
    }

    private static string WithoutThreshold(string report)
    {
        var json = JsonNode.Parse(report)!.AsObject();
        json.Remove("threshold");
        return json.ToJsonString();
    }

    private static string Percent(ScoreReport report, string score, int set) =>
        Regex.Escape(ReportTable.Percentage(report.Scores.Single(result => result.Name == score).Sets[set].Metrics.Auroc));

    private static string Succeed(string line)
    {
        var (code, output, error) = PasclProgram.Run(line, ("OMP_NUM_THREADS", "1"));
        Assert.That(code, Is.Zero, output + error);
        return output;
    }

    private static void Expect(string line, params string[] expected)
    {
        var console = Console.Error;
        using var error = new StringWriter();
        Console.SetError(error);
        try
        {
            Assert.That(PasclCommand.Run(line.Split(' ')), Is.EqualTo(2));
        }
        finally
        {
            Console.SetError(console);
        }

        var text = error.ToString();
        Assert.That(text, Does.Not.Contain("   at "));
        Assert.That(expected, Is.All.Matches<string>(part => text.Contains(part, StringComparison.Ordinal)), text);
    }
}
