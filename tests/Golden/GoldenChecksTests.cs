using Pascl.Training;
using Pascl.Training.Golden;

namespace Pascl.Tests.Golden;

public sealed class GoldenChecksTests
{
    [Test]
    public void losses_agree_with_the_authors_code() => AssertAllPass(LossGolden.Check(Repository.Golden), atLeast: 100);

    [Long]
    [Test]
    public void model_and_first_steps_agree_with_the_authors_code_in_every_precision()
    {
        var results = ModelGolden.Check(Repository.Golden).ToArray();
        AssertAllPass(results, atLeast: 36);
        var rounded = results.Where(result => result.Backend == "torch bfloat16" && result.AllowedError > 0).ToArray();
        Assert.That(rounded, Has.Length.EqualTo(7).And.All.Property(nameof(GoldenResult.Error)).GreaterThan(1e-4), "8 bits cannot be as close as float32's 24");
    }

    [Long]
    [Test]
    public void networks_for_photographs_agree_with_torchvisions() => AssertAllPass(TorchvisionGolden.Check(Repository.Golden), atLeast: 30);

    [Test]
    public void model_and_first_steps_agree_with_the_authors_code_in_float32() =>
        AssertAllPass(ModelGolden.Check(Repository.Golden).Take(11), atLeast: 11); // the twelfth begins bfloat16

    [Test]
    public void the_smallest_network_for_photographs_agrees_with_torchvisions() => AssertAllPass(TorchvisionGolden.Check(Repository.Golden).Take(10), atLeast: 10);

    [Test]
    public void a_changed_golden_value_fails()
    {
        using var folder = new TemporaryFolder();
        var original = File.ReadAllText(Path.Combine(Repository.Golden, LossGolden.FileName));
        File.WriteAllText(Path.Combine(folder.Path, LossGolden.FileName), original.Replace("8.184344564295612", "8.185", StringComparison.Ordinal));
        var failed = GoldenChecks.Run(folder.Path).Where(result => !result.Passed).ToArray();
        Assert.That(failed.Single().Case, Is.EqualTo("losses/outlier exposure/4 rows loss"));
    }

    [Test]
    public void a_folder_without_golden_files_is_an_input_error() =>
        Assert.That(() => GoldenChecks.Run(TestContext.CurrentContext.TestDirectory), Throws.TypeOf<InputException>().With.Message.Contains("losses.json"));

    [TestCase("not json")]
    [TestCase("null")]
    [TestCase("{}")]
    public void a_damaged_golden_file_is_an_input_error(string content)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, LossGolden.FileName), content);
        Assert.That(() => GoldenChecks.Run(folder.Path).Count(), Throws.TypeOf<InputException>().With.Message.Contains(folder.Path));
    }

    private static void AssertAllPass(IEnumerable<GoldenResult> results, int atLeast)
    {
        var all = results.ToArray();
        foreach (var result in all)
        {
            TestContext.Out.WriteLine($"{result.Case} ({result.Backend}): {result.Error:e1}, allowed {result.AllowedError:e0}");
        }

        Assert.Multiple(() =>
        {
            Assert.That(all, Has.Length.AtLeast(atLeast));
            Assert.That(all.Where(result => !result.Passed), Is.Empty);
        });
    }
}
