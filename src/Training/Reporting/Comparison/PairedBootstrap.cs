using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>How two methods differ when images and seeds are drawn again, both methods always on the same ones.</summary>
/// <param name="Images">Test images and images of the compared sets, of one seed.</param>
/// <param name="Intervals">By number, as deployed.</param>
public sealed record PairedBootstrap(int Images, IReadOnlyDictionary<Quantity, BootstrapInterval> Intervals)
{
    /// <summary>What is done, for files.</summary>
    internal const string Definition =
        "400 replicates (percentiles 2.5 and 97.5). Each draws the common seeds with replacement and how often every image counts from the Poisson distribution of mean 1; both "
        + "methods see the same images and seeds, and seeds the same images where all were tested on the same ones. probability: twice the smaller share of replicates at or "
        + "beyond 0, (k + 1) / 401 each.";

    private const double Agreement = 1e-9;

    /// <summary>Draws the differences of a method's runs and a baseline's again; the same runs give the same intervals.</summary>
    /// <param name="pairs">The runs of both for each common seed.</param>
    /// <param name="quantities">Numbers as deployed.</param>
    /// <param name="ground">The sets that averages are over.</param>
    /// <returns>Null where there is no pair, or a run without scores of its images.</returns>
    /// <exception cref="InputException">The scores of a run's images are not those of its report.</exception>
    internal static PairedBootstrap? Of(IReadOnlyList<(ComparedRun Method, ComparedRun Baseline)> pairs, IReadOnlyList<Quantity> quantities, CommonGround ground)
    {
        if (pairs.Count == 0 || pairs.Any(pair => pair.Method.Images is null || pair.Baseline.Images is null))
        {
            return null;
        }

        var runs = pairs.Select(pair => (Method: new DrawnRun(pair.Method, quantities, ground), Baseline: new DrawnRun(pair.Baseline, quantities, ground))).ToArray();
        var areDrawnForEachSeed = pairs.Any(pair => pair.Method.Recipe is { Data.InDistribution: null });
        var differences = Array.ConvertAll(quantities.ToArray(), _ => new double[OodIntervals.Replicates]);
        Parallel.For(0, OodIntervals.Replicates, replicate =>
        {
            var seeds = new RandomSequence(seed: 0, replicate, 0, RandomStream.Bootstrap);
            var sums = new double[quantities.Count];
            for (var draw = 0; draw < runs.Length; draw++)
            {
                var chosen = seeds.Below(runs.Length);
                var weights = runs[chosen].Method.Weights(replicate, areDrawnForEachSeed ? pairs[chosen].Method.Seed : 0);
                var (method, baseline) = (runs[chosen].Method.Numbers(weights), runs[chosen].Baseline.Numbers(weights));
                for (var i = 0; i < sums.Length; i++)
                {
                    sums[i] += (method[i] - baseline[i]) / runs.Length;
                }
            }

            for (var i = 0; i < sums.Length; i++)
            {
                differences[i][replicate] = sums[i];
            }
        });
        return new PairedBootstrap(runs[0].Method.Images, quantities.Zip(differences).ToDictionary(pair => pair.First, pair => BootstrapInterval.Of(pair.Second)));
    }

    // What is needed of a run to compute its numbers for any weights of its images.
    private sealed class DrawnRun
    {
        private readonly (ComparedMetric Metric, int[] Sets)[] quantities;
        private readonly ScoredSet test;
        private readonly bool[] isFew;
        private readonly (string Name, ScoredSet Images, WeightedDetection Detection, int[] Sources)[] sets;

        public DrawnRun(ComparedRun run, IReadOnlyList<Quantity> quantities, CommonGround ground)
        {
            this.quantities = [.. quantities.Select(quantity => (quantity.Metric, ground.MembersOf(quantity.Set).Select(name => ground.Sets.Index().Single(set => set.Item == name).Index).ToArray()))];
            var (report, images) = (run.Report, run.Images!);
            test = images.Test;
            isFew = [.. report.ShotGroups.Select(group => group == ShotGroup.Few)];
            sets = [.. ground.Sets.Select(name => Set(name, images.Sets.FirstOrDefault(set => set.Name == name) ?? throw Foreign(run, name), report.TailClasses))];
            if (test.Labels.Any(label => label < 0 || label >= isFew.Length) || test.Labels.Length != report.TestImages)
            {
                throw Foreign(run, "the test images");
            }

            byte[][] once = [.. sets.Select(set => set.Images.Labels.Length).Prepend(test.Labels.Length).Select(count => Enumerable.Repeat((byte)1, count).ToArray())];
            foreach (var (quantity, number) in quantities.Zip(Numbers(once)))
            {
                var reported = quantity.Of(report, ground);
                if (!(Math.Abs(number - reported) <= Agreement) && !(double.IsNaN(number) && double.IsNaN(reported)))
                {
                    throw Foreign(run, $"{quantity.Metric.Title}{(quantity.Set is null ? "" : $" of {quantity.Set}")}");
                }
            }
        }

