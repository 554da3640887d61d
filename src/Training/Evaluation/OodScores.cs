namespace Pascl.Training.Evaluation;

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
