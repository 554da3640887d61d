using CsCheck;
using Pascl.Training;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Evaluation;

public sealed class AcceptanceThresholdTests
{
    [Test]
    public void it_accepts_the_fewest_images_that_are_the_share_and_lies_in_the_middle_to_the_next() =>
        Gen.Select(Gen.Int[0, 30].Array[1, 60], Gen.Double[0.001, 1]).Sample((values, share) =>
        {
            double[] scores = [.. values.Select(value => value / 8.0)];
            var last = scores.Where(t => scores.Count(score => score <= t) / (double)scores.Length >= share).Min();
            var expected = scores.Where(score => score > last).ToArray() is { Length: > 0 } higher ? (last + higher.Min()) / 2 : last;
            Assert.That(AcceptanceThreshold.Of(scores, share), Is.EqualTo(expected));
        });

    [TestCase(0.95, 19.5)]
    [TestCase(0.9500001, 20)]
    [TestCase(1, 20)]
    [TestCase(0.05, 1.5)]
    [TestCase(1e-9, 1.5)]
    [TestCase(0.55, 11.5)]
    [TestCase(0.35, 7.5)]
    public void a_share_that_is_a_whole_number_of_images_is_met_exactly(double share, double expected) =>
        Assert.That(AcceptanceThreshold.Of([.. Enumerable.Range(1, 20).Reverse().Select(i => (double)i)], share), Is.EqualTo(expected));

    [TestCase(0)]
    [TestCase(-0.1)]
    [TestCase(1.01)]
    [TestCase(double.NaN)]
    public void a_share_that_is_none_is_refused(double share) => Assert.That(
        () => AcceptanceThreshold.Of([1], share), Throws.TypeOf<InputException>().With.Message.Contains("above 0 and at most 1"));

    [Test]
    public void no_scores_have_no_threshold() => Assert.That(() => AcceptanceThreshold.Of([], 0.5), Throws.ArgumentException);
}

public sealed class AcceptanceTableTests
{
    // R: binom.test(hits, count)$conf.int.
    [TestCase(0, 10, 0, 0.3084971)]
    [TestCase(10, 10, 0.6915029, 1)]
    [TestCase(52, 55, 0.8487652, 0.9886070)]
    [TestCase(950, 1000, 0.9346095, 0.9626647)]
    public void the_interval_of_a_share_is_that_of_clopper_and_pearson(int hits, int count, double low, double high)
    {
        var interval = ShareInterval.Of(hits, count);
        Assert.That(interval.Low, Is.EqualTo(low).Within(1e-6));
        Assert.That(interval.High, Is.EqualTo(high).Within(1e-6));
    }

    [Test]
    public void what_a_threshold_will_accept_is_as_certain_as_it_says()
    {
        var random = new Random(3);
        var inside = 0;
        const int trials = 4000, images = 55, accepted = 53;
        var (low, high) = ShareInterval.OfFuture(accepted, images);
        for (var trial = 0; trial < trials; trial++)
        {
            // Uniform scores: the share of new ones below a threshold is the threshold.
            double[] scores = [.. Enumerable.Range(0, images).Select(_ => random.NextDouble()).Order()];
            var threshold = (scores[accepted - 1] + scores[accepted]) / 2;
            inside += threshold >= low && threshold <= high ? 1 : 0;
        }

        Assert.That(inside / (double)trials, Is.InRange(0.94, 0.99));
        Assert.That((low, high), Is.EqualTo((0.875, 0.996)).Using<(double, double)>((a, b) => Math.Abs(a.Item1 - b.Item1) < 0.01 && Math.Abs(a.Item2 - b.Item2) < 0.01));
    }

    [Test]
    public void a_table_is_read_back_as_it_was_and_few_images_are_a_warning()
    {
        var table = new AcceptanceTable("msp", 0.1 + 0.2, 0.95, 55, ShareInterval.OfFuture(53, 55),
            [AcceptanceRow.Of("test images", true, [0.1, 0.2, 0.4, 0.3], 0.3).With(new ShotShares(0.5, 0.25, double.NaN, 1)), AcceptanceRow.Of("far", false, [1, 2], 0.3)]);
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "threshold.json");
        table.Write(file);
        var read = AcceptanceTable.Read(file, "msp", 0.1 + 0.2);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(read with { Rows = [] }, Is.EqualTo(table with { Rows = [] }));
            Assert.That(read.Rows, Is.EqualTo(table.Rows));
            Assert.That(read.Rows[0], Is.EqualTo(new AcceptanceRow("test images", true, 4, 0.75, ShareInterval.Of(3, 4), 0.25, null, 1)));
            Assert.That(read.Rows[1].Accepted, Is.Zero);
            Assert.That(AcceptanceText.Expected(table), Does.StartWith("Warning: 95 % was asked; chosen on 55 images, the threshold accepts between 87"));
            Assert.That(AcceptanceText.Expected(table with { Expected = new(0.94, 0.96) }), Does.StartWith("95 % was asked"));
        }
    }

    [TestCase("", "energy", 0.3, "is of the threshold 0.3 on msp, but that of the checkpoint is 0.3 on energy. Write it anew: calibrate RUN.")]
    [TestCase("", "msp", 0.30000000000000004, "but that of the checkpoint is 0.30000000000000004 on msp")]
    [TestCase("rows", "msp", 0.3, "it has no rows")]
    [TestCase("[\n", "msp", 0.3, "is damaged: one of its rows is null")]
    [TestCase("0.95", "msp", 0.3, "is not the table of a threshold")]
    public void a_table_of_another_threshold_or_a_damaged_one_is_refused(string damage, string score, double threshold, string expected)
    {
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "threshold.json");
        new AcceptanceTable("msp", 0.3, 0.95, 2, ShareInterval.OfFuture(1, 2), [AcceptanceRow.Of("far", false, [1, 2], 0.3)]).Write(file);
        Assert.That(() => AcceptanceTable.Read(file, "msp", 0.3), Throws.Nothing);
        if (damage.Length > 0)
        {
            var text = File.ReadAllText(file);
            Assert.That(text, Does.Contain(damage));
            File.WriteAllText(file, text.Replace(damage, damage switch { "rows" => "lines", "[\n" => "[null,\n", _ => "\"most\"" }, StringComparison.Ordinal));
        }

        Assert.That(() => AcceptanceTable.Read(file, score, threshold), Throws.TypeOf<InputException>().With.Message.Contains(expected));
    }
}
