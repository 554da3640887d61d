using Pascl.Benchmarks.Growth;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Reporting;
using Pascl.Benchmarks.Workloads;
using Pascl.Training.Profiling;
using TorchSharp;

namespace Pascl.Tests.Benchmarks;

public sealed class ReportingTests
{
    private static readonly RunOrigin Origin = new(new DateTime(2026, 1, 2, 0, 0, 0, DateTimeKind.Utc), "abc123", "a machine");

    [Test]
    public void rates_are_work_over_time_and_the_nearer_limit_counts()
    {
        var work = new Work(Bytes: 4e6, Flops: 1e6);
        Assert.Multiple(() =>
        {
            Assert.That(work.GigabytesPerSecond(1e6), Is.EqualTo(4));
            Assert.That(work.GigaflopsPerSecond(1e6), Is.EqualTo(1));
            Assert.That(work.ShareOf(new MachineCeiling(8, 10), 1e6), Is.EqualTo(0.5));
            Assert.That(work.ShareOf(new MachineCeiling(80, 2), 1e6), Is.EqualTo(0.5));
        });
    }

    [Test]
    public void columns_show_rates_and_nothing_for_suites_without_declared_work()
    {
        var column = RateColumn.All[0];
        Assert.Multiple(() =>
        {
            Assert.That(((RateColumn)column).Value(new Work(4e6, 0), 1e6), Is.EqualTo("4.0"));
            Assert.That(((RateColumn)column).Value(null, 1e6), Is.Empty);
            Assert.That(((RateColumn)column).Value(new Work(4e6, 0), null), Is.Empty);
        });
    }

    [Test]
    public void the_least_work_of_the_contrastive_loss_is_three_products()
    {
        var work = new Pascl.Benchmarks.ContrastiveLossBenchmarks(null).WorkOf(LossWorkload.Cifar10);
        Assert.Multiple(() =>
        {
            Assert.That(work.Flops, Is.EqualTo(3.0 * 2 * 20 * 276 * 128));
            Assert.That(work.Bytes, Is.EqualTo(2.0 * 4 * 768 * 128));
        });
    }

    [Test]
    public void the_ceiling_is_measured()
    {
        var ceiling = MachineCeiling.Measure(torch.CPU, elements: 1 << 16, size: 64);
        Assert.Multiple(() =>
        {
            Assert.That(ceiling.GigabytesPerSecond, Is.GreaterThan(0).And.LessThan(1e5));
            Assert.That(ceiling.GigaflopsPerSecond, Is.GreaterThan(0).And.LessThan(1e6));
        });
    }

    [Test]
    public void the_page_calls_a_loss_a_loss()
    {
        var page = ResultsPage.Of([
            new SuiteResult("SomeBenchmarks", Origin, new MachineCeiling(10, 20), [
                Row("Authors", 1000, isBaseline: true), Row("Fast", 250), Row("Slow", 1500)])]);
        Assert.Multiple(() =>
        {
            Assert.That(page, Does.Contain("2026-01-02, commit abc123. a machine. Ceiling: 10.0 GB/s, 20 GFLOP/s."));
            Assert.That(page, Does.Contain("| w | Authors | 1.0 us ± 10.0 ns | baseline |"));
            Assert.That(page, Does.Contain("| w | Fast | 250.0 ns ± 10.0 ns | 4.00x as fast | 64 | 3.0 MB | 1.0 |"));
            Assert.That(page, Does.Not.Contain("GPU time |"), "nothing was measured there");
            Assert.That(page, Does.Contain("**a loss: 1.50x as long**"));
        });
    }

    [Test]
    public void the_page_shows_how_cost_grows_and_what_did_not_fit()
    {
        var growth = new GrowthResult(Origin, [
            new GrowthTable("rows", "a loss", [new(100, [1, 2, 3], 1 << 20), new(200, [7, 8, 9], 4 << 20), new(400, [], 0, "left out: too large")])]);
        var page = ResultsPage.Of([], growth);
        Assert.Multiple(() =>
        {
            Assert.That(page, Does.Contain("| 100 | 2.00 s | 1.00 s to 3.00 s |  | 1.0 MB |"));
            Assert.That(page, Does.Contain("| 200 | 8.00 s | 7.00 s to 9.00 s | 2.00 | 4.0 MB |"));
            Assert.That(page, Does.Contain("| 400 | left out: too large |"));
        });
    }

    private static ResultRow Row(string method, double nanoseconds, bool isBaseline = false) =>
        new(method, "w", isBaseline, nanoseconds, 10, 64, 3 << 20, null, 1, 2, 0.1);
}
