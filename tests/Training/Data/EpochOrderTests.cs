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
}
