namespace Pascl.Training.Evaluation.Scores;

/// <summary>An out-of-distribution score of one image from its logits: higher = more out-of-distribution.</summary>
public delegate double OodScore(ReadOnlySpan<float> logits);

/// <summary>The out-of-distribution scores; each is an <see cref="OodScore"/>.</summary>
public static class OodScores
{
    /// <summary>
    /// 1 - max_c softmax(z)_c, computed in double as the sum of the other classes' probabilities, s / (1 + s) with s = sum over them of
    /// exp(z_c - max z). Subtracting from one would tie all images whose maximum rounds to 1; here they keep their order. A logit that is
    /// not a number gives <see cref="double.NaN"/>. Source: Hendrycks and Gimpel, ICLR 2017.
    /// </summary>
    public static double MaximumSoftmax(ReadOnlySpan<float> logits) => MaximumSoftmax(logits, 1);

    /// <summary>The same of softmax(z / temperature).</summary>
    public static double MaximumSoftmax(ReadOnlySpan<float> logits, double temperature)
    {
        var top = Logits.IndexOfMaximum(logits);
        var others = 0.0;
        for (var c = 0; c < logits.Length; c++)
        {
            if (c != top)
            {
                others += Math.Exp(((double)logits[c] - logits[top]) / temperature);
            }
        }

        return others / (1 + others);
    }
}

/// <summary>The softmax of logits and its sums, in double and without overflow.</summary>
internal static class Softmax
{
    /// <summary>p_c = exp(z_c) / sum_k exp(z_k).</summary>
    public static double[] Of(ReadOnlySpan<float> logits)
    {
        var probabilities = new double[logits.Length];
        var top = logits[Logits.IndexOfMaximum(logits)];
        var sum = 0.0;
        for (var c = 0; c < logits.Length; c++)
        {
            probabilities[c] = Math.Exp((double)logits[c] - top);
            sum += probabilities[c];
        }

        for (var c = 0; c < logits.Length; c++)
        {
            probabilities[c] /= sum;
        }

        return probabilities;
    }

    /// <summary>
    /// log p. That of the highest logit is -log(1 + s), s the sum over the others of exp(z_c - max z), so that it does not round to zero for a sure image.
    /// </summary>
    public static double[] LogOf(ReadOnlySpan<float> logits)
    {
        var top = Logits.IndexOfMaximum(logits);
        var others = 0.0;
        for (var c = 0; c < logits.Length; c++)
        {
            others += c == top ? 0 : Math.Exp((double)logits[c] - logits[top]);
        }

        var logSum = LogOnePlus(others);
        var logarithms = new double[logits.Length];
        for (var c = 0; c < logits.Length; c++)
        {
            logarithms[c] = (double)logits[c] - logits[top] - logSum;
        }

        return logarithms;
    }

    /// <summary>log sum_c exp(z_c / temperature).</summary>
    public static double LogSumExp(ReadOnlySpan<float> logits, double temperature)
    {
        var top = logits[Logits.IndexOfMaximum(logits)];
        var sum = 0.0;
        foreach (var logit in logits)
        {
            sum += Math.Exp(((double)logit - top) / temperature);
        }

        return (top / temperature) + Math.Log(sum);
    }

    // double.LogP1 adds the one first, which loses a small x. Here that rounding cancels (W. Kahan).
    private static double LogOnePlus(double x)
    {
        var sum = 1 + x;
        return sum == 1 ? x : Math.Log(sum) * (x / (sum - 1));
    }
}
