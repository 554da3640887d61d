using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary>The real run in short: CIFAR10-LT, real outliers, the six sets, both phases.</summary>
public sealed class RealImagesTests
{
    [Test]
    public void cifar10_lt_trains_on_its_real_images_and_is_evaluated_on_the_six_sets()
    {
        using var parent = new TemporaryFolder();
        var run = Path.Combine(parent.Path, "run");
        var (code, output, error) = PasclProgram.Run(
            $"train --preset cifar10-lt-cpu --data {Repository.Data} --width 4 --epochs 2 --max-outliers 2560 --finetune-epochs 1 --finetune-batch 1024 --out {run}");
        Assert.That(code, Is.Zero, output + error);

        var report = EvaluationReport.Read(Path.Combine(run, "report.json"));
        var log = RunLog.Read(Path.Combine(run, "log.jsonl"));
        Assert.Multiple(() =>
        {
            Assert.That(report.TrainingCounts, Is.EqualTo(new[] { 5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50 }));
            Assert.That(report.TestImages, Is.EqualTo(10_000));
            Assert.That(report.Deployed.Sets.Select(set => set.Name), Is.EquivalentTo(
                new[] { "svhn", "texture", "cifar100", "tin", "places365", "lsun_substitute" }));
            Assert.That(report.Deployed.Sets.Single(set => set.Name == "tin").OutOfDistributionImages, Is.EqualTo(2000));
            Assert.That(log.Last(line => line.Phase == "representation").Losses["total"], Is.LessThan(log[0].Losses["total"]));
            Assert.That(report.Deployed.Average!.Metrics.Auroc, Is.InRange(0.55, 0.95), "20 steps tell outliers from classes a little");
            Assert.That(report.Auxiliary.Classification.Accuracy.Overall, Is.GreaterThan(0.15), "20 steps are better than chance");
        });
    }
}
