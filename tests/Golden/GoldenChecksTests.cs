using Pascl.Training;
using Pascl.Training.Golden;

namespace Pascl.Tests.Golden;

public sealed class GoldenChecksTests
{
    [Test]
    public void losses_agree_with_the_authors_code() => AssertAllPass(LossGolden.Check(Repository.Golden), atLeast: 100);

    [Test]
    public void model_and_first_steps_agree_with_the_authors_code() => AssertAllPass(ModelGolden.Check(Repository.Golden), atLeast: 18);

    [Test]
    public void a_changed_golden_value_fails()
    {
        var folder = Directory.CreateTempSubdirectory("golden-").FullName;
        var original = File.ReadAllText(Path.Combine(Repository.Golden, LossGolden.FileName));
        File.WriteAllText(Path.Combine(folder, LossGolden.FileName), original.Replace("8.184344564295612", "8.185", StringComparison.Ordinal));
        var failed = GoldenChecks.Run(folder).Where(result => !result.Passed).ToArray();
        Directory.Delete(folder, recursive: true);
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
        var folder = Directory.CreateTempSubdirectory("golden-").FullName;
        File.WriteAllText(Path.Combine(folder, LossGolden.FileName), content);
        Assert.That(() => GoldenChecks.Run(folder).Count(), Throws.TypeOf<InputException>().With.Message.Contains(folder));
        Directory.Delete(folder, recursive: true);
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
