using Pascl.Training;
using Pascl.Training.Cli;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using static Pascl.Tests.Training.Evaluation.FourTestImages;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>Near, far and covariate-shifted sets in an evaluation.</summary>
public sealed class SetGroupsTests
{
    private static readonly ImageSet near = EvaluationSamples.Set("near", ImageSet.NoClass).In(SetGroup.Near);
    private static readonly ImageSet nearer = EvaluationSamples.Set("nearer", ImageSet.NoClass).In(SetGroup.Near);
    private static readonly ImageSet shifted = EvaluationSamples.Set("sketches", 0, 1, 2).In(SetGroup.Shift);

    // Surer than all test images, less sure than all of them, and of three shifted images two unsure ones and one that is wrong.
    private static readonly Dictionary<string, Predictions> said = new()
    {
        ["test"] = OfTest,
        ["far"] = OfFar,
        ["near"] = Both((0, 100)),
        ["nearer"] = Both((0, 0.5f)),
        ["sketches"] = Both((0, 0.1f), (1, 0.2f), (1, 10)),
    };

    [Test]
    public void each_group_has_the_mean_over_its_sets_and_shifted_sets_are_not_out_of_distribution()
    {
        var main = Report(Far.In(SetGroup.Far), near, shifted, nearer).Main;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(main.Sets.Select(set => set.Name), Is.EqualTo((string[])["far", "near", "nearer"]));
            Assert.That(main.Groups.Select(group => group.Group), Is.EqualTo(new[] { SetGroup.Near, SetGroup.Far }));
            Assert.That(main.Groups[0].Sets, Is.EqualTo((string[])["near", "nearer"]));
            Assert.That(main.Groups[0].Result.Metrics.Auroc, Is.EqualTo(0.5), "0 and 1");
            Assert.That(main.Groups[1].Result.Metrics, Is.EqualTo(main.Sets[0].Result.Metrics));
            Assert.That(main.Average!.Metrics.Auroc, Is.EqualTo(main.Sets.Average(set => set.Result.Metrics.Auroc)).Within(1e-15));
        }
    }

    [Test]
    public void the_full_spectrum_counts_shifted_images_with_the_test_images()
    {
        var main = Report(near, shifted, nearer).Main;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(main.FullSpectrum!.Sets.Select(set => set.InDistributionImages), Is.All.EqualTo(7));
            Assert.That(main.FullSpectrum.Sets.Select(set => set.Metrics.Auroc), Is.EqualTo(new[] { 0, 5.0 / 7 }).Within(1e-15), "two shifted images are less sure");
            Assert.That(main.FullSpectrum.Groups.Single().Metrics.Auroc, Is.EqualTo(2.5 / 7).Within(1e-15));
            Assert.That(main.ShiftedSets.Single().Classification.Accuracy.Overall, Is.EqualTo(2.0 / 3).Within(1e-15));
            Assert.That(main.FullSpectrumAccuracy, Is.EqualTo(((4 * main.Classification.Accuracy.Overall) + 2) / 7).Within(1e-15));
        }
    }

    [Test]
    public void without_groups_and_shifted_sets_there_are_no_such_numbers()
    {
        var main = Report(Far).Main;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(main.Groups, Is.Empty);
            Assert.That(main.ShiftedSets, Is.Empty);
            Assert.That(main.FullSpectrum, Is.Null);
            Assert.That(main.FullSpectrumAccuracy, Is.NaN);
        }
    }

    [Test]
    public void a_shifted_set_whose_images_have_no_class_is_refused() => Assert.That(
        () => Report(EvaluationSamples.Set("sketches", 0, ImageSet.NoClass).In(SetGroup.Shift)),
        Throws.TypeOf<InputException>().With.Message.Contains("sketches[1] in the covariate-shifted set sketches has no class").And.Message.Contains("near or far"));

    [Test]
    public void a_report_with_groups_reads_back()
    {
        using var folder = new TemporaryFolder();
        var (path, report) = (Path.Combine(folder.Path, "report.json"), Report(near, shifted, nearer, Far.In(SetGroup.Far)));
        report.Write(path);
        var read = EvaluationReport.Read(path);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read.Deployed.Groups.Select(group => group.Result.Metrics), Is.EqualTo(report.Deployed.Groups.Select(group => group.Result.Metrics)));
            Assert.That(read.Deployed.FullSpectrum!.Average, Is.EqualTo(report.Deployed.FullSpectrum!.Average));
            Assert.That(read.Deployed.Sets[0].Group, Is.EqualTo(SetGroup.Near));
        }
    }

    [Test]
    public void openoods_table_has_its_columns_the_sets_by_group_and_their_means()
    {
        var files = OpenOodCsv.Files("/out/ood.csv", Report(Far.In(SetGroup.Far), near, shifted, nearer), null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(files.Select(file => file.Path), Is.EqualTo((string[])["/out/ood.csv", "/out/ood-fsood.csv"]));
            Assert.That(Column(files[0].Text, 0), Is.EqualTo((string[])["dataset", "near", "nearer", "nearood", "far", "farood"]));
            Assert.That(files[0].Text, Does.StartWith("dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC\nnear,100.00,0.00,"));
            Assert.That(Column(files[0].Text, 2)[1..4], Is.EqualTo((string[])["0.00", "100.00", "50.00"]));
            Assert.That(Column(files[0].Text, 5)[1..], Is.All.EqualTo("75.00"), "accuracy of the deployed class");
            Assert.That(Column(files[1].Text, 2)[1..4], Is.EqualTo((string[])["0.00", "71.43", "35.71"]));
            Assert.That(Column(files[1].Text, 5)[1..], Is.All.EqualTo("71.43"));
        }
    }

    [Test]
    public void sets_without_a_group_end_in_the_mean_over_all()
    {
        var text = OpenOodCsv.Files("ood.csv", Report(Far, near), null).Single().Text;
        Assert.That(Column(text, 0), Is.EqualTo((string[])["dataset", "near", "nearood", "far", "mean"]));
    }

    [TestCase("near:c100=/data/c100", "c100", "/data/c100", SetGroup.Near)]
    [TestCase("far:/data/c100", null, "/data/c100", SetGroup.Far)]
    [TestCase("shift:v2=/data/v2", "v2", "/data/v2", SetGroup.Shift)]
    [TestCase("far:noise:gaussian", null, "noise:gaussian", SetGroup.Far)]
    [TestCase("far:snow=noise:gaussian", "snow", "noise:gaussian", SetGroup.Far)]
    [TestCase("nearest:c100=/data/c100", "nearest:c100", "/data/c100", null)]
    public void a_group_stands_before_the_name(string text, string? name, string path, SetGroup? group)
    {
        var set = RecipeOptions.ParseNamedPath(text);
        Assert.That(set, Is.EqualTo(new NamedPath(name, path) { Group = group }));
        Assert.That(RecipeNames.Text(set), Is.EqualTo(text));
    }

    [Test]
    public void a_group_without_a_set_is_refused() =>
        Assert.That(() => RecipeOptions.ParseNamedPath("near:"), Throws.TypeOf<InputException>().With.Message.Contains("names a group and no set"));

    [Test]
    public void a_recipe_keeps_groups_and_is_as_before_without_them()
    {
        var plain = Presets.Custom with { Data = new DataRecipe { OutOfDistribution = [new NamedPath("far", "/far")] } };
        var grouped = plain with { Data = plain.Data with { OutOfDistribution = [new NamedPath("far", "/far") { Group = SetGroup.Far }] } };
        Assert.That(RecipeFile.Write(plain), Does.Not.Contain("group"));
        Assert.That(RecipeFile.Parse(RecipeFile.Write(grouped), "recipe.json").Data.OutOfDistribution, Is.EqualTo(grouped.Data.OutOfDistribution));
    }

    private static EvaluationReport Report(params ImageSet[] sets) => Evaluator.Evaluate(images => said[images.Name], Test, sets, EvaluationSamples.Protocol);

    private static Predictions Both(params (int Top, float Sureness)[] rows) => new(EvaluationSamples.Logits(rows), EvaluationSamples.Logits(rows));

    private static string[] Column(string text, int column) => [.. text.TrimEnd('\n').Split('\n').Select(line => line.Split(',')[column])];
}
