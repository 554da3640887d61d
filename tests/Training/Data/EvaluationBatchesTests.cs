using Pascl.Training.Data;
using TorchSharp;

namespace Pascl.Tests.Training.Data;

public sealed class EvaluationBatchesTests
{
    [TestCase(1, new[] { 1, 1, 1, 1, 1 })]
    [TestCase(2, new[] { 2, 2, 1 })]
    [TestCase(9, new[] { 5 })]
    public void every_image_comes_once_in_order_unchanged(int batchSize, int[] sizes)
    {
        var pixels = new PixelBlock(5, 3, 4);
        for (var image = 0; image < 5; image++)
        {
            new Random(image).NextBytes(pixels.Writable(image));
        }

        var images = new ImageSet("five", pixels, [2, 0, ImageSet.NoClass, 1, 1], ["a", "b", "c"]);
        var (values, labels, counts) = (new List<float>(), new List<long>(), new List<int>());
        using (var scope = torch.NewDisposeScope())
        {
            foreach (var batch in EvaluationBatches.Of(images, batchSize))
            {
                Assert.That(scope.DisposablesCount, Is.Zero);
                Assert.That(batch.Images.stride(), Is.EqualTo(new long[] { 36, 1, 12, 3 }));
                Assert.That((batch.Views, batch.OutlierCount), Is.EqualTo((1, 0L)));
                using var rows = batch.Images.permute(0, 2, 3, 1);
                values.AddRange(rows.data<float>().ToArray());
                labels.AddRange(batch.Labels.data<long>().ToArray());
                counts.Add((int)batch.ClassifiedCount);
                batch.Dispose();
            }
        }

        Assert.That(counts, Is.EqualTo(sizes));
        Assert.That(labels, Is.EqualTo(new long[] { 2, 0, -1, 1, 1 }));
        var bytes = Enumerable.Range(0, 5).SelectMany(image => images.Pixels(image).ToArray());
        Assert.That(values, Is.EqualTo(bytes.Select(value => value / 255f)));
    }

    [Test]
    public void an_empty_set_has_no_batches() =>
        Assert.That(EvaluationBatches.Of(new ImageSet("none", new PixelBlock(0, 2, 2), [], []), 4), Is.Empty);
}
