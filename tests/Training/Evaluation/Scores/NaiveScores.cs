using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation.Scores;

/// <summary>The scores of features straight from their definitions, with loops and Gaussian elimination: the judge of the fast ones.</summary>
internal static class NaiveScores
{
    public static double[] Mahalanobis(FeaturePass training, FeaturePass tested, bool normalised, bool isOne = false, double ridge = 0)
    {
        var (means, covariance) = Gaussians(training, normalised, isOne);
        var width = training.Features.Width;
        var trace = Enumerable.Range(0, width).Sum(j => covariance[j, j]);
        for (var j = 0; j < width; j++)
        {
            covariance[j, j] += ridge * trace / width;
        }

        return [.. Rows(tested, normalised).Select(row => means.Min(mean => Distance(covariance, [.. row.Zip(mean, (a, b) => a - b)])))];
    }

    /// <summary>tr(Sigma) / d of features of unit length.</summary>
    public static double MeanVariance(FeaturePass training)
    {
        var (_, covariance) = Gaussians(training, normalised: true, isOne: false);
        return Enumerable.Range(0, training.Features.Width).Average(j => covariance[j, j]);
    }

    private static (double[][] Means, double[,] Covariance) Gaussians(FeaturePass training, bool normalised, bool isOne)
    {
        var rows = Rows(training, normalised);
        var labels = isOne ? new int[rows.Length] : training.Images.Labels.ToArray();
        var width = training.Features.Width;
        var means = Enumerable.Range(0, isOne ? 1 : training.Images.ClassCount)
            .Select(c => Enumerable.Range(0, width).Select(j => rows.Where((_, i) => labels[i] == c).Average(row => row[j])).ToArray())
            .ToArray();
        var covariance = new double[width, width];
        for (var i = 0; i < rows.Length; i++)
        {
            for (var j = 0; j < width; j++)
            {
                for (var k = 0; k < width; k++)
                {
                    covariance[j, k] += (rows[i][j] - means[labels[i]][j]) * (rows[i][k] - means[labels[i]][k]) / rows.Length;
                }
            }
        }

        return (means, covariance);
    }

    public static double[] NearestNeighbour(FeaturePass training, FeaturePass tested, int neighbour)
    {
        var bank = Rows(training, normalised: true);
        return
        [
            .. Rows(tested, normalised: true).Select(row => bank
                .Select(other => Math.Sqrt(row.Zip(other, (a, b) => (a - b) * (a - b)).Sum()))
                .Order()
                .ElementAt(Math.Min(neighbour, bank.Length) - 1)),
        ];
    }

    public static double[] GradNorm(FeaturePass training, FeaturePass tested, bool usesPrior)
    {
        var prior = Prior(training);
        return
        [
            .. Enumerable.Range(0, tested.Features.Count).Select(i => -tested.Features[i].ToArray().Sum(f => Math.Abs((double)f)) * Probabilities(tested, i)
                .Select((p, c) => Math.Abs(p - (usesPrior ? prior[c] : 1.0 / prior.Length))).Sum()),
        ];
    }

    public static double[] Imbalanced(double[] scores, double strength, FeaturePass training, FeaturePass tested)
    {
        var prior = Prior(training);
        return [.. scores.Select((score, i) => score - (strength * Math.Log(Probabilities(tested, i).Select((p, c) => p / prior[c]).Average())))];
    }

    private static double[] Prior(FeaturePass training) =>
        [.. training.Images.CountPerClass().Select(count => count / (double)training.Images.Count)];

    public static double[] Probabilities(FeaturePass pass, int image)
    {
        double[] exponentials = [.. pass.Predictions.Main[image].ToArray().Select(z => Math.Exp(z))];
        return [.. exponentials.Select(e => e / exponentials.Sum())];
    }

    public static double[][] Rows(FeaturePass pass, bool normalised) =>
    [
        .. Enumerable.Range(0, pass.Features.Count).Select(i =>
        {
            double[] row = [.. pass.Features[i].ToArray().Select(value => (double)value)];
            var length = normalised ? Math.Max(Math.Sqrt(row.Sum(value => value * value)), 1e-12) : 1;
            return row.Select(value => value / length).ToArray();
        }),
    ];

    // r' S^-1 r, by elimination with pivoting.
    private static double Distance(double[,] matrix, double[] right)
    {
        var size = right.Length;
        var (a, x) = ((double[,])matrix.Clone(), (double[])right.Clone());
        for (var k = 0; k < size; k++)
        {
            var pivot = Enumerable.Range(k, size - k).MaxBy(i => Math.Abs(a[i, k]));
            (x[k], x[pivot]) = (x[pivot], x[k]);
            for (var j = 0; j < size; j++)
            {
                (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j]);
            }

            for (var i = 0; i < size; i++)
            {
                var factor = i == k ? 0 : a[i, k] / a[k, k];
                x[i] -= factor * x[k];
                for (var j = 0; j < size; j++)
                {
                    a[i, j] -= factor * a[k, j];
                }
            }
        }

        return Enumerable.Range(0, size).Sum(k => right[k] * x[k] / a[k, k]);
    }
}