        /// <summary>Test images and images of the sets.</summary>
        public int Images => test.Labels.Length + sets.Sum(set => set.Images.Labels.Length);

        /// <summary>How often each test image counts, and each image of every set.</summary>
        public byte[][] Weights(int replicate, int seed)
        {
            byte[][] weights = [.. sets.Select(set => new byte[set.Images.Labels.Length]).Prepend(new byte[test.Labels.Length])];
            foreach (var (place, ofSet) in weights.Index())
            {
                OodIntervals.Draw(new RandomSequence((ulong)seed, replicate, place + 1, RandomStream.Bootstrap), ofSet);
            }

            return weights;
        }

        /// <summary>The numbers, in the order of the quantities.</summary>
        public double[] Numbers(byte[][] weights)
        {
            var metrics = sets.Index().Select(set => Detect(set.Item, weights[0], weights[set.Index + 1])).ToArray();
            var (accuracy, few) = Accuracies(weights[0]);
            return [.. quantities.Select(quantity => quantity.Metric.Key switch
            {
                "accuracy" => accuracy,
                "few_shot_accuracy" => few,
                _ => quantity.Sets.Average(set => Number(quantity.Metric, metrics[set])),
            })];
        }

        private static double Number(ComparedMetric metric, WeightedMetrics metrics) =>
            metric == ComparedMetric.Auroc ? metrics.Auroc
            : metric == ComparedMetric.Aupr ? metrics.AuprOut
            : metric == ComparedMetric.Fpr95 ? metrics.Fpr95
            : metric == ComparedMetric.TailAuroc ? metrics.TailAuroc
            : throw new ArgumentException($"{metric.Title} cannot be drawn again.", nameof(metric));

        // Images of the set that show a class count as in-distribution; those of the test come behind them.
        private (string Name, ScoredSet Images, WeightedDetection Detection, int[] Sources) Set(string name, ScoredSet images, IReadOnlyList<int> tailClasses)
        {
            int[] outside = [.. Enumerable.Range(0, images.Labels.Length).Where(image => images.Labels[image] == ImageSet.NoClass)];
            int[] further = [.. Enumerable.Range(0, images.Labels.Length).Where(image => images.Labels[image] != ImageSet.NoClass)];
            var detection = new WeightedDetection(
                [.. outside.Select(image => images.Scores[image])],
                [.. further.Select(image => images.Scores[image]), .. test.Scores],
                [.. further.Select(_ => false), .. test.Labels.Select(tailClasses.Contains)]);

            // By falling score: the image of the set, or behind all of those the test image.
            int[] all = [.. outside, .. further, .. Enumerable.Range(images.Labels.Length, test.Labels.Length)];
            return (name, images, detection, Array.ConvertAll(detection.Order, place => all[place]));
        }

        private static WeightedMetrics Detect((string Name, ScoredSet Images, WeightedDetection Detection, int[] Sources) set, byte[] ofTest, byte[] ofSet)
        {
            var weights = new byte[set.Sources.Length];
            for (var i = 0; i < weights.Length; i++)
            {
                var source = set.Sources[i];
                weights[i] = source < ofSet.Length ? ofSet[source] : ofTest[source - ofSet.Length];
            }

            return set.Detection.Of(weights);
        }

        private (double Overall, double Few) Accuracies(byte[] weights)
        {
            var (right, all) = (new long[isFew.Length], new long[isFew.Length]);
            for (var i = 0; i < weights.Length; i++)
            {
                all[test.Labels[i]] += weights[i];
                right[test.Labels[i]] += test.Labels[i] == test.Predictions[i] ? weights[i] : 0;
            }

            double[] few = [.. Enumerable.Range(0, isFew.Length).Where(label => isFew[label] && all[label] > 0).Select(label => right[label] / (double)all[label])];
            return (right.Sum() / (double)all.Sum(), few.Length == 0 ? double.NaN : few.Average());
        }

        private static InputException Foreign(ComparedRun run, string what) => new(
            $"images.json in {run.Folder} is of another evaluation than report.json: it differs in {what}. Write both anew: evaluate {run.Folder}");
    }
}

/// <summary>Where a difference lies when images and seeds are drawn again.</summary>
/// <param name="Low">2.5 % of the replicates are below it.</param>
/// <param name="High">2.5 % of the replicates are above it.</param>
/// <param name="Probability">Of a difference as far from 0 or farther were there none: twice the smaller share of replicates on one side of 0.</param>
public sealed record BootstrapInterval(double Low, double High, double Probability)
{
    internal static BootstrapInterval Of(double[] differences)
    {
        double[] known = [.. differences.Where(double.IsFinite)];
        if (known.Length == 0)
        {
            return new(double.NaN, double.NaN, double.NaN);
        }

        var interval = OodIntervals.Between(known);
        var smaller = Math.Min(known.Count(difference => difference <= 0), known.Count(difference => difference >= 0));
        return new(interval.Low, interval.High, Math.Min(1, 2 * (smaller + 1.0) / (known.Length + 1)));
    }
}
