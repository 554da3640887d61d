using Pascl.Training;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Reporting;

public sealed class TensorBoardLogTests
{
    private string folder = "";

    [SetUp]
    public void CreateFolder() => folder = Directory.CreateTempSubdirectory("pascl-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void every_number_of_a_report_is_an_event()
    {
        var log = new TensorBoardLog(folder, []);
        log.Write(Reports.At(epoch: 2, step: 3));
        Assert.That(Events(), Is.EqualTo(new[]
        {
            ("representation/loss", 51L, 2.124f),
            ("representation/classification", 51L, 0.8125f),
            ("representation/outlier", 51L, 2.571f),
            ("representation/learning rate", 51L, 0.00098f),
            ("representation/images per second", 51L, 512.4f),
        }));
    }

    [Test]
    public void a_resumed_run_shows_every_step_once()
    {
        var killed = new TensorBoardLog(folder, []);
        Reports.First(5).ToList().ForEach(killed.Write);

        var resumed = new TensorBoardLog(folder, Reports.First(3));
        Reports.First(6).Skip(3).ToList().ForEach(resumed.Write);

        Assert.That(
            Events().Where(scalar => scalar.Tag == "representation/loss").Select(scalar => scalar.Step),
            Is.EqualTo([1, 2, 3, 4, 5, 6]));
    }

    [Test]
    public void other_files_of_the_folder_stay()
    {
        File.WriteAllText(Path.Combine(folder, "recipe.json"), "{}");
        _ = new TensorBoardLog(folder, []);
        _ = new TensorBoardLog(folder, []);
        Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(2).And.Contains(Path.Combine(folder, "recipe.json")));
    }

    [Test]
    public void a_place_that_cannot_be_written_is_named()
    {
        var file = Path.Combine(folder, "file");
        File.WriteAllText(file, "");
        Assert.That(() => new TensorBoardLog(file, []), Throws.TypeOf<InputException>().With.Message.Contains(file));
    }

    private List<(string Tag, long Step, float Value)> Events() =>
        EventFile.Read(Directory.GetFiles(folder, "events.out.tfevents.*").Single());
}
