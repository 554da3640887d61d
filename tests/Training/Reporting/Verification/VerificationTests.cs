using Pascl.Training;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Verification;

namespace Pascl.Tests.Training.Reporting.Verification;

public sealed class VerificationTests
{
    private static readonly Dictionary<string, double> run = new()
    {
        ["representation/epoch 1/total"] = 2,
        ["representation/epoch 2/total"] = 1,
        ["BatchNorm/running_mean/bn1"] = 0.1,
        ["metric/main/auroc"] = 0.8,
    };

    [Test]
    public void a_run_at_the_means_deviates_nowhere()
    {
        var verification = Verify(run);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(verification.Passed);
            Assert.That(verification.All.Select(number => number.Units), Is.All.Zero);
            Assert.That(verification.Limit, Is.EqualTo(6 * Math.Sqrt(4 / 3.0)).Within(1e-12));
            Assert.That(verification.Sentence(), Does.StartWith("4 numbers are as 3 seeds (0, 1, 2) had them"));
        }
    }

    [Test]
    public void the_first_in_the_order_of_training_is_named_with_its_standard_deviations()
    {
        // 0.2 and 0.1 of means 2 and 1: a tenth of the mean for each epoch, so that 0.9 at the mean of 1 is nine of them.
        var sentence = Verify(new Dictionary<string, double>(run) { ["representation/epoch 2/total"] = 1.9, ["metric/main/auroc"] = 0 }).Sentence();
        Assert.That(
            sentence,
            Is.EqualTo(
                "It deviates from 3 seeds (0, 1, 2), first in representation/epoch 2/total, 1.9 instead of 1, 9.0 standard deviations of 0.1; 6.9 are allowed. 2 of 4 numbers deviate."));
    }

    [Test]
    public void seeds_that_happen_to_agree_are_measured_by_others_of_their_kind()
    {
        var expected = Expected() with
        {
            Numbers = new([
                new("representation/epoch 1/total", [2, 0]), new("representation/epoch 2/total", [1, 0.1]),
                new("BatchNorm/running_mean/bn1", [0, 0]), new("BatchNorm/running_mean/bn2", [10, 4]),
            ]),
        };
        var units = Pascl.Training.Reporting.Verification.Verification.Of(
            new Dictionary<string, double>
            {
                ["representation/epoch 1/total"] = 2 + (2 * Math.Sqrt(0.005)),
                ["representation/epoch 2/total"] = 1.2,
                ["BatchNorm/running_mean/bn1"] = Math.Sqrt(8),
                ["BatchNorm/running_mean/bn2"] = 10,
            },
            expected).All.Select(number => number.Units);
        Assert.That(units, Is.EqualTo((double[])[1, 2, 1, 0]).Within(1e-12));
    }

    [Test]
    public void rounding_is_no_deviation_where_all_seeds_agree()
    {
        var expected = Expected() with { Numbers = new([new("metric/main/accuracy", [0.5, 0])]) };
        double Units(double value) =>
            Pascl.Training.Reporting.Verification.Verification.Of(new Dictionary<string, double> { ["metric/main/accuracy"] = value }, expected).All.Single().Units;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Units(0.5005), Is.EqualTo(1).Within(1e-9));
            Assert.That(Units(0.5), Is.Zero);
        }
    }

    [Test]
    public void a_number_that_is_missing_or_not_one_deviates()
    {
        var missing = Verify(run.Where(number => number.Key != "representation/epoch 2/total").ToDictionary());
        var undefined = Verify(new Dictionary<string, double>(run) { ["metric/main/auroc"] = double.NaN });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(missing.Sentence(), Does.Contain("first in representation/epoch 2/total, which the run does not have, instead of 1"));
            Assert.That(undefined.Beyond.Single().Name, Is.EqualTo("metric/main/auroc"));
        }
    }

    [Test]
    public void what_comes_with_a_preset_is_of_the_presets_recipe_and_of_no_other()
    {
        Expectations[] all = [.. Presets.All.Select(preset => Expectations.OfPreset(preset.Name)).OfType<Expectations>()];
        var quickstart = Presets.Find("quickstart").Recipe;
        var expected = Expectations.OfPreset("quickstart")!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(all, Is.Not.Empty.And.All.Matches<Expectations>(one => one.Count >= 3));
            Assert.That(expected.Differences(quickstart with { Seed = 9, Threads = 3 }), Is.Empty, "the preset was changed: measure its runs again");
            Assert.That(expected.IsOf(quickstart with { Seed = 9, Threads = 3 }));
            Assert.That(expected.IsOf(quickstart with { Width = 16 }), Is.False);
            Assert.That(expected.Differences(quickstart with { Width = 16 }), Is.EqualTo((string[])["width is 16 instead of 8"]));
            Assert.That(expected.IsOf(quickstart with { Data = quickstart.Data with { InDistribution = "photographs" } }), Is.False);
            Assert.That(Expectations.OfPreset("photos"), Is.Null);
        }
    }

    [Test]
    public void a_file_of_another_layout_or_of_something_else_is_refused([Values("{\"seeds\": [0], \"layout\": 7}", "{}", "[")] string text)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "expected.json");
        File.WriteAllText(path, text);
        Assert.That(() => Expectations.Read(path), Throws.TypeOf<InputException>().With.Message.Contains(path));
    }

    private static Pascl.Training.Reporting.Verification.Verification Verify(Dictionary<string, double> numbers) =>
        Pascl.Training.Reporting.Verification.Verification.Of(numbers, Expected());

    private static Expectations Expected() => new()
    {
        Pascl = "0",
        Seeds = [0, 1, 2],
        Recipe = default,
        Numbers = new([
            new("representation/epoch 1/total", [2, 0.2]), new("representation/epoch 2/total", [1, 0.1]), new("BatchNorm/running_mean/bn1", [0.1, 0.5]),
            new("metric/main/auroc", [0.8, 0.01]),
        ]),
    };
}
