namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss and its gradient in double precision, written as the equations are: the specification of every other
/// implementation.
/// </summary>
/// <remarks>
/// Rows 0..M-1 are anchors with a class each, rows M..M+K-1 are outliers. With s_ij = x_i . x_j / temperature and P_i the other anchors of i's class:
/// <code>
/// Z_i  = sum_{j != i} exp(s_ij)
/// l_i  = -1/|P_i| sum_{p in P_i} (s_ip - log Z_i)          0 where P_i is empty
/// L    = 1/M sum_i w_i l_i                                 0 where there is no anchor
/// dL/ds_ij = w_i/M ( exp(s_ij) / Z_i - [j in P_i] / |P_i| )   0 where j = i or P_i is empty
/// dL/dx_i  = 1/temperature sum_j ( dL/ds_ij + dL/ds_ji ) x_j
/// </code>
/// Source: Wang et al., ICML 2022, equation of the partial and asymmetric supervised contrastive loss.
/// </remarks>
public static class FusedContrastiveLossReference
{
    /// <summary>Computes the loss.</summary>
    /// <param name="rows">(M + K, width), row-major: the anchors, then the outliers.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="labels">(M): the class of each anchor.</param>
    /// <param name="temperature">Divides the similarities; above 0.</param>
    /// <param name="classWeights">Weight by class; 1 for each class where it is empty.</param>
    public static double Forward(ReadOnlySpan<double> rows, int width, ReadOnlySpan<int> labels, double temperature, ReadOnlySpan<double> classWeights = default)
    {
        var similarity = Similarity(rows, width, labels.Length, temperature);
        var sum = 0.0;
        for (var i = 0; i < labels.Length; i++)
        {
            var (logSum, positives) = RowStatistics(similarity, i, labels);
            for (var p = 0; p < labels.Length; p++)
            {
                if (IsPositive(i, p, labels))
                {
                    sum -= Weight(classWeights, labels[i]) * (similarity[i, p] - logSum) / positives;
                }
            }
        }

        return labels.Length == 0 ? 0 : sum / labels.Length;
    }

    /// <summary>Computes the gradient of the loss with respect to the rows, (M + K, width); the arguments are those of <see cref="Forward"/>.</summary>
    public static double[] Backward(ReadOnlySpan<double> rows, int width, ReadOnlySpan<int> labels, double temperature, ReadOnlySpan<double> classWeights = default)
    {
        var similarity = Similarity(rows, width, labels.Length, temperature);
        var gradient = new double[rows.Length];
        for (var i = 0; i < labels.Length; i++)
        {
            var (logSum, positives) = RowStatistics(similarity, i, labels);
            for (var j = 0; j < similarity.GetLength(1) && positives > 0; j++)
            {
                if (j == i)
                {
                    continue;
                }

                var target = IsPositive(i, j, labels) ? 1.0 / positives : 0;
                var slope = Weight(classWeights, labels[i]) / labels.Length * (Math.Exp(similarity[i, j] - logSum) - target) / temperature;
                for (var k = 0; k < width; k++)
                {
                    gradient[(i * width) + k] += slope * rows[(j * width) + k];
                    gradient[(j * width) + k] += slope * rows[(i * width) + k];
                }
            }
        }

        return gradient;
    }

    // s_ij, (M, M + K)
    private static double[,] Similarity(ReadOnlySpan<double> rows, int width, int anchors, double temperature)
    {
        if (rows.Length % width != 0 || rows.Length / width < anchors)
        {
            throw new ArgumentException($"There are {rows.Length} values in rows of {width} for {anchors} anchors; there must be at least {anchors} whole rows.");
        }

        var similarity = new double[anchors, rows.Length / width];
        for (var i = 0; i < anchors; i++)
        {
            for (var j = 0; j < similarity.GetLength(1); j++)
            {
                for (var k = 0; k < width; k++)
                {
                    similarity[i, j] += rows[(i * width) + k] * rows[(j * width) + k] / temperature;
                }
            }
        }

        return similarity;
    }

    // log Z_i, shifted by the largest term against overflow, and |P_i|
    private static (double LogSum, int Positives) RowStatistics(double[,] similarity, int i, ReadOnlySpan<int> labels)
    {
        var largest = double.NegativeInfinity;
        var positives = 0;
        for (var j = 0; j < similarity.GetLength(1); j++)
        {
            largest = j == i ? largest : Math.Max(largest, similarity[i, j]);
            positives += IsPositive(i, j, labels) ? 1 : 0;
        }

        var sum = 0.0;
        for (var j = 0; j < similarity.GetLength(1); j++)
        {
            sum += j == i ? 0 : Math.Exp(similarity[i, j] - largest);
        }

        return (largest + Math.Log(sum), positives);
    }

    private static bool IsPositive(int i, int j, ReadOnlySpan<int> labels) => j != i && j < labels.Length && labels[j] == labels[i];

    private static double Weight(ReadOnlySpan<double> classWeights, int label) => classWeights.IsEmpty ? 1 : classWeights[label];
}
