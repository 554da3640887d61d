namespace Pascl.Kernels;

/// <summary>
/// The partial and asymmetric contrastive loss of a matrix of similarities, and its gradient, in double precision, written as the equations are: the
/// specification of <see cref="MaskedLoss"/>.
/// </summary>
/// <remarks>
/// Columns 0..M-1 are the anchors with a class each, the other columns are outliers. With P_i the other anchors of i's class:
/// <code>
/// Z_i  = sum_{j != i} exp(s_ij)
/// l_i  = -1/|P_i| sum_{p in P_i} (s_ip - log Z_i)          0 where P_i is empty
/// L    = 1/M sum_i w_i l_i                                 0 where there is no anchor
/// dL/ds_ij = w_i/M ( exp(s_ij) / Z_i - [j in P_i] / |P_i| )   0 where j = i or P_i is empty
/// </code>
/// A share of the anchors sums over its own i; M is the number of all.
/// Source: Wang et al., ICML 2022, equation of the partial and asymmetric supervised contrastive loss.
/// </remarks>
public static class MaskedLossReference
{
    /// <summary>Computes the loss.</summary>
    /// <param name="similarity">(M, columns), row-major: similarities of the anchors to the anchors, then to the outliers.</param>
    /// <param name="columns">M and the number of outliers.</param>
    /// <param name="labels">(M): the class of each anchor.</param>
    /// <param name="classWeights">Weight by class; 1 for each class where it is empty.</param>
    /// <param name="share">Whose losses are summed; all anchors' where it is null.</param>
    public static double Forward(
        ReadOnlySpan<double> similarity, int columns, ReadOnlySpan<int> labels, ReadOnlySpan<double> classWeights = default, AnchorShare? share = null)
    {
        var sum = 0.0;
        var own = share ?? AnchorShare.Whole;
        for (var i = own.Start(labels.Length); i < own.Start(labels.Length, next: 1); i++)
        {
            var row = similarity.Slice(i * columns, columns);
            var (logSum, positives) = RowStatistics(row, i, labels);
            for (var p = 0; p < labels.Length; p++)
            {
                if (IsPositive(i, p, labels))
                {
                    sum -= Weight(classWeights, labels[i]) * (row[p] - logSum) / positives;
                }
            }
        }

        return labels.Length == 0 ? 0 : sum / labels.Length;
    }

    /// <summary>Computes the gradient of the loss with respect to the similarities, (M, columns); the arguments are those of <see cref="Forward"/>.</summary>
    public static double[] Backward(
        ReadOnlySpan<double> similarity, int columns, ReadOnlySpan<int> labels, ReadOnlySpan<double> classWeights = default, AnchorShare? share = null)
    {
        var gradient = new double[similarity.Length];
        var own = share ?? AnchorShare.Whole;
        for (var i = own.Start(labels.Length); i < own.Start(labels.Length, next: 1); i++)
        {
            var row = similarity.Slice(i * columns, columns);
            var (logSum, positives) = RowStatistics(row, i, labels);
            for (var j = 0; j < columns && positives > 0; j++)
            {
                var target = IsPositive(i, j, labels) ? 1.0 / positives : 0;
                gradient[(i * columns) + j] = j == i ? 0 : Weight(classWeights, labels[i]) / labels.Length * (Math.Exp(row[j] - logSum) - target);
            }
        }

        return gradient;
    }

    // log Z_i, shifted by the largest term against overflow, and |P_i|
    private static (double LogSum, int Positives) RowStatistics(ReadOnlySpan<double> row, int i, ReadOnlySpan<int> labels)
    {
        var largest = double.NegativeInfinity;
        var positives = 0;
        for (var j = 0; j < row.Length; j++)
        {
            largest = j == i ? largest : Math.Max(largest, row[j]);
            positives += IsPositive(i, j, labels) ? 1 : 0;
        }

        var sum = 0.0;
        for (var j = 0; j < row.Length; j++)
        {
            sum += j == i ? 0 : Math.Exp(row[j] - largest);
        }

        return (largest + Math.Log(sum), positives);
    }

    private static bool IsPositive(int i, int j, ReadOnlySpan<int> labels) => j != i && j < labels.Length && labels[j] == labels[i];

    private static double Weight(ReadOnlySpan<double> classWeights, int label) => classWeights.IsEmpty ? 1 : classWeights[label];
}
