using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class EpochOrderTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(1023)]
    public void every_image_is_visited_once(int count) =>
        Assert.That(EpochOrder.Permutation(count, 1, 2, 3).Order(), Is.EqualTo(Enumerable.Range(0, count)));

    [Test]
    public void an_order_never_changes_between_versions_or_machines() =>
        Assert.That(string.Join(' ', EpochOrder.Permutation(10, 42, 3, 0)), Is.EqualTo("0 5 7 2 3 1 8 4 6 9"));

    [Test]
    public void seed_epoch_and_stream_give_different_orders()
    {
        (ulong Seed, int Epoch, int Stream)[] uses = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)];
        Assert.That(uses.Select(use => string.Join(' ', EpochOrder.Permutation(50, use.Seed, use.Epoch, use.Stream))), Is.Unique);
    }

    [Test]
    public void all_orders_of_four_images_are_equally_frequent()
    {
        const int Draws = 24_000;
        var counts = Enumerable.Range(0, Draws).CountBy(epoch => string.Join(' ', EpochOrder.Permutation(4, 5, epoch, 0))).ToDictionary();

        // Chi-square with 23 degrees of freedom exceeds 49.7 with probability 0.001.
        Assert.That(counts, Has.Count.EqualTo(24));
        Assert.That(counts.Values.Sum(count => Math.Pow(count - 1000.0, 2) / 1000.0), Is.LessThan(49.7));
    }

    [TestCase(ClassSampling.ClassBalanced, 0, new[] { 1 / 3.0, 1 / 3.0, 1 / 3.0 })]
    [TestCase(ClassSampling.SquareRoot, 0, new[] { 10 / 15.0, 4 / 15.0, 1 / 15.0 })]
    [TestCase(ClassSampling.ProgressivelyBalanced, 0, new[] { 100 / 117.0, 16 / 117.0, 1 / 117.0 })]
    [TestCase(ClassSampling.ProgressivelyBalanced, 2, new[] { 0.5 * ((100 / 117.0) + (1 / 3.0)), 0.5 * ((16 / 117.0) + (1 / 3.0)), 0.5 * ((1 / 117.0) + (1 / 3.0)) })]
    [TestCase(ClassSampling.ProgressivelyBalanced, 4, new[] { 1 / 3.0, 1 / 3.0, 1 / 3.0 })]
    public void classes_are_sampled_by_their_equation(ClassSampling sampling, int epoch, double[] expected)
    {
        const int Seeds = 400;
        var drawn = Enumerable.Range(1, Seeds).SelectMany(seed => EpochOrder.Of(LongTailed, Plan(sampling, (ulong)seed), epoch)).CountBy(image => LongTailed.Labels[image]).ToDictionary();
        var all = Seeds * LongTailed.Count;

        // Of so many draws the share of a class is within four standard deviations.
        Assert.That(drawn.Values.Sum(), Is.EqualTo(all));
        for (var label = 0; label < expected.Length; label++)
        {
            Assert.That(drawn.GetValueOrDefault(label) / (double)all, Is.EqualTo(expected[label]).Within(4 * Math.Sqrt(expected[label] * (1 - expected[label]) / all)), $"class {label}");
        }
    }

    [Test]
    public void within_a_class_no_image_comes_again_before_all_others_have()
    {
        var counts = EpochOrder.Of(LongTailed, Plan(ClassSampling.ClassBalanced, 3), 0).CountBy(image => image).ToDictionary();
        foreach (var images in Enumerable.Range(0, LongTailed.Count).GroupBy(image => LongTailed.Labels[image]))
        {
            var ofClass = images.Select(image => counts.GetValueOrDefault(image)).ToArray();
            Assert.That(ofClass.Max() - ofClass.Min(), Is.AtMost(1));
        }
    }

    [Test]
    public void uniform_sampling_is_the_permutation() => Assert.That(
        EpochOrder.Of(LongTailed, Plan(ClassSampling.Uniform, 7), 1), Is.EqualTo(EpochOrder.Permutation(LongTailed.Count, 7, 1, RandomStream.TrainingOrder)));

    [Test]
    public void an_order_depends_on_seed_and_epoch_alone()
    {
        var plan = Plan(ClassSampling.SquareRoot, 7);
        Assert.That(EpochOrder.Of(LongTailed, plan, 1), Is.EqualTo(EpochOrder.Of(LongTailed, plan with { Workers = 3 }, 1)).And.Not.EqualTo(EpochOrder.Of(LongTailed, plan, 2)));
    }

    private static ImageSet LongTailed { get; } = new(
        "long tail", new PixelBlock(117, 1, 1), [.. Enumerable.Repeat(0, 100), .. Enumerable.Repeat(1, 16), 2], ["many", "medium", "one"]);

    private static BatchPlan Plan(ClassSampling sampling, ulong seed) => new() { BatchSize = 8, Seed = seed, Sampling = sampling, Epochs = 5 };
}
