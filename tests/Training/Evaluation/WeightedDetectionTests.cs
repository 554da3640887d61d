using CsCheck;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class WeightedDetectionTests
{
    [Test]
    public void an_image_that_counts_several_times_is_as_many_images() =>
        Gen.Select(Images(Gen.Int[0, 12]), Images(Gen.Int[0, 12]), Images(Gen.Int[0, 12])).Sample((outside, other, tail) =>
        {
            double[] inside = [.. other.Select(image => image.Score), .. tail.Select(image => image.Score)];
            var detection = new WeightedDetection(
                [.. outside.Select(image => image.Score)], inside, [.. other.Select(_ => false), .. tail.Select(_ => true)]);
            byte[] counts = [.. outside.Concat(other).Concat(tail).Select(image => image.Count)];
            var weighted = detection.Of([.. detection.Order.Select(image => counts[image])]);
            var expected = OodMetrics.Compute(Repeated(outside), Repeated([.. other, .. tail]));
            using (Assert.EnterMultipleScope())
            {
                Assert.That(weighted.Auroc, Is.EqualTo(expected.Auroc).Within(1e-12));
                Assert.That(weighted.AuprOut, Is.EqualTo(expected.AuprOut).Within(1e-12));
                Assert.That(weighted.TailAuroc, Is.EqualTo(OodMetrics.Compute(Repeated(outside), Repeated(tail)).Auroc).Within(1e-12));
                Assert.That(weighted.Fpr95, Is.EqualTo(expected.Fpr95).Within(1e-12));
            }
        });

    private static Gen<(double Score, byte Count)[]> Images(Gen<int> number) =>
        number.SelectMany(count => Gen.Select(Gen.Int[0, 6].Select(score => score / 4.0), Gen.Byte[0, 3]).Array[count]);

    private static double[] Repeated((double Score, byte Count)[] images) => [.. images.SelectMany(image => Enumerable.Repeat(image.Score, image.Count))];
}
