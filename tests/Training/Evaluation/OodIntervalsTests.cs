using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

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
