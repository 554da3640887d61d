using System.Text.Json.Nodes;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training;

/// <summary>Opening a run: one of an earlier version, one whose images moved, and one whose images are others now.</summary>
[Platform("Linux")]
public sealed class RunTests
{
    private static readonly string archives = Path.Combine(AppContext.BaseDirectory, "Samples");

    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    // Written by the version of 29 November 2026, the last with format 1: cocl, width 1, bfloat16.
    [Test]
    public void a_run_of_the_first_format_is_opened_and_evaluated()
    {
        var old = CopyOf("format-1");
        using (var run = Run.Open(old))
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That((run.Recipe.Format, run.Recipe.Network, run.Recipe.Precision, run.Recipe.Method), Is.EqualTo((2, "resnet18", Precision.BFloat16, Method.Cocl)));
                Assert.That(run.Info.Data, Is.Null);
                Assert.That(run.Recipe.Baselines.Cocl.OutlierWeight, Is.EqualTo(0.05));
                Assert.That(run.Images.Test.Count, Is.EqualTo(600));
            }
        }

        var (code, output, error) = PasclProgram.Run($"evaluate {old} --check-convolutions off");
        Assert.That(code, Is.Zero, output + error);
        Assert.That(output, Does.Contain("outlier-probability").And.Contain("AUROC"));
    }

    [Test]
    public void a_run_of_the_first_format_is_continued()
    {
        var old = CopyOf("format-1");
        using var locked = RunFolder.Resume(old);
        using var run = Run.Open(locked);
        using var trainer = new Trainer(run.Recipe, TrainingDataReader.Read(run.Recipe), locked) { ChecksConvolutions = false };
        trainer.Resume(run);
        trainer.Run();
        using var continued = Checkpoint.Open(locked.Checkpoint);
        Assert.That(JsonNode.Parse(continued.Info.Recipe)!["format"]!.GetValue<int>(), Is.EqualTo(2));
        Assert.That(continued.Info.Data, Is.Not.Null);
    }

    [Test]
    public void drawn_images_are_nowhere_else()
    {
        var moved = new MovedImages(InDistribution: "photos");
        Assert.That(
            () => moved.Apply(TinyTraining.Recipe), Throws.TypeOf<InputException>().With.Message.Contains("built-in images").And.Message.Contains("not in photos"));
    }

    // Written with the run above: the threshold's value has the name that it had.
    [Test]
    public void a_threshold_of_the_first_version_is_read()
    {
        using var checkpoint = Checkpoint.Open(Path.Combine(archives, "format-1", "checkpoint.safetensors"));
        var threshold = checkpoint.Info.Threshold!;
        Assert.That((threshold.Score, threshold.TruePositiveRate, threshold.Images), Is.EqualTo(("outlier-probability", 0.95, 600)));
        Assert.That(threshold.Value, Is.GreaterThan(0).And.LessThan(1));
    }

    [Test]
    public void a_recipe_of_a_newer_format_is_refused_with_its_version()
    {
        var recipe = JsonNode.Parse(RecipeFile.Write(TinyTraining.Recipe))!;
        recipe["format"] = 3;
        Assert.That(
            () => RecipeFile.Parse(recipe.ToJsonString(), "recipe.json"),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                "recipe.json has the format 3, which a newer version of Pascl wrote; this one reads up to 2. Use that version."));
    }

    [Test]
    public void images_that_moved_are_named_anew_and_others_are_refused_with_both_fingerprints()
    {
        var first = Path.Combine(folder.Path, "here.tar.gz");
        var second = Path.Combine(folder.Path, "there.tar.gz");
        var run = Path.Combine(folder.Path, "run");
        File.Copy(Path.Combine(archives, "cifar10-lt-jpeg.tar.gz"), first);
        var (code, output, error) = PasclProgram.Run(
            $"train --id {first} --ood noise:gaussian --method ce --width 1 --image-size 8 --epochs 0 --finetune-epochs 0 --batch 8 --finetune-batch 8 "
            + $"--precision fp32 --threads 1 --check-convolutions off --out {run}");
        Assert.That(code, Is.Zero, output + error);
        File.Move(first, second);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Evaluate().Error, Does.Contain(first), "where it looked");
            Assert.That(Evaluate($"--id {second}").Code, Is.Zero);
            var (refused, _, message) = Evaluate($"--id {Path.Combine(archives, "tin100-lt-jpeg.tar.gz")}");
            Assert.That(refused, Is.EqualTo(2));
            Assert.That(message, Does.Contain("trained on other images: its fingerprint is")
                .And.Contain("242 training, 0 held-out and 100 test images of 10 classes, files ").And.Contain("is 96 training, 0 held-out and 20 test images"));
        }

        (int Code, string Output, string Error) Evaluate(string where = "") =>
            PasclProgram.Run($"evaluate {run} --check-convolutions off {where}".TrimEnd());
    }

    private string CopyOf(string sample)
    {
        var copy = Directory.CreateDirectory(Path.Combine(folder.Path, sample)).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(archives, sample)))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        return copy;
    }
}
