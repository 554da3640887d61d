using CsCheck;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class OodMetricsTests
{
    private const double Rounding = 1e-12;

    /// <summary>Whole numbers from a small range tie often, doubles hardly ever.</summary>
    private static readonly Gen<double[]> Scores = Gen.OneOf(
        Gen.Int[-3, 3].Select(value => (double)value).Array[1, 60],
        Gen.Int[-100, 100].Select(value => value / 7.0).Array[1, 60],
        Gen.Double[-1, 1].Array[1, 60]);

    [Test]
    public void every_number_agrees_with_its_definition() => Gen.Select(Scores, Scores).Sample((positives, negatives) =>
    {
        var metrics = OodMetrics.Compute(positives, negatives);
        var (negatedPositives, negatedNegatives) = (NaiveMetrics.Negated(positives), NaiveMetrics.Negated(negatives));
        Assert.Multiple(() =>
        {
            Assert.That(metrics.Auroc, Is.EqualTo(NaiveMetrics.Auroc(positives, negatives)).Within(Rounding));
            Assert.That(metrics.AuprOut, Is.EqualTo(NaiveMetrics.AveragePrecision(positives, negatives)).Within(Rounding));
            Assert.That(metrics.AuprIn, Is.EqualTo(NaiveMetrics.AveragePrecision(negatedNegatives, negatedPositives)).Within(Rounding));
            Assert.That(metrics.AuprOutTrapezoid, Is.EqualTo(NaiveMetrics.PrecisionRecallArea(positives, negatives)).Within(Rounding));
            Assert.That(
                metrics.AuprInTrapezoid, Is.EqualTo(NaiveMetrics.PrecisionRecallArea(negatedNegatives, negatedPositives)).Within(Rounding));
            Assert.That(metrics.Fpr95, Is.EqualTo(NaiveMetrics.FprAtNearestRecall(positives, negatives, 0.95)));
            Assert.That(metrics.Fpr95FirstReached, Is.EqualTo(NaiveMetrics.FprAtFirstRecall(positives, negatives, 0.95)));
            Assert.That(metrics.Fpr95InPositive, Is.EqualTo(NaiveMetrics.FprAtNearestRecall(negatedNegatives, negatedPositives, 0.95)));
            Assert.That(
                metrics.Fpr95InPositiveFirstReached,
                Is.EqualTo(NaiveMetrics.FprAtFirstRecall(negatedNegatives, negatedPositives, 0.95)));
            Assert.That(metrics.Fpr95InPositiveStrict, Is.EqualTo(NaiveMetrics.FprAbove(negatedNegatives, negatedPositives, 0.95)));
        });
    });

    [Test]
    public void the_order_of_the_scores_does_not_matter() => Gen.Select(Scores, Scores).Sample((positives, negatives) =>
        OodMetrics.Compute(positives, negatives) == OodMetrics.Compute(positives.Reverse().ToArray(), negatives.Order().ToArray()));

    [Test]
    public void separated_sets_are_perfect() =>
        Assert.That(OodMetrics.Compute([0.8, 0.9], [0.1, 0.2, 0.3]), Is.EqualTo(new OodMetrics(1, 1, 1, 1, 1, 0, 0, 0, 0, 0)));

    [Test]
    public void equal_scores_give_one_half_the_share_of_positives_and_a_full_false_positive_rate_unless_ties_are_not_counted() =>
        Assert.That(
            OodMetrics.Compute([0.5], [0.5, 0.5, 0.5]), Is.EqualTo(new OodMetrics(0.5, 0.25, 0.75, 0.625, 0.875, 1, 1, 1, 1, 0)));

    [Test]
    public void the_two_areas_under_precision_and_recall_are_different_numbers()
    {
        // Precision 1 at recall 0, 0 at recall 0, and 1/2 at recall 1: a step of height 1/2, and a line from 0 to 1/2.
        var metrics = OodMetrics.Compute([0.5], [0.9]);
        Assert.That((metrics.AuprOut, metrics.AuprOutTrapezoid), Is.EqualTo((0.5, 0.25)));
    }

    [TestCase(0.9, 0.1, 1.0)]
    [TestCase(0.5, 0.5, 0.5)]
    [TestCase(0.1, 0.9, 0.0)]
    public void one_image_on_each_side_is_a_coin_with_one_throw(double outScore, double inScore, double auroc) =>
        Assert.That(OodMetrics.Compute([outScore], [inScore]).Auroc, Is.EqualTo(auroc));

    [Test]
    public void an_empty_set_makes_every_number_undefined()
    {
        var undefined = new OodMetrics(
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN,
            double.NaN);
        Assert.Multiple(() =>
        {
            Assert.That(OodMetrics.Compute([], [0.1]), Is.EqualTo(undefined));
            Assert.That(OodMetrics.Compute([0.1], []), Is.EqualTo(undefined));
            Assert.That(OodMetrics.Mean([]), Is.EqualTo(undefined));
        });
    }

    [Test]
    public void a_score_that_is_not_a_number_is_refused()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => OodMetrics.Compute([0.1, double.NaN], [0.1]), Throws.ArgumentException);
            Assert.That(() => OodMetrics.Compute([0.1], [double.NaN, 0.1]), Throws.ArgumentException);
        });
    }

    [Test]
    public void infinite_scores_are_the_extremes() =>
        Assert.That(OodMetrics.Compute([double.PositiveInfinity, 0.5], [double.NegativeInfinity, 0.5]).Auroc, Is.EqualTo(0.875));

    [Test]
    public void positive_and_negative_zero_tie() => Assert.That(OodMetrics.Compute([0.0, -0.0], [-0.0, 0.0]).Auroc, Is.EqualTo(0.5));

    [Test]
    public void of_two_recalls_equally_near_the_higher_one_counts()
    {
        // Recalls 0.9 (nothing else called) and 1.0 (after one false positive) are both 0.05 away.
        double[] positives = [20, 19, 18, 17, 16, 15, 14, 13, 12, 1];
        Assert.That(OodMetrics.Compute(positives, [5, 0]).Fpr95, Is.EqualTo(0.5));
    }

    [Test]
    public void of_points_with_the_same_recall_the_nearest_rule_takes_the_most_and_the_first_rule_the_fewest_false_positives()
    {
        // Nineteen of twenty positives lie above both middle negatives, the last below them: recall is 0.95 at three points.
        double[] positives = [.. Enumerable.Range(10, 19).Select(i => (double)i), 1];
        var metrics = OodMetrics.Compute(positives, [5, 4, 0, -1]);
        Assert.Multiple(() =>
        {
            Assert.That(metrics.Fpr95, Is.EqualTo(0.5));
            Assert.That(metrics.Fpr95FirstReached, Is.Zero);
        });
    }

    [Long]
    [Test]
    public void metrics_of_two_million_scores_take_a_few_times_the_work_of_sorting_them()
    {
        var random = new Random(1);
        double[] positives = [.. Enumerable.Range(0, 1_000_000).Select(_ => random.NextDouble() + 0.2)];
        double[] negatives = [.. Enumerable.Range(0, 1_000_000).Select(_ => random.NextDouble())];
        OodMetrics metrics = null!;
        var ratio = ProcessorTime.Ratio(() => metrics = OodMetrics.Compute(positives, negatives), () =>
        {
            Array.Sort((double[])positives.Clone());
            Array.Sort((double[])negatives.Clone());
        });
        Assert.Multiple(() =>
        {
            // P(u + 0.2 > v) for independent uniform u, v is 1 - 0.8^2 / 2.
            Assert.That(metrics.Auroc, Is.EqualTo(0.68).Within(0.002));
            // Little more; a comparison of every pair would take thousands of times.
            Assert.That(ratio, Is.LessThan(5));
        });
    }
}

