using System.Text.Json.Nodes;
using Pascl.Tests.Training.Data.Formats;
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
    [Long]
    [Test]
    public void a_run_of_the_first_format_is_opened_and_evaluated()
    {
        var old = CopyOf("format-1");
        using (var run = Run.Open(old))
        {
            using (Assert.EnterMultipleScope())
            {
                Assert.That((run.Recipe.Format, run.Recipe.Network, run.Recipe.Precision, run.Recipe.Method), Is.EqualTo((3, "resnet18", Precision.BFloat16, Method.Cocl)));
                Assert.That(run.Recipe.Data.SplitSeed, Is.Null, "it held out by the seed of the run");
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
        Assert.That(JsonNode.Parse(continued.Info.Recipe)!["format"]!.GetValue<int>(), Is.EqualTo(RecipeFile.CurrentFormat));
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
    public void a_recipe_with_a_number_that_no_double_holds_is_refused() => Assert.That(
        () => RecipeFile.Parse(RecipeFile.Write(TinyTraining.Recipe).Replace("\"temperature\": 0.", "\"temperature\": 9e999, \"x\": 0.", StringComparison.Ordinal), "recipe.json"),
        Throws.TypeOf<InputException>().With.Message.EqualTo("recipe.json is not a recipe: It has a number that is too large. A recipe.json of a run folder was expected."));

    [Test]
    public void a_recipe_of_a_newer_format_is_refused_with_its_version()
    {
        var recipe = JsonNode.Parse(RecipeFile.Write(TinyTraining.Recipe))!;
        recipe["format"] = RecipeFile.CurrentFormat + 1;
        Assert.That(
            () => RecipeFile.Parse(recipe.ToJsonString(), "recipe.json"),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                "recipe.json has the format 4, which a newer version of Pascl wrote; this one reads up to 3. Use that version."));
    }

    [Long]
    [Test]
    public void images_that_moved_are_named_anew_and_others_are_refused()
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
            Assert.That(message, Does.Contain("trained on other classes than").And.Contain("airplane is missing").And.Contain("more"));
            const string Export = "--format onnx --without-threshold --quantise int8 --check-convolutions off";
            Assert.That(PasclProgram.Run($"export {run} {Export}").Error, Does.Contain(first), "where it looked");
            var exported = PasclProgram.Run($"export {run} {Export} --id {second} --ood noise:blobs");
            Assert.That(exported.ExitCode, Is.Zero, exported.Error);
            Assert.That(exported.Output, Does.Match(@"\nblobs +\d"));
        }

        (int Code, string Output, string Error) Evaluate(string where = "") =>
            PasclProgram.Run($"evaluate {run} --check-convolutions off {where}".TrimEnd());
    }

    [TestCaseSource(nameof(Changes))]
    public void images_that_are_not_those_of_the_training_are_refused_with_what_differs(Action<string> change, string expected)
    {
        var root = SmallRun();
        change(folder.Path);
        using var run = Run.Open(root);
        Assert.That(() => run.Images, Throws.TypeOf<InputException>().With.Message.Contains(expected));
    }

    private static IEnumerable<TestCaseData> Changes()
    {
        yield return Change(at => Directory.Move($"{at}/id/train/cat", $"{at}/id/train/zebra"), "cat is missing, zebra is new").SetArgDisplayNames("a class is renamed");
        yield return Change(at => Directory.Delete($"{at}/id/train/dog", true), "dog is missing").SetArgDisplayNames("a class is gone");
        yield return Change(
            at =>
            {
                Directory.Move($"{at}/id/train/cat", $"{at}/id/train/x");
                Directory.Move($"{at}/id/train/dog", $"{at}/id/train/cat");
                Directory.Move($"{at}/id/train/x", $"{at}/id/train/dog");
            },
            "cat had 4 and has 3, dog had 3 and has 4").SetArgDisplayNames("two classes are swapped");
        yield return Change(at => File.Move($"{at}/id/train/cat/0.png", $"{at}/id/train/cat/9.png"), "fingerprint is").SetArgDisplayNames("a file is renamed");
        yield return Change(at => File.Copy($"{at}/id/train/cat/1.png", $"{at}/id/train/cat/0.png", true), "set training are not those").SetArgDisplayNames("a training image is replaced");
        yield return Change(at => File.Copy($"{at}/id/train/cat/1.png", $"{at}/id/test/cat/0.png", true), "set test are not those").SetArgDisplayNames("a test image is replaced");
        yield return Change(at => File.Copy($"{at}/id/train/cat/1.png", $"{at}/far/0.png", true), "set far are not those").SetArgDisplayNames("an image of an OOD set is replaced");

        static TestCaseData Change(Action<string> change, string expected) => new(
            (Action<string>)(at =>
            {
                change(at);
                foreach (var test in (string[])["cat", "dog", "owl"])
                {
                    // The test part goes with the training part.
                    if (!Directory.Exists($"{at}/id/train/{test}"))
                    {
                        Directory.Delete($"{at}/id/test/{test}", true);
                    }
                }
            }),
            expected);
    }

    [Test]
    public void a_run_in_another_place_with_its_images_is_the_same_run()
    {
        var root = SmallRun();
        Directory.CreateDirectory($"{folder.Path}/there");
        Directory.Move($"{folder.Path}/id", $"{folder.Path}/there/id");
        Directory.Move($"{folder.Path}/far", $"{folder.Path}/there/far");
        var moved = new MovedImages($"{folder.Path}/there/id", OutOfDistribution: [new NamedPath("far", $"{folder.Path}/there/far")]);
        using var run = Run.Open(RunFolder.Open(root), moved);
        Assert.That(run.Images.Test.Count, Is.EqualTo(3));
    }

    [Test]
    public void sets_that_are_gone_can_be_left_out()
    {
        var root = SmallRun();
        Directory.Delete($"{folder.Path}/far", true);
        using var run = Run.Open(root);
        Assert.That(run.LeaveOutMissingSets(), Is.EqualTo((string[])[$"{folder.Path}/far"]));
        Assert.That(run.Images.OutOfDistribution, Has.Count.EqualTo(3), "noise stands in for them");
    }

    // Three classes of a few pictures of eight pixels, and no step.
    private string SmallRun()
    {
        var random = new Random(0);
        foreach (var (name, count) in (string[])["cat", "dog", "owl"] is var names ? names.Zip((int[])[4, 3, 2]) : [])
        {
            Write($"id/train/{name}", count);
            Write($"id/test/{name}", 1);
        }

        Write("far", 2);
        var recipe = TinyTraining.Recipe with
        {
            Method = Method.CrossEntropy,
            Data = new DataRecipe { InDistribution = $"{folder.Path}/id", OutOfDistribution = [new NamedPath("far", $"{folder.Path}/far")] },
            Representation = TinyTraining.Recipe.Representation with { Epochs = 0, BatchSize = 2 },
            AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0, BatchSize = 2 },
        };
        using var created = RunFolder.Create("small", $"{folder.Path}/run");
        using var trainer = new Trainer(recipe, TrainingDataReader.Read(recipe), created) { ChecksConvolutions = false };
        trainer.Run();
        return created.Root;

        void Write(string name, int count)
        {
            for (var i = 0; i < count; i++)
            {
                var pixels = new byte[8 * 8 * 3];
                random.NextBytes(pixels);
                folder.Write($"{name}/{i}.png", TestImages.Png(8, 8, pixels));
            }
        }
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
