using Pascl.Training.Data;
using Pascl.Training.Methods;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

public sealed class ClassAnnulusTests
{
    private static readonly VirtualOutlierRecipe usual = new() { InUse = true, Kind = VirtualOutlierKind.Both };

    // R = 0.6, d = 4: s = 0.64 / sqrt(4.4896) = 0.302048; from 0.6 - 2 s = -0.004096 to 0.6 - s = 0.297952, in the middle 0.146928. The direction is (0, 0, 3, 4) / 5.
    [Test]
    public void a_point_of_the_annulus_is_as_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        double[,] mean = { { 0.6, 0, 0, 0 } };
        double[,] normal = { { 7, 0, 3, 4 } };
        var point = ClassAnnulus.At(tensor(mean), tensor((double[])[0.5]), tensor(normal), near: 1, far: 2);
        Assert.That(point.data<double>().ToArray(), Is.EqualTo((double[])[0.1469277, 0, 0.5934883, 0.7913177]).Within(1e-6));
    }

    // The density of the cosine of a von Mises-Fisher distribution is (1 - t^2)^((d - 3) / 2) exp(kappa t), summed here over a million points.
    [TestCase(3, 0.8, 0.05)]
    [TestCase(128, 0.3, 0.005)]
    [TestCase(128, 0.9, 0.005)]
    public void the_width_is_that_of_the_distribution_of_the_cosine(int width, double length, double tolerance)
    {
        var kappa = length * (width - (length * length)) / (1 - (length * length));
        const int points = 1_000_000;
        double Log(double t) => ((width - 3) / 2.0 * Math.Log(1 - (t * t))) + (kappa * t);
        double[] places = [.. Enumerable.Range(0, points).Select(i => (((2 * i) + 1.0) / points) - 1)];
        var highest = places.Max(Log);
        double[] weights = [.. places.Select(t => Math.Exp(Log(t) - highest))];
        var total = weights.Sum();
        var mean = places.Zip(weights, (t, weight) => t * weight).Sum() / total;
        var deviation = Math.Sqrt(places.Zip(weights, (t, weight) => (t - mean) * (t - mean) * weight).Sum() / total);

        using var scope = NewDisposeScope();
        var means = zeros(1, width, dtype: ScalarType.Float64);
        means[0, 0] = length;
        var cosine = ClassAnnulus.At(means, ones(1, dtype: ScalarType.Float64), ones(1, width, dtype: ScalarType.Float64), near: 1, far: 2)[0, 0].item<double>();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(mean, Is.EqualTo(length).Within(tolerance * length), "Banerjee's kappa");
            Assert.That(length - cosine, Is.EqualTo(deviation).Within(2 * tolerance * deviation));
        }
    }

    [Test]
    public void virtual_outliers_are_unit_rows_within_the_annulus_of_the_tail_classes_in_turns()
    {
        using var scope = NewDisposeScope();
        var means = zeros(3, 8);
        var batch = BaselineFixture.Batch([0, 1, 2], outliers: 0, views: 2, new BatchPosition(0, 0, 9));
        var (first, second) = (nn.functional.normalize(randn(3, 8, generator: new Generator(1))), nn.functional.normalize(randn(3, 8, generator: new Generator(2))));
        var drawn = new ClassAnnulus(means, [false, true, true], usual, count: 6, seed: 3).Draw(cat([first, second]), batch);
        var lengths = means.norm(1).data<float>().ToArray();
        var cosines = drawn.mm(nn.functional.normalize(means).t());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(means.allclose(0.5 * (first + second)), "the first batch that has a class is its mean");
            Assert.That(drawn.norm(1).data<float>().ToArray(), Has.Length.EqualTo(6).And.All.EqualTo(1).Within(1e-5));
            for (var row = 0; row < 6; row++)
            {
                var label = 1 + (row % 2);
                var squared = lengths[label] * lengths[label];
                var deviation = (1 - squared) / Math.Sqrt((8 * (1 + squared)) - (3 * squared) + (squared * squared));
                Assert.That(
                    cosines[row, label].item<float>(),
                    Is.InRange(Math.Max(-1, lengths[label] - (4 * deviation)) - 1e-5, lengths[label] - (2 * deviation) + 1e-5));
            }
        }
    }

    [Test]
    public void the_mean_of_a_class_follows_its_batches_and_stays_without_one()
    {
        using var scope = NewDisposeScope();
        var means = zeros(3, 2);
        var annulus = new ClassAnnulus(means, [false, false, true], usual, count: 2, seed: 3);
        Batch Of(int label, int step) => BaselineFixture.Batch([label], outliers: 0, views: 2, new BatchPosition(0, step, 9));
        float[,] right = { { 1, 0 }, { 1, 0 } };
        float[,] up = { { 0, 1 }, { 0, 1 } };
        var without = annulus.Draw(tensor(right), Of(0, 0));
        annulus.Draw(tensor(right), Of(2, 1));
        var same = annulus.Draw(tensor(up), Of(2, 2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(without.shape, Is.EqualTo((long[])[0, 2]), "no image of a tail class yet");
            Assert.That(same.shape, Is.EqualTo((long[])[2, 2]));
            Assert.That(means.data<float>().ToArray(), Is.EqualTo((float[])[1, 0, 0, 0, 0.9f, 0.1f]).Within(1e-6));
        }
    }

    // As after a resumption: the means are the network's, and a second object goes on from them.
    [Test]
    public void what_goes_on_from_the_means_draws_the_same()
    {
        using var scope = NewDisposeScope();
        var batches = Enumerable.Range(0, 3).Select(step => BaselineFixture.Batch([2, 0], outliers: 0, views: 2, new BatchPosition(0, step, 9))).ToArray();
        var projections = Enumerable.Range(0, 3).Select(step => nn.functional.normalize(randn(4, 8, generator: new Generator((ulong)step)))).ToArray();
        var whole = zeros(3, 8);
        var annulus = new ClassAnnulus(whole, [false, true, true], usual, count: 3, seed: 3);
        float[][] drawn = [.. Enumerable.Range(0, 3).Select(step => annulus.Draw(projections[step], batches[step]).data<float>().ToArray())];

        var stopped = zeros(3, 8);
        new ClassAnnulus(stopped, [false, true, true], usual, count: 3, seed: 3).Draw(projections[0], batches[0]);
        var resumed = new ClassAnnulus(stopped, [false, true, true], usual, count: 3, seed: 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(resumed.Draw(projections[1], batches[1]).data<float>().ToArray(), Is.EqualTo(drawn[1]));
            Assert.That(resumed.Draw(projections[2], batches[2]).data<float>().ToArray(), Is.EqualTo(drawn[2]));
            Assert.That(drawn[1], Is.Not.EqualTo(drawn[2]));
        }
    }

    // A mean of length 1 (a class of one image whose views are the same) has an annulus without width, on the mean itself.
    [Test]
    public void a_class_without_spread_gives_finite_points()
    {
        using var scope = NewDisposeScope();
        double[,] mean = { { 0, 1, 0 }, { 0, 0, 0 } };
        double[,] normal = { { 1, 0, 0 }, { 0, 0, 2 } };
        var points = ClassAnnulus.At(tensor(mean), tensor((double[])[0.5, 0.5]), tensor(normal), near: 2, far: 4);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(points.data<double>().ToArray().Select(double.IsFinite), Is.All.True);
            Assert.That(points[0].data<double>().ToArray(), Is.EqualTo((double[])[0, 1, 0]).Within(1e-9));
        }
    }
}
