namespace Pascl.Training.Evaluation.Scores;

/// <summary>How frequent the classes were in training, and how much a prediction owes to that.</summary>
internal static class ClassPrior
{
    /// <summary>pi_c = n_c / sum n.</summary>
    /// <param name="trainingCounts">n: at least one image of every class.</param>
    public static double[] Of(IReadOnlyList<int> trainingCounts)
    {
        double total = trainingCounts.Sum(count => (long)count);
        return trainingCounts.All(count => count > 0)
            ? [.. trainingCounts.Select(count => count / total)]
            : throw new ArgumentException("A class has no training images, so it has no prior.");
    }

    /// <summary>1 - cos(p, pi): how unlike the prior a prediction is, from 0 to 1.</summary>
    public static double Dissimilarity(ReadOnlySpan<double> probabilities, ReadOnlySpan<double> prior)
    {
        var (product, square, priorSquare) = (0.0, 0.0, 0.0);
        for (var c = 0; c < probabilities.Length; c++)
        {
            product += probabilities[c] * prior[c];
            square += probabilities[c] * probabilities[c];
            priorSquare += prior[c] * prior[c];
        }

        return 1 - (product / Math.Sqrt(square * priorSquare));
    }

    /// <summary>
    /// log beta = log( (1/C) sum_c p_c / pi_c ): positive where the model predicts classes that are rarer than 1 / C, negative where it predicts frequent ones.
    /// </summary>
    public static double LogRarity(ReadOnlySpan<double> probabilities, ReadOnlySpan<double> prior)
    {
        var sum = 0.0;
        for (var c = 0; c < probabilities.Length; c++)
        {
            sum += probabilities[c] / prior[c];
        }

        return Math.Log(sum / probabilities.Length);
    }
}
