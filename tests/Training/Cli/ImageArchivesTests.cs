using Pascl.Tests.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary>The real run in short: the ten classes, outliers, the six sets, both phases.</summary>
public sealed class ImageArchivesTests
{
    [Long]
    [Test]
    public void the_preset_trains_on_a_folder_of_archives_and_is_evaluated_on_the_six_sets([ValueSource(typeof(ImageData), nameof(ImageData.All))] ImageData images)
    {
        using var parent = new TemporaryFolder();
        var run = Path.Combine(parent.Path, "run");
        var (code, output, error) = PasclProgram.Run(
            $"train --preset cifar10-lt-cpu --data {images.Folder} --width 4 --image-size 16 --precision fp32 " +
            $"{images.SixtySteps} --threads 1 --out {run}");
        Assert.That(code, Is.Zero, output + error);

        var report = EvaluationReport.Read(Path.Combine(run, "report.json"));
        var log = RunLog.Read(Path.Combine(run, "log.jsonl"));
        Assert.Multiple(() =>
        {
            Assert.That(report.TrainingCounts, Is.EqualTo(images.TenCounts));
            Assert.That(report.TestImages, Is.EqualTo(10 * images.TenTestPerClass));
            Assert.That(
                report.Deployed.Sets.Select(set => (set.Name, set.OutOfDistributionImages)),
                Is.EquivalentTo(images.TestSets.Select(set => (set.Name, set.Count - set.InDistribution))));
            Assert.That(log.Last(line => line.Phase == "representation").Losses["total"], Is.LessThan(log[0].Losses["total"]));
            Assert.That(report.Deployed.Average!.Metrics.Auroc, Is.InRange(0.52, 0.95), "60 steps tell outliers from classes a little");
            Assert.That(report.Auxiliary.Classification.Accuracy.Overall, Is.GreaterThan(0.15), "60 steps are better than chance");
        });
    }
}
