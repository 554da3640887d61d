using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Cli;

/// <summary>The real run in short: CIFAR10-LT, real outliers, the six sets, both phases.</summary>
public sealed class RealImagesTests
{
    private static readonly int[] PublishedCounts = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50];
    private static readonly string[] SixSets = ["svhn", "texture", "cifar100", "tin", "places365", "lsun_substitute"];

    [Test]
    public void cifar10_lt_trains_on_its_real_images_and_is_evaluated_on_the_six_sets()
    {
        using var parent = new TemporaryFolder();
        var run = Path.Combine(parent.Path, "run");
        var (code, output, error) = PasclProgram.Run(
            $"train --preset cifar10-lt-cpu --data {Repository.Data} --width 4 --image-size 16 --precision fp32 --epochs 3 --batch 128 " +
            $"--outlier-batch 128 --max-outliers 2560 --finetune-epochs 1 --finetune-batch 512 --threads 1 --out {run}");
        Assert.That(code, Is.Zero, output + error);

        var report = EvaluationReport.Read(Path.Combine(run, "report.json"));
        var log = RunLog.Read(Path.Combine(run, "log.jsonl"));
        Assert.Multiple(() =>
        {
            Assert.That(report.TrainingCounts, Is.EqualTo(PublishedCounts));
            Assert.That(report.TestImages, Is.EqualTo(10_000));
            Assert.That(report.Deployed.Sets.Select(set => set.Name), Is.EquivalentTo(SixSets));
            Assert.That(report.Deployed.Sets.Single(set => set.Name == "tin").OutOfDistributionImages, Is.EqualTo(2000));
            Assert.That(log.Last(line => line.Phase == "representation").Losses["total"], Is.LessThan(log[0].Losses["total"]));
            Assert.That(report.Deployed.Average!.Metrics.Auroc, Is.InRange(0.52, 0.95), "60 steps tell outliers from classes a little");
            Assert.That(report.Auxiliary.Classification.Accuracy.Overall, Is.GreaterThan(0.15), "60 steps are better than chance");
        });
    }
}
