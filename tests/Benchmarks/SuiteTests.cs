using Pascl.Benchmarks;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Tests.Kernels;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Benchmarks;

/// <summary>A suite's setup compares everything it would time, kernels included, with double precision, and throws where something is wrong.</summary>
[SimulatesGpu]
public sealed class SuiteTests
{
    private static readonly LossWorkload Small =
        new("small", "for tests", Images: 7, TailImages: 3, Outliers: 5, Classes: 6, TailClasses: 2, Width: 8, Temperature: 0.1);

    [Test]
    public void contrastive_losses_agree()
    {
        using var suite = new ContrastiveLossBenchmarks(Devices.Get("simulator")) { Workload = Small };
        suite.Setup();
    }

    [TestCase("cifar10-lt")]
    [TestCase("cifar100-lt")]
    [TestCase("imagenet-lt")]
    public void the_authors_operations_and_ours_agree_with_the_reference_at_the_papers_sizes(string name)
    {
        using var suite = new ContrastiveLossBenchmarks(null) { Workload = LossWorkload.All.Single(workload => workload.Name == name) };
        suite.Setup();
    }

    [Test]
    public void similarities_agree()
    {
        using var suite = new SimilarityBenchmarks(Devices.Get("simulator")) { Workload = Small };
        suite.Setup();
    }

    [Test]
    public void losses_of_similarities_agree()
    {
        using var suite = new MaskedLossBenchmarks(Devices.Get("simulator")) { Workload = Small };
        suite.Setup();
    }

    [Test]
    public void losses_of_logits_agree()
    {
        using var suite = new ObjectiveBenchmarks(Devices.Get("simulator")) { Workload = Small };
        suite.Setup();
    }

    [Test]
    public void batch_norms_agree()
    {
        using var suite = new DualBatchNormBenchmarks(Devices.Get("simulator")) { Workload = new BatchNormWorkload("small", "for tests", 6, 3, 4) };
        suite.Setup();
    }

    [Test]
    public void training_steps_agree()
    {
        using var suite = new TrainingStepBenchmarks { Workload = new(16, 4) };
        suite.SetupPlain();
        var before = suite.Plain();
        Assert.That(suite.Plain(), Is.LessThan(before), "a step changes the weights");
    }

    [Test]
    public void both_ways_to_read_images_agree()
    {
        using var suite = new DataLoadingBenchmarks();
        suite.Setup();
        Assert.That(suite.AugmentedBatches(), Is.EqualTo(2 * 1024));
    }

    [Test]
    public void a_wrong_result_is_not_timed()
    {
        Assert.Multiple(() =>
        {
            Assert.That(
                () => Agreement.Require("ours", [1, 2], [1, 2.1], 1e-3),
                Throws.InvalidOperationException.With.Message.StartsWith("ours is wrong by 4"));
            Assert.That(() => Agreement.Require("ours", [1], [1, 2], 1), Throws.InvalidOperationException.With.Message.Contains("1 values"));
            Assert.That(() => Agreement.Require("ours", [float.NaN], [1], 1), Throws.InvalidOperationException);
            Assert.That(() => Agreement.Require("ours", [1, 2], [1, 2.0001], 1e-3), Throws.Nothing);
        });
    }
}
