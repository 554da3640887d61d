using Pascl.Training.Data;
using Pascl.Training.Methods;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

public sealed class TailCutMixTests
{
    private const int Side = 8;

    // Class 0 is the head, 1 is neither, 2 the tail.
    private readonly TailCutMix mixing = new([false, false, true], [true, false, false], seed: 3);

    [Test]
    public void a_box_has_the_sides_and_the_place_computed_by_hand()
    {
        var box = CutMixBox.Around(centreX: 10, centreY: 20, height: 32, width: 32, staying: 0.36);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(box, Is.EqualTo(new CutMixBox(Left: 0, Top: 8, Right: 22, Bottom: 32)));
            Assert.That(box.Pixels, Is.EqualTo(528));
        }
    }

    [TestCase(1.0, 0)]
    [TestCase(0.0, 16 * 24)]
    public void a_box_may_be_empty_and_never_leaves_the_image(double staying, int pixels) =>
        Assert.That(CutMixBox.Around(centreX: 0, centreY: 12, height: 24, width: 32, staying).Pixels, Is.EqualTo(pixels));

    [Test]
    public void the_share_that_stays_is_nearly_uniform()
    {
        var random = new RandomSequence(1, 0, 0, RandomStream.BoxOnHead);
        double[] shares = [.. Enumerable.Range(0, 10_000).Select(_ => CutMixBox.StayingShare(ref random)).Order()];

        // Kolmogorov-Smirnov: 1.63 / sqrt(n) is exceeded once in a hundred seeds.
        Assert.That(shares.Select((share, i) => Math.Abs(share - (i / 10_000.0))).Max(), Is.LessThan(0.0163));
    }

    // Rows: view 1 of classes 0 2 0 0 2 0, their view 2, then 7 outliers. T = 2, H = 4, q = 2.
    [Test]
    public void rows_are_tail_images_on_head_images_of_both_views_and_on_outliers()
    {
        using var scope = NewDisposeScope();
        var batch = Numbered([0, 2, 0, 0, 2, 0], outliers: 7);
        var mixed = mixing.Append(batch);
        var (before, after) = (Rows(batch.Images), Rows(mixed.Images));
        (int Foreground, int Background)[] expected =
        [
            (1, 0), (4, 2), (1, 3), (4, 5), (7, 6), (10, 8), (7, 9), (10, 11),
            (1, 12), (4, 13), (1, 14), (4, 15), (1, 16), (4, 17),
        ];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(mixed.MixedLabels!.data<long>().ToArray(), Is.EqualTo(Enumerable.Repeat(2L, expected.Length)));
            Assert.That(mixed.OutlierCount, Is.EqualTo(7));
            Assert.That(after.Take(before.Length), Is.EqualTo(before), "the batch itself");
            Assert.That(
                after.Skip(before.Length).Select(row => row.Distinct().Order()),
                Is.EqualTo(expected.Select(pair => new float[] { pair.Foreground, pair.Background }.Order())));
            Assert.That(mixed.Images.permute(0, 2, 3, 1).is_contiguous(), "stored channels last");
        }
    }

    [Test]
    public void the_box_is_a_rectangle_of_the_foreground_in_its_own_place()
    {
        using var scope = NewDisposeScope();
        var batch = Numbered([0, 2], outliers: 0);
        var row = mixing.Append(batch).Images[4].select(0, 0); // (H, W) of the first channel
        var inside = row.eq(1);
        var (rows, columns) = (inside.any(1).sum().item<long>(), inside.any(0).sum().item<long>());
        Assert.That(inside.sum().item<long>(), Is.EqualTo(rows * columns).And.Positive.And.LessThan(Side * Side));
    }

    [TestCase(new[] { 0, 0, 1 }, 2, 0)]
    [TestCase(new[] { 2, 2, 1, 0 }, 4, 4)]
    [TestCase(new[] { 2, 2, 1, 1 }, 1, 0)]
    [TestCase(new[] { 2, 1, 0 }, 1, 3)]
    [TestCase(new[] { 2, 2 }, 2, 2)]
    public void what_has_no_rows_is_left_out(int[] classes, int outliers, int expected)
    {
        using var scope = NewDisposeScope();
        var batch = Numbered(classes, outliers);
        var mixed = mixing.Append(batch);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(mixed.Images.shape[0] - batch.Images.shape[0], Is.EqualTo(expected));
            Assert.That(mixed.MixedLabels?.shape[0] ?? 0, Is.EqualTo(expected));
        }
    }

    [Test]
    public void the_same_step_has_the_same_boxes_and_another_step_others()
    {
        using var scope = NewDisposeScope();
        float[][] Images(int step) => Rows(mixing.Append(Numbered([0, 2], 2) with { Position = new BatchPosition(1, step, 9) }).Images);
        var first = Images(4);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Images(4), Is.EqualTo(first));
            Assert.That(Images(5), Is.Not.EqualTo(first));
        }
    }

    // Every pixel of row r is r.
    private static Batch Numbered(int[] classes, int outliers)
    {
        var batch = BaselineFixture.Batch(classes, outliers, views: 2, new BatchPosition(0, 2, 9));
        var rows = batch.Images.shape[0];
        return batch with { Images = arange(rows, dtype: ScalarType.Float32).reshape(rows, 1, 1, 1).expand(rows, Side, Side, 3).contiguous().permute(0, 3, 1, 2) };
    }

    private static float[][] Rows(Tensor images) =>
        [.. Enumerable.Range(0, (int)images.shape[0]).Select(row => images[row].contiguous().data<float>().ToArray())];
}
