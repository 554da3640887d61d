using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Tests.Training.Reporting.Comparison;

public sealed class PairedBootstrapTests
{
    private static readonly Quantity Auroc = new(Reading.Deployed, null, ComparedMetric.Auroc);
    private static readonly Quantity Accuracy = new(Reading.Deployed, null, ComparedMetric.Accuracy);

    private static readonly int[] labels = [.. Enumerable.Range(0, 300).Select(image => image % 3)];

    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void a_method_that_is_better_on_the_same_images_is_told_from_its_baseline_and_another_draw_of_it_is_not()
    {
        var better = Drawn(Compare([Run("oe-0", 0, 0, separation: 1)], [Run("pascl-0", 0, 0, separation: 2)]));
        var alike = Drawn(Compare([Run("oe-1", 1, 0, separation: 1)], [Run("pascl-1", 1, 0, separation: 1, scores: 77)]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(better.Images, Is.EqualTo(300 + 200));
            Assert.That(better.Intervals[Auroc].Low, Is.Positive);
            Assert.That(better.Intervals[Auroc].Probability, Is.EqualTo(2.0 / 401).Within(1e-12), "no replicate of 400 is at or below 0");
            Assert.That(alike.Intervals[Auroc].Low, Is.Negative);
            Assert.That(alike.Intervals[Auroc].High, Is.Positive);
            Assert.That(alike.Intervals[Auroc].Probability, Is.GreaterThan(0.05));
        }
    }

    [Test]
    public void runs_with_the_same_scores_differ_by_nothing_and_the_interval_repeats()
    {
        var comparison = Compare([Run("oe-0", 0, 0, separation: 1)], [Run("pascl-0", 0, 0, separation: 1)]);
        string[] runs = [Run("oe-1", 1, 0, separation: 1), Run("pascl-1", 1, 0, separation: 1.1)];
        var (first, second) = (Drawn(Compare(runs[..1], runs[1..])), Drawn(Compare(runs[..1], runs[1..])));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Drawn(comparison).Intervals.Values, Is.All.EqualTo(new BootstrapInterval(0, 0, 1)));
            Assert.That(first.Intervals, Is.EqualTo(second.Intervals));
        }
    }

    [Test]
    public void the_interval_of_one_seeds_accuracy_is_as_wide_as_the_discordant_images_say()
    {
        // A difference of two accuracies on n images, b right only with the one and c only with the other: variance (b + c - (b - c)^2 / n) / n^2.
        var comparison = Compare([Run("oe-0", 0, 0, separation: 1, accuracy: 0.6)], [Run("pascl-0", 0, 0, separation: 1, accuracy: 0.8, classes: 9)]);
        var (one, other) = (comparison.Methods[0].Runs[0].Images!.Test, comparison.Methods[1].Runs[0].Images!.Test);
        bool[] rightOne = [.. one.Predictions.Zip(labels, (predicted, label) => predicted == label)], rightOther = [.. other.Predictions.Zip(labels, (predicted, label) => predicted == label)];
        var (b, c, n) = (rightOne.Zip(rightOther).Count(pair => pair.Second && !pair.First), rightOne.Zip(rightOther).Count(pair => pair.First && !pair.Second), labels.Length);
        var error = Math.Sqrt(b + c - (Math.Pow(b - c, 2) / n)) / n;
        var interval = Drawn(comparison).Intervals[Accuracy];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(interval.High - interval.Low, Is.EqualTo(2 * 1.96 * error).Within(15).Percent);
            Assert.That((b - c) / (double)n, Is.InRange(interval.Low, interval.High));
        }
    }

    [Test]
    public void seeds_that_disagree_widen_the_interval()
    {
        var agree = Compare([Run("oe-0", 0, 0, 1), Run("oe-1", 1, 0, 1)], [Run("pascl-0", 0, 0, 1.5), Run("pascl-1", 1, 0, 1.5)]);
        var disagree = Compare([Run("oe-2", 2, 0, 1), Run("oe-3", 3, 0, 1)], [Run("pascl-2", 2, 0, 0.5), Run("pascl-3", 3, 0, 2.5)]);
        Assert.That(Width(disagree), Is.GreaterThan(2 * Width(agree)));

        static double Width(RunComparison comparison) => Drawn(comparison).Intervals[Auroc].High - Drawn(comparison).Intervals[Auroc].Low;
    }

    [Test]
    public void tables_and_files_have_the_intervals_with_the_numbers_of_seeds_and_images()
    {
        var comparison = Compare([Run("oe-0", 0, 0, 1)], [Run("pascl-0", 0, 0, 2)]);
        var table = ComparisonTables.Short(comparison).Single(table => table.Title.Contains("drawn again", StringComparison.Ordinal));
        var json = ComparisonJson.Write(comparison);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(table.Columns.Take(3), Is.EqualTo((string[])["method less baseline", "n seeds", "n images"]));
            Assert.That(table.Rows.Single().Take(3), Is.EqualTo((string[])["pascl - oe", "1", "500"]));
            Assert.That(table.Rows.Single()[3], Does.Match(@"^\+\d+\.\d\d \[\+\d+\.\d\d, \+\d+\.\d\d\] p 0\.005$"));
            Assert.That(json, Does.Contain("\"bootstrap\": {").And.Contain("\"probability\": "));
        }
    }

    [Test]
    public void a_run_without_scores_of_its_images_is_named_and_one_with_those_of_another_evaluation_refused()
    {
        var (oe, pascl) = (Run("oe-0", 0, 0, 1), Run("pascl-0", 0, 0, 2));
        File.Delete(RunFolder.At(oe).Evaluation.Images);
        var comparison = RunComparison.Of([ComparedRun.Read(oe), ComparedRun.Read(pascl)]);
        File.Copy(RunFolder.At(pascl).Evaluation.Images, RunFolder.At(oe).Evaluation.Images);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(comparison.Differences.Single().Bootstrap, Is.Null);
            Assert.That(comparison.Notes, Has.One.StartsWith("No bootstrap over images for ").And.Contains("oe-0").And.Not.Contains("pascl-0"));
            Assert.That(
                () => RunComparison.Of([ComparedRun.Read(oe), ComparedRun.Read(pascl)]),
                Throws.TypeOf<InputException>().With.Message.Contains("oe-0").And.Message.Contains("is of another evaluation than report.json"));
        }
    }

    [Test]
    public void the_average_of_a_group_is_drawn_again_too()
    {
        string[] runs = [Run("oe-0", 0, 0, 1), Run("pascl-0", 0, 0, 2)];
        foreach (var path in runs.Select(run => RunFolder.At(run).Report))
        {
            var report = EvaluationReport.Read(path);
            (report with { Deployed = report.Deployed with { Sets = [report.Deployed.Sets[0] with { Group = SetGroup.Far }] } }).Write(path);
        }

        var comparison = Compare(runs[..1], runs[1..]);
        var group = Auroc with { Set = comparison.Groups.Single().Name };
        Assert.That(Drawn(comparison).Intervals[group], Is.EqualTo(Drawn(comparison).Intervals[Auroc]), "it is the only set");
    }

    [Test]
    public void a_file_with_ragged_sets_is_refused()
    {
        var run = Run("oe-0", 0, 0, 1);
        var path = RunFolder.At(run).Evaluation.Images;
        var images = ImageScores.Read(path);
        (images with { Test = images.Test with { Predictions = [1] } }).Write(path);
        Assert.That(() => ComparedRun.Read(run), Throws.TypeOf<InputException>().With.Message.Contains("300 labels, 1 classes and 300 scores"));
    }

    private static RunComparison Compare(string[] baseline, string[] method) => RunComparison.Of([.. baseline.Concat(method).Select(ComparedRun.Read)]);

    private static PairedBootstrap Drawn(RunComparison comparison) => comparison.Differences.Single().Bootstrap!;

    // A run on the same images whatever the seed: the main branch is the surer of test images the larger the separation, and the auxiliary branch is right that often.
    private string Run(string name, int seed, int draw, double separation, double accuracy = 0.7, int scores = 5, int classes = 6)
    {
        var recipe = ReportedRuns.Recipe with
        {
            Seed = seed,
            Method = name.StartsWith("oe", StringComparison.Ordinal) ? Method.OutlierExposure : Method.Pascl,
            Data = ReportedRuns.Recipe.Data with { InDistribution = "/photographs" },
        };
        var (sure, right) = (new Random(scores + draw), new Random(classes));
        var folder = RunFolder.At(Path.Combine(parent.Path, name));
        Directory.CreateDirectory(folder.Root);
        folder.WriteRecipe(RecipeFile.Write(recipe));
        var (test, far) = (Evaluation.EvaluationSamples.Set("test", labels), Evaluation.EvaluationSamples.Set("far", [.. Enumerable.Repeat(ImageSet.NoClass, 200)]));
        var evaluation = Evaluator.Of(Predict, test, [far], Evaluation.EvaluationSamples.Protocol);
        evaluation.Report().Write(folder.Report);
        evaluation.Images().Write(folder.Evaluation.Images);
        return folder.Root;

        Predictions Predict(ImageSet images) => new(
            Evaluation.EvaluationSamples.Logits([.. Enumerable.Range(0, images.Count).Select(_ => (0, (float)(3 + sure.NextDouble() + sure.NextDouble() + (images == test ? separation / 3 : 0))))]),
            Evaluation.EvaluationSamples.Logits([.. Enumerable.Range(0, images.Count).Select(image => (images == test && right.NextDouble() > accuracy ? (labels[image] + 1) % 3 : Math.Max(0, images.Labels[image]), 1f))]));
    }
}