public sealed class OodIntervalsTests
{
    // For normal scores a distance d apart the area is Phi(d / sqrt 2); its standard error by Hanley and McNeil (Radiology 143, 1982).
    [Test]
    public void the_interval_of_the_area_is_as_wide_as_its_standard_error_says_and_holds_the_truth_as_often_as_it_says()
    {
        const int positives = 150, negatives = 200, trials = 120;
        const double truth = 0.760250; // d = 1
        var (inside, width) = (0, 0.0);
        for (var trial = 0; trial < trials; trial++)
        {
            var random = new Random(trial);
            var interval = OodIntervals.Of([.. Enumerable.Range(0, positives).Select(_ => Normal(random) + 1)], [.. Enumerable.Range(0, negatives).Select(_ => Normal(random))])!;
            inside += interval.Auroc.Low <= truth && truth <= interval.Auroc.High ? 1 : 0;
            width += (interval.Auroc.High - interval.Auroc.Low) / trials;
        }

        var (q1, q2) = (truth / (2 - truth), 2 * truth * truth / (1 + truth));
        var error = Math.Sqrt(((truth * (1 - truth)) + ((positives - 1) * (q1 - (truth * truth))) + ((negatives - 1) * (q2 - (truth * truth)))) / (positives * negatives));
        Assert.That(width, Is.EqualTo(2 * 1.96 * error).Within(8).Percent);
        Assert.That(inside / (double)trials, Is.InRange(0.88, 1.0));
    }

    [Test]
    public void the_numbers_themselves_lie_inside_and_the_same_scores_give_the_same_interval()
    {
        var random = new Random(7);
        double[] positives = [.. Enumerable.Range(0, 300).Select(_ => Math.Round(Normal(random) + 1, 1))], negatives = [.. Enumerable.Range(0, 400).Select(_ => Math.Round(Normal(random), 1))];
        var (interval, metrics) = (OodIntervals.Of(positives, negatives)!, OodMetrics.Compute(positives, negatives));
        Assert.That(metrics.Auroc, Is.InRange(interval.Auroc.Low, interval.Auroc.High));
        Assert.That(metrics.Fpr95, Is.InRange(interval.Fpr95.Low, interval.Fpr95.High));
        Assert.That(OodIntervals.Of(positives, negatives), Is.EqualTo(interval));
        Assert.That(OodIntervals.Of([], negatives), Is.Null);
        Assert.That(OodIntervals.Of([2, 3], [0, 1])!.Auroc, Is.EqualTo(new ShareInterval(1, 1)));
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}

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
