using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Pascl.Training.Evaluation;

namespace Pascl.Benchmarks;

/// <summary>
/// The OOD metrics of equally many out-of-distribution and in-distribution scores, against the straightforward way: sort all (score, label)
/// pairs, walk them.
/// </summary>
[SimpleJob(RunStrategy.Monitoring, warmupCount: 1, iterationCount: 5)]
[MemoryDiagnoser]
public class MetricsBenchmarks
{
    private double[] outliers = [];
    private double[] inliers = [];

    /// <summary>Scores on each side: a CIFAR test set, the ImageNet-LT one and the bar of two million values.</summary>
    [Params(10_000, 50_000, 1_000_000)]
    public int Count { get; set; }

    /// <summary>Draws overlapping scores and verifies that both ways agree.</summary>
    [GlobalSetup]
    public void Prepare()
    {
        var random = new Random(1);
        outliers = [.. Enumerable.Range(0, Count).Select(_ => random.NextDouble() + 0.2)];
        inliers = [.. Enumerable.Range(0, Count).Select(_ => random.NextDouble())];
        var (auroc, averagePrecision) = PairSort();
        var metrics = AllMetrics();
        if (Math.Abs(auroc - metrics.Auroc) > 1e-9 || Math.Abs(averagePrecision - metrics.AuprOut) > 1e-9)
        {
            throw new InvalidOperationException(
                $"AUROC {auroc} and {metrics.Auroc}, AUPR {averagePrecision} and {metrics.AuprOut}; both ways must agree.");
        }
    }

    /// <summary>AUROC and average precision alone, from one sort of all pairs.</summary>
    [Benchmark(Baseline = true)]
    public (double Auroc, double AveragePrecision) PairSort()
    {
        (double Score, bool IsOut)[] pairs = [.. outliers.Select(score => (score, true)), .. inliers.Select(score => (score, false))];
        Array.Sort(pairs, (a, b) => b.Score.CompareTo(a.Score));
        var (truePositives, falsePositives, area, precision) = (0L, 0L, 0.0, 0.0);
        for (var i = 0; i < pairs.Length;)
        {
            var (out0, in0, threshold) = (truePositives, falsePositives, pairs[i].Score);
            for (; i < pairs.Length && pairs[i].Score == threshold; i++)
            {
                truePositives += pairs[i].IsOut ? 1 : 0;
                falsePositives += pairs[i].IsOut ? 0 : 1;
            }

            area += (falsePositives - in0) * (out0 + truePositives) / 2.0;
            precision += (truePositives - out0) * ((double)truePositives / (truePositives + falsePositives));
        }

        return (area / ((double)outliers.Length * inliers.Length), precision / outliers.Length);
    }

    /// <summary>All seven metrics as the program computes them.</summary>
    [Benchmark]
    public OodMetrics AllMetrics() => OodMetrics.Compute(outliers, inliers);
}
