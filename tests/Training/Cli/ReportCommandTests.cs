using Pascl.Tests.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary><c>report</c> as a user types it.</summary>
public sealed class ReportCommandTests
{
    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void the_page_is_made_again_without_libtorch()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        var (code, output, error) = PasclProgram.Run($"report {folder.Root}", ("LIBTORCH_PATH", "/nowhere"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(output.Trim(), Is.EqualTo($"Written: {folder.Evaluation.Page}"));
            Assert.That(File.ReadAllText(folder.Evaluation.Page), Does.StartWith("<!DOCTYPE html>").And.Contain("Most wrong images").And.Contain("what they are taken for"));
        });
    }

    [Test]
    public void a_model_card_has_the_numbers_in_markdown()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        var (code, output, error) = InProcess.Run($"report {folder.Root} --format markdown");
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output.Trim(), Is.EqualTo($"Written: {folder.ModelCard}"));
        var card = File.ReadAllText(folder.ModelCard);
        Assert.That(card, Does.StartWith("# run\n").And.Contain("## How well it does").And.Contain("| OOD set | images | AUROC ↑ |").And.Contain("## Limits").And.Contain("`method` | pascl"));
    }

    [Test]
    public void what_is_missing_is_printed()
    {
        var folder = PageSamples.Write(parent, "run", 5);
        File.Delete(folder.Log);
        var (code, output, _) = InProcess.Run($"report {folder.Root}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero);
            Assert.That(output, Does.Contain("There is no log.jsonl").And.Contain("There is no report.json").And.Contain("Written: "));
        });
    }

    [TestCase("nowhere", "does not exist")]
    [TestCase("", "has no recipe.json")]
    public void what_is_no_run_is_refused_and_nothing_is_written(string name, string sentence)
    {
        var path = Path.Combine(parent.Path, name);
        var (code, _, error) = InProcess.Run($"report {path}");
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain(path).And.Contain(sentence));
            Assert.That(Directory.GetFileSystemEntries(parent.Path), Is.Empty);
        });
    }
}
