using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class HoldOutTests
{
    private static readonly int[] labels = [.. Enumerable.Repeat(0, 100), .. Enumerable.Repeat(1, 25), .. Enumerable.Repeat(2, 3), 3];

    [Test]
    public void every_class_gives_its_share_and_keeps_at_least_one_image()
    {
        var (training, heldOut) = HoldOut.Split(Sets.WithLabels(labels, 4), 0.9, 1);
        int[] kept = [10, 3, 1, 1], held = [90, 22, 2, 0];
        Assert.That(training.CountPerClass(), Is.EqualTo(kept));
        Assert.That(heldOut.CountPerClass(), Is.EqualTo(held));
    }

    [Test]
    public void every_image_is_in_one_of_the_two_and_in_its_old_order()
    {
        var (training, heldOut) = HoldOut.Split(Sets.WithLabels(labels, 4), 0.3, 1);
        Assert.That(Images(training), Is.Ordered);
        Assert.That(Images(heldOut), Is.Ordered);
        Assert.That(Images(training).Concat(Images(heldOut)).Order(), Is.EqualTo(Enumerable.Range(0, labels.Length)));
    }

    [Test]
    public void the_seed_decides_which()
    {
        var set = Sets.WithLabels(labels, 4);
        var (first, again, other) = (HoldOut.Split(set, 0.3, 7).HeldOut, HoldOut.Split(set, 0.3, 7).HeldOut, HoldOut.Split(set, 0.3, 8).HeldOut);
        Assert.That(Images(again), Is.EqualTo(Images(first)));
        Assert.That(Images(other), Is.Not.EqualTo(Images(first)));
    }

    [Test]
    public void nothing_is_held_out_for_a_fraction_of_zero() =>
        Assert.That(HoldOut.Split(Sets.WithLabels(labels, 4), 0, 1).HeldOut.Count, Is.Zero);

    [TestCase(1)]
    [TestCase(-0.1)]
    [TestCase(double.NaN)]
    [TestCase(0.001)]
    public void a_fraction_that_makes_no_sense_is_refused(double fraction) =>
        Assert.That(() => HoldOut.Split(Sets.WithLabels(labels, 4), fraction, 1), Throws.TypeOf<InputException>());

    private static int[] Images(ImageSet set) => [.. Enumerable.Range(0, set.Count).Select(i => (int)set.Pixels(i)[0])];
}
