using Pascl.Training;
using Pascl.Training.Golden;

namespace Pascl.Tests.Golden;

public sealed class MetricGoldenTests
{
    [Test]
    public void metrics_agree_with_the_authors_code()
    {
        var results = MetricGolden.Check(Repository.Golden).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(results, Has.Count.GreaterThan(255));
            Assert.That(results.Where(result => !result.Passed), Is.Empty);
        });
    }

    [Test]
    public void a_folder_without_the_file_has_nothing_to_compare()
    {
        using var folder = new TemporaryFolder();
        Assert.That(MetricGolden.Check(folder.Path), Is.Empty);
    }

    [TestCase("{ \"ood\": [ { \"name\": \"x\" } ], \"accuracy\": [] }")]
    [TestCase("{ \"ood\": 3 }")]
    [TestCase("{ \"ood\": [], \"accuracy\": [], \"profiles\": { \"10x0.1\": [] } }")]
    [TestCase("{ \"ood\": [], \"accuracy\": [], \"profiles\": { \"x\": [] } }")]
    [TestCase("not json")]
    public void a_damaged_file_is_named(string content)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "metrics.json");
        File.WriteAllText(path, content);
        Assert.That(() => MetricGolden.Check(folder.Path).ToList(), Throws.TypeOf<InputException>().With.Message.Contains(path));
    }
}
