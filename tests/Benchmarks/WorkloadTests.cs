using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Training.Data;

namespace Pascl.Tests.Benchmarks;

public sealed class WorkloadTests
{
    private static readonly LossWorkload[] All = [.. LossWorkload.All];

    [TestCase("cifar10-lt", 10, 5000)]
    [TestCase("cifar100-lt", 100, 500)]
    public void the_tail_images_of_a_batch_are_the_share_that_the_long_tail_profile_gives(string name, int classes, int largest)
    {
        var workload = All.Single(workload => workload.Name == name);
        var counts = new LongTailProfile(LongTailShape.Exponential, 0.01).Counts(classes, largest);
        var tail = new TailClasses(counts, 0.4);
        var share = counts.Where((_, label) => tail.Flags[label]).Sum() / (double)counts.Sum();
        Assert.Multiple(() =>
        {
            Assert.That(workload.Classes, Is.EqualTo(classes));
            Assert.That(workload.IsTailClass, Is.EqualTo(tail.Flags));
            Assert.That(workload.TailImages, Is.EqualTo((int)Math.Round(share * workload.Images)));
        });
    }

    [TestCaseSource(nameof(All))]
    public void labels_hold_as_many_tail_images_as_the_workload_says(LossWorkload workload)
    {
        var labels = workload.Labels();
        Assert.Multiple(() =>
        {
            Assert.That(labels, Has.Length.EqualTo(workload.Images));
            Assert.That(labels.Count(label => workload.IsTailClass[label]), Is.EqualTo(workload.TailImages));
        });
    }

    [Test]
    public void names_are_unique_and_only_the_largest_batch_is_too_much_for_torch()
    {
        string[] names = [.. All.Select(workload => workload.Name), .. BatchNormWorkload.All.Select(workload => workload.Name)];
        Assert.Multiple(() =>
        {
            Assert.That(names, Is.Unique);
            Assert.That(All.Where(Skips.NeedsTooMuchMemory).Select(workload => workload.Name), Is.EqualTo((string[])["large-32k"]));
        });
    }
}
