namespace Pascl.Kernels;

/// <summary>
/// Cross entropy of in-distribution rows and outlier exposure of outlier rows, and their gradient, in double precision, written as the equations are: the
/// specification of <see cref="ObjectiveLoss"/>.
/// </summary>
/// <remarks>
/// With R in-distribution rows of class y_i and logits z_i + a (a: the logit adjustment), and K outlier rows:
/// <code>
/// L_in    = 1/R sum_i ( log sum_c exp(z_ic + a_c) - z_i,y_i - a_y_i )             0 where R = 0
/// L_out   = 1/K sum_k ( log sum_c exp(z_kc) - 1/C sum_c z_kc )                    0 where K = 0
/// L       = L_in + lambda L_out
/// dL/dz_ic = 1/R ( exp(z_ic + a_c) / sum_d exp(z_id + a_d) - [c = y_i] )
/// dL/dz_kc = lambda/K ( exp(z_kc) / sum_d exp(z_kd) - 1/C )
/// </code>
/// Sources: Menon et al., ICLR 2021 (logit adjustment); Hendrycks et al., ICLR 2019 (outlier exposure).
/// </remarks>
public static class ObjectiveLossReference
{
    /// <summary>Computes the losses.</summary>
    /// <param name="logits">(R + K, classes), row-major: in-distribution rows, then outliers.</param>
    /// <param name="classes">Columns of a row.</param>
    /// <param name="labels">(R): the class of each in-distribution row.</param>
    /// <param name="outlierWeight">lambda.</param>
    /// <param name="adjustment">(classes), added to the logits of in-distribution rows; empty for none.</param>
    public static (double Total, double InDistribution, double Outliers) Forward(
        ReadOnlySpan<double> logits, int classes, ReadOnlySpan<long> labels, double outlierWeight, ReadOnlySpan<double> adjustment = default)
    {
        var (rows, outliers) = (labels.Length, (logits.Length / classes) - labels.Length);
        var (inDistribution, exposure) = (0.0, 0.0);
        for (var i = 0; i < rows + outliers; i++)
        {
            var row = Row(logits, classes, i, rows, adjustment);
            if (i < rows)
            {
                inDistribution += (LogSum(row) - row[labels[i]]) / rows;
            }
            else
            {
                exposure += (LogSum(row) - row.Average()) / outliers;
            }
        }

        return (inDistribution + (outlierWeight * exposure), inDistribution, exposure);
    }

    /// <summary>Computes the gradient of L with respect to the logits, (R + K, classes); the arguments are those of <see cref="Forward"/>.</summary>
    public static double[] Backward(
        ReadOnlySpan<double> logits, int classes, ReadOnlySpan<long> labels, double outlierWeight, ReadOnlySpan<double> adjustment = default)
    {
        var (rows, outliers) = (labels.Length, (logits.Length / classes) - labels.Length);
        var gradient = new double[logits.Length];
        for (var i = 0; i < rows + outliers; i++)
        {
            var row = Row(logits, classes, i, rows, adjustment);
            for (var c = 0; c < classes; c++)
            {
                var probability = Math.Exp(row[c] - LogSum(row));
                gradient[(i * classes) + c] = i < rows
                    ? (probability - (c == labels[i] ? 1 : 0)) / rows
                    : outlierWeight * (probability - (1.0 / classes)) / outliers;
            }
        }

        return gradient;
    }

    // z_i + a for in-distribution rows, z_i for outliers
    private static double[] Row(ReadOnlySpan<double> logits, int classes, int i, int rows, ReadOnlySpan<double> adjustment)
    {
        var row = logits.Slice(i * classes, classes).ToArray();
        for (var c = 0; c < classes && i < rows && !adjustment.IsEmpty; c++)
        {
            row[c] += adjustment[c];
        }

        return row;
    }

    private static double LogSum(double[] row)
    {
        var largest = row.Max();
        return largest + Math.Log(row.Sum(value => Math.Exp(value - largest)));
    }
}
