using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>What figures are drawn from.</summary>
public sealed class DetectionFiguresTests
{
    [Test]
    public void thinned_curves_are_points_of_the_whole_and_lose_almost_no_area()
    {
        var random = new Random(1);
        var curve = RocCurve.From(Normal(random, 4000, 1), Normal(random, 6000, 0));
        var thinned = DetectionCurves.Of("a", curve);
        var all = curve.Points.ToArray();
        var rates = all.Select(point => (curve.FalsePositiveRate(point), curve.TruePositiveRate(point))).ToHashSet();
        var precisions = all.Skip(1)
            .Select(point => (curve.TruePositiveRate(point), point.TruePositives / (double)(point.TruePositives + point.FalsePositives))).ToHashSet();
        Assert.Multiple(() =>
        {
            Assert.That(thinned.FalsePositiveRate, Has.Length.InRange(150, DetectionCurves.MostPoints));
            Assert.That(thinned.Recall, Has.Length.EqualTo(DetectionCurves.MostPoints));
            Assert.That(thinned.FalsePositiveRate.Zip(thinned.TruePositiveRate), Is.SubsetOf(rates));
            Assert.That(thinned.Recall.Zip(thinned.Precision), Is.SubsetOf(precisions));
            Assert.That((thinned.FalsePositiveRate[0], thinned.TruePositiveRate[0]), Is.EqualTo((0.0, 0.0)));
            Assert.That((thinned.FalsePositiveRate[^1], thinned.TruePositiveRate[^1], thinned.Recall[^1]), Is.EqualTo((1.0, 1.0, 1.0)));
            Assert.That(Area(thinned.FalsePositiveRate, thinned.TruePositiveRate), Is.EqualTo(curve.Area()).Within(1e-4));
            Assert.That(thinned.Recall, Is.Ordered);
        });
    }

    [Test]
    public void small_and_tied_curves_keep_every_point()
    {
        var tied = DetectionCurves.Of("tied", RocCurve.From([0.5], [0.5, 0.5]));
        var three = DetectionCurves.Of("three", RocCurve.From([3, 1], [2]));
        Assert.Multiple(() =>
        {
            Assert.That(tied.FalsePositiveRate, Is.EqualTo((double[])[0, 1]));
            Assert.That(tied.Precision, Is.EqualTo((double[])[1 / 3.0]));
            Assert.That(three.FalsePositiveRate, Is.EqualTo((double[])[0, 0, 1, 1]));
            Assert.That(three.TruePositiveRate, Is.EqualTo((double[])[0, 0.5, 0.5, 1]));
            Assert.That(three.Recall, Is.EqualTo((double[])[0.5, 1]));
            Assert.That(three.Precision, Is.EqualTo((double[])[1, 2 / 3.0]));
        });
    }

    [Test]
    public void the_histogram_counts_every_image_once_and_in_its_bin()
    {
        var histogram = Histogram([0, 0.25, 0.5, 1, 0.999, double.PositiveInfinity], [0, 0, 1, 2, 2, 2], [1, 0.1, -0.0], [-1, -1, 0]);
        Assert.Multiple(() =>
        {
            Assert.That((histogram.Edges[0], histogram.Edges[10], histogram.Edges[^1]), Is.EqualTo((0.0, 0.25, 1.0)));
            Assert.That(histogram.Edges, Has.Length.EqualTo(ScoreHistogram.BinCount + 1));
            Assert.That((histogram.Head[0], histogram.Head[10], histogram.Head[20], histogram.Head.Sum()), Is.EqualTo((1, 1, 1, 3)));
            Assert.That((histogram.Tail[^1], histogram.Tail.Sum()), Is.EqualTo((3, 3)));
            // The third image shows a class, so it is not out of distribution.
            Assert.That((histogram.Sets[0].Images[^1], histogram.Sets[0].Images[4], histogram.Sets[0].Images.Sum()), Is.EqualTo((1, 1, 2)));
        });
    }

    [TestCase(0.7)]
    [TestCase(double.NegativeInfinity)]
    public void scores_that_are_all_the_same_have_bins_too(double score)
    {
        var histogram = Histogram([score, score, score], [0, 1, 2], [score], [-1]);
        Assert.Multiple(() =>
        {
            Assert.That(histogram.Edges[^1] - histogram.Edges[0], Is.EqualTo(1).Within(1e-12));
            Assert.That((histogram.Head.Sum(), histogram.Tail.Sum(), histogram.Sets[0].Images.Sum()), Is.EqualTo((2, 1, 1)));
        });
    }

    [Long]
    [Test]
    public void figures_of_two_million_scores_take_a_few_times_the_work_of_sorting_them()
    {
        var random = new Random(2);
        var (test, set) = (Scored("test", Uniform(random, 1_000_000), new int[1_000_000]), Scored("far", Uniform(random, 1_000_000), NoClass(1_000_000)));
        DetectionFigures figures = null!;
        var ratio = ProcessorTime.Ratio(() => figures = DetectionFigures.Of(test, [set], [false, false, true]), () =>
        {
            Array.Sort((double[])test.Scores.Clone());
            Array.Sort((double[])set.Scores.Clone());
        });
        Assert.Multiple(() =>
        {
            // Twice; a comparison of every pair would take thousands of times.
            Assert.That(ratio, Is.LessThan(8));
            Assert.That(figures.Curves[0].FalsePositiveRate, Has.Length.LessThanOrEqualTo(DetectionCurves.MostPoints));
        });
    }

    private static ScoreHistogram Histogram(double[] test, int[] labels, double[] set, int[] setLabels) =>
        ScoreHistogram.Of(Scored("test", test, labels), [Scored("far", set, setLabels)], [false, false, true]);

    private static ScoredImages Scored(string name, double[] scores, int[] labels) =>
        new(EvaluationSamples.Set(name, labels), scores, new int[scores.Length]);

    private static int[] NoClass(int count) => [.. Enumerable.Repeat(ImageSet.NoClass, count)];

    private static double[] Uniform(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextDouble())];

    // Sums of twelve uniform numbers are normal enough.
    private static double[] Normal(Random random, int count, double mean) =>
        [.. Enumerable.Range(0, count).Select(_ => mean - 6 + Uniform(random, 12).Sum())];

    private static double Area(double[] x, double[] y) => x.Zip(x.Skip(1), (a, b) => b - a).Zip(y.Zip(y.Skip(1), (a, b) => (a + b) / 2), (w, h) => w * h).Sum();
}
