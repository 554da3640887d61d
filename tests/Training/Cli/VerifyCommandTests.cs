using Pascl.Tests.Training.Evaluation;
using Pascl.Training;
using Pascl.Training.Cli;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Cli;

/// <summary><c>verify</c> as a user types it, on small trained runs.</summary>
[NonParallelizable]
public sealed class VerifyCommandTests
{
    private TemporaryFolder folder = null!;

    private string Expected => Path.Combine(folder.Path, "expected.json");

    [OneTimeSetUp]
    public void TrainAndMeasure()
    {
        folder = new TemporaryFolder();
        var seeds = string.Join(' ', Enumerable.Range(0, 3).Select(seed => Train($"seed-{seed}", seed)));
        var (code, output, error) = InProcess.Run($"verify {seeds} --write {Expected}");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain($"Written: {Expected}, ").And.Contain("numbers of 3 seeds (0, 1, 2)"));
    }

    [OneTimeTearDown]
    public void DeleteFolder() => folder.Dispose();

    // The first rank may not have written the report yet.
    [Test]
    public void a_rank_that_does_not_write_a_run_does_not_read_it_at_its_end()
    {
        var (empty, quickstart) = (Path.Combine(folder.Path, "empty"), Presets.Find("quickstart").Recipe);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => VerifyCommand.WriteOf(RunFolder.Follow(empty), quickstart), Throws.Nothing);
            Assert.That(() => VerifyCommand.WriteOf(RunFolder.At(empty), quickstart), Throws.InstanceOf<InputException>(), "the first rank does");
        }
    }

    [Test]
    public void another_seed_is_as_expected()
    {
        var (code, output, error) = InProcess.Run($"verify {Train("other", 3)} {At("seed-1")} --expected {Expected}");
        Assert.That((code, error), Is.EqualTo((0, "")), output);
        Assert.That(output.Trim().Split('\n'), Has.Length.EqualTo(2).And.All.Contains("numbers are as 3 seeds (0, 1, 2) had them; the largest deviation is "));
    }

    [Test]
    public void a_run_with_another_learning_rate_deviates_and_the_first_number_and_the_recipe_are_named()
    {
        var run = Train("fast", 4, learningRate: 0.3);
        var (code, output, error) = InProcess.Run($"verify {run} --expected {Expected}");
        Assert.That((code, error), Is.EqualTo((1, "")), output);
        Assert.That(output, Does.Contain($"{run} has another recipe: representation.optimiser.learningRate is 0.3 instead of 0.003."));
        Assert.That(output, Does.Match(@"It deviates from 3 seeds \(0, 1, 2\), first in \S+, [-\d.]+ instead of [-\d.]+, [\d.]+ standard deviations"));
    }

    [Test]
    public void one_seed_and_several_recipes_have_no_expectations()
    {
        using (Assert.EnterMultipleScope())
        {
            Refused($"verify {At("seed-0")} --write {Expected}.new", "at least two seeds");
            Refused($"verify {At("seed-0")} {At("seed-0")} --write {Expected}.new", "the same seed 0");
            Refused($"verify {At("seed-0")} {Train("long", 1, learningRate: 2e-3)} --write {Expected}.new", "several recipes", "learning-rate 0.002");
            Refused($"verify {At("seed-0")} {At("seed-1")} --write {Expected}", "exists already", "--force");
            Refused($"verify {At("seed-0")} --expected {Expected} --write {Expected}.new", "exclude each other");
            Refused($"verify {At("seed-0")} --expected {Expected} --force", "--force goes with --write");
            Assert.That(File.Exists($"{Expected}.new"), Is.False);
        }
    }

    [Test]
    public void what_is_missing_is_said()
    {
        var run = Train("unreported", 5);
        File.Delete(RunFolder.At(run).Report);
        using (Assert.EnterMultipleScope())
        {
            Refused($"verify {run} --expected {Expected}", "has no report.json", "train --resume");
            Refused($"verify {folder.Path}/nowhere --expected {Expected}", "does not exist");
            Refused($"verify {At("seed-0")} --expected {folder.Path}/nowhere.json", "nowhere.json");
            Refused($"verify {Train("own", 6, preset: "custom")}", "No expectations come with the preset custom", "--expected");
        }
    }

    [Test]
    public void runs_on_files_are_expected_to_have_the_same_images()
    {
        var path = Path.Combine(folder.Path, "photographs.json");
        string[] seeds = [OnFiles("seed-0", "a"), OnFiles("seed-1", "a")];
        var (code, _, error) = InProcess.Run($"verify {string.Join(' ', seeds)} --write {path}");
        Assert.That((code, error), Is.EqualTo((0, "")));
        var other = OnFiles("seed-2", "b");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(InProcess.Run($"verify {seeds[1]} --expected {path}").Output, Does.Not.Contain("other images"));
            Assert.That(InProcess.Run($"verify {other} --expected {path}").Output, Does.Contain($"{other} was trained or tested on other images (training): 9 training"));
            Refused($"verify {seeds[0]} {other} --write {path}.new", seeds[0], other, "other images");
        }
    }

    [Test]
    [Long]
    [Platform("Linux")]
    public void the_quickstart_is_verified_at_its_end()
    {
        var (code, output, error) = PasclProgram.Run($"train --preset quickstart --seed 11 --out {folder.Path}/quickstart");
        Assert.That(code, Is.Zero, error);
        Assert.That(output.Split('\n'), Has.One.StartsWith("Verified: "), output);
    }

    private static void Refused(string line, params string[] expected)
    {
        var (code, error) = InProcess.Refused(line);
        Assert.That(code, Is.EqualTo(2), line);
        Assert.That(expected, Is.All.Matches<string>(part => error.Contains(part, StringComparison.Ordinal)), error);
    }

    private string At(string name) => Path.Combine(folder.Path, name);

    private static DataFingerprint Images(string pixels) => new(9, 0, 4, 2, "f", 0) { Sets = [new SetFingerprint(SetFingerprint.Training, 9, pixels)] };

    // A trained run that says to be of images in files.
    private string OnFiles(string run, string pixels)
    {
        var (from, to) = (RunFolder.At(At(run)), At($"{run}-{pixels}"));
        Directory.CreateDirectory(to);
        foreach (var file in (string[])[from.Checkpoint, from.Report])
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        var recipe = RecipeFile.Read(from.Recipe);
        File.WriteAllText(RunFolder.At(to).Recipe, RecipeFile.Write(recipe with { Data = recipe.Data with { InDistribution = "photographs" } }));
        RunFolder.At(to).WriteProvenance(Provenance.Now(Images(pixels), [], null));
        return to;
    }

    // Trained for real; the report is a made-up one, which no seed changes.
    private string Train(string name, int seed, double learningRate = 3e-3, string preset = "quickstart")
    {
        var recipe = TinyTraining.Recipe with { Seed = seed, Preset = preset };
        recipe = recipe with { Representation = recipe.Representation with { Optimiser = recipe.Representation.Optimiser with { LearningRate = learningRate } } };
        var run = TinyTraining.Run(recipe, folder, name);
        run.WriteRecipe(Pascl.Training.Recipes.RecipeFile.Write(recipe));
        FourTestImages.Evaluate().Write(run.Report);
        return run.Root;
    }
}
