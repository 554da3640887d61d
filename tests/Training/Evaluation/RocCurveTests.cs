using CsCheck;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class RocCurveTests
{
    private static readonly Gen<double[]> Scores = Gen.Int[0, 9].Select(value => value / 10.0).Array[1, 40];

    [Test]
    public void points_count_the_scores_at_or_above_their_thresholds() => Gen.Select(Scores, Scores).Sample((positives, negatives) =>
    {
        var points = RocCurve.From(positives, negatives).Points.ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(
                points.Skip(1).Select(point => point.Threshold),
                Is.EqualTo(positives.Concat(negatives).Distinct().OrderDescending()));
            Assert.That(
                points,
                Is.EqualTo(points.Select(point => new RocPoint(
                    point.Threshold,
                    negatives.Count(score => score >= point.Threshold),
                    positives.Count(score => score >= point.Threshold)))));
        });
    });

    [Test]
    public void the_origin_has_the_highest_score_plus_one_as_its_threshold() =>
        Assert.That(RocCurve.From([0.25, 0.5], [0.75]).Points[0], Is.EqualTo(new RocPoint(1.75, 0, 0)));

    [Test]
    public void mirroring_twice_changes_nothing_but_the_origins_threshold() => Gen.Select(Scores, Scores).Sample((positives, negatives) =>
    {
        var curve = RocCurve.From(positives, negatives);
        var twice = curve.Mirrored().Mirrored();
        return curve.Points[1..].SequenceEqual(twice.Points[1..]) && curve.Points[0].Threshold == twice.Points[0].Threshold;
    });

    [Test]
    public void the_mirrored_curve_is_that_of_the_negated_scores() => Gen.Select(Scores, Scores).Sample((positives, negatives) =>
        RocCurve.From(positives, negatives).Mirrored().Points
            .SequenceEqual(RocCurve.From(NaiveMetrics.Negated(negatives), NaiveMetrics.Negated(positives)).Points));

    [Test]
    public void dropping_collinear_points_keeps_the_area_and_both_ends() => Gen.Select(Scores, Scores).Sample((positives, negatives) =>
    {
        var curve = RocCurve.From(positives, negatives);
        var corners = curve.WithoutCollinearPoints();
        Assert.Multiple(() =>
        {
            Assert.That(corners.Area(), Is.EqualTo(curve.Area()));
            Assert.That(corners.Points[0], Is.EqualTo(curve.Points[0]));
            Assert.That(corners.Points[^1], Is.EqualTo(curve.Points[^1]));
        });
    });

    [Test]
    public void a_run_of_equal_steps_keeps_its_first_and_last_point()
    {
        var corners = RocCurve.From([0.9, 0.8, 0.7, 0.6], [0.1]).WithoutCollinearPoints();
        Assert.That(corners.Points.ToArray().Select(point => point.Threshold), Is.EqualTo((double[])[1.9, 0.9, 0.6, 0.1]));
    }

    [Test]
    public void the_first_of_two_points_equally_near_a_level_counts()
    {
        var curve = RocCurve.From([4, 3, 2, 1], [0]);
        Assert.Multiple(() =>
        {
            Assert.That(curve.NearestToTruePositiveRate(0.375).Threshold, Is.EqualTo(4));
            Assert.That(curve.NearestToFalsePositiveRate(0.5).Threshold, Is.EqualTo(5));
        });
    }

    [Test]
    public void large_sets_give_the_same_curve_as_small_ones()
    {
        // Sixty thousand scores are sorted on two threads, two of them are not; repeating every score scales all counts alike.
        double[] positives = [.. Enumerable.Repeat<double[]>([0.7, 0.4], 15_000).SelectMany(scores => scores)];
        double[] negatives = [.. Enumerable.Repeat<double[]>([0.5, 0.4], 15_000).SelectMany(scores => scores)];
        var small = RocCurve.From([0.7, 0.4], [0.5, 0.4]).Points.ToArray();
        Assert.That(
            RocCurve.From(positives, negatives).Points.ToArray(),
            Is.EqualTo(small.Select(p => new RocPoint(p.Threshold, p.FalsePositives * 15_000, p.TruePositives * 15_000))));
    }

    [Test]
    public void the_area_of_large_counts_does_not_overflow()
    {
        double[] positives = [.. Enumerable.Repeat(1.0, 200_000)];
        double[] negatives = [.. Enumerable.Repeat(0.0, 200_000)];
        Assert.That(RocCurve.From(positives, negatives).Area(), Is.EqualTo(1));
    }

    [Test]
    public void an_empty_set_has_no_curve()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => RocCurve.From([], [0.5]), Throws.ArgumentException);
            Assert.That(() => RocCurve.From([0.5], []), Throws.ArgumentException);
        });
    }
}
