using static TorchSharp.torch;

namespace Pascl.Training.Networks;

/// <summary>How a method reads a branch's outputs of one image: the logits of the classes, and the out-of-distribution score.</summary>
public abstract class Readout
{
    /// <summary>Name of the score, for example <c>msp</c>.</summary>
    public abstract string ScoreName { get; }

    /// <summary>What the score is, as a sentence of the report.</summary>
    public abstract string Meaning { get; }

    /// <summary>How each constant of the score was chosen, as a sentence of the report.</summary>
    public virtual string Constants => "The score has no constants.";

    /// <summary>The branch whose score is the deployed one.</summary>
    public virtual Branch ScoreBranch => Branch.Main;

    /// <summary>The reading of a network's method, by the class shares that the network keeps now.</summary>
    public static Readout Of(DualBranchNetwork model)
    {
        using var scope = NewDisposeScope();
        return model.Head.Readout(model.Method?.ClassShares?.cpu().data<double>().ToArray() ?? []);
    }

    /// <summary>The score of an image: higher = more out-of-distribution.</summary>
    /// <param name="outputs">The outputs of the branch's classifier.</param>
    /// <param name="branch">The branch.</param>
    public abstract double Score(ReadOnlySpan<float> outputs, Branch branch);

    /// <summary>The logits of the classes: the highest names the class.</summary>
    /// <param name="outputs">The outputs of the branch's classifier.</param>
    /// <param name="branch">The branch.</param>
    /// <param name="logits">C numbers to fill.</param>
    public virtual void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits) => outputs.CopyTo(logits);
}

/// <summary>The reading of a plain classifier: its outputs are the logits, and the score is a function of them.</summary>
/// <param name="scoreName">Name of the score.</param>
/// <param name="meaning">What the score is, as a sentence of the report.</param>
/// <param name="score">The score of one image from its logits, (C): higher = more out-of-distribution.</param>
public sealed class LogitReadout(string scoreName, string meaning, Func<ReadOnlySpan<float>, double> score) : Readout
{
    /// <summary>1 - max softmax probability.</summary>
    public static LogitReadout MaximumSoftmax { get; } =
        new("msp", "1 - max softmax probability of the score branch; higher = more out-of-distribution.", logits => Softmax.OneMinusMaximum(logits));

    /// <summary>The energy at temperature 1.</summary>
    public static LogitReadout Energy { get; } =
        new("energy", "Energy, -log sum_c exp(z_c), of the score branch's logits z; higher = more out-of-distribution.", logits => Softmax.Energy(logits, temperature: 1));

    /// <inheritdoc/>
    public override string ScoreName => scoreName;

    /// <inheritdoc/>
    public override string Constants => "The temperature is 1, fixed by the definition; nothing is fitted.";

    /// <inheritdoc/>
    public override string Meaning => meaning;

    /// <inheritdoc/>
    public override double Score(ReadOnlySpan<float> outputs, Branch branch) => score(outputs);
}

/// <summary>The softmax of logits and its sums, in double and without overflow.</summary>
internal static class Softmax
{
    /// <summary>The index of the highest value, the first of equal ones.</summary>
    public static int IndexOfMaximum(ReadOnlySpan<float> row)
    {
        var best = 0;
        for (var i = 1; i < row.Length; i++)
        {
            if (row[i] > row[best])
            {
                best = i;
            }
        }

        return best;
    }

    /// <summary>
    /// 1 - max_c softmax(z / temperature)_c, computed as the sum of the other classes' probabilities, s / (1 + s) with s = sum over them of
    /// exp((z_c - max z) / temperature). Subtracting from one would tie all images whose maximum rounds to 1; here they keep their order. A logit that is
    /// not a number gives <see cref="double.NaN"/>. Source: Hendrycks and Gimpel, ICLR 2017.
    /// </summary>
    public static double OneMinusMaximum(ReadOnlySpan<float> logits, double temperature = 1)
    {
        var top = IndexOfMaximum(logits);
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

    /// <summary>The energy, -T log sum_c exp(z_c / T). Source: Liu et al., NeurIPS 2020.</summary>
    public static double Energy(ReadOnlySpan<float> logits, double temperature) => -temperature * LogSumExp(logits, temperature);

    /// <summary>p_c = exp(z_c) / sum_k exp(z_k).</summary>
    public static double[] Of(ReadOnlySpan<float> logits)
    {
        var probabilities = new double[logits.Length];
        var top = logits[Softmax.IndexOfMaximum(logits)];
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
        var top = Softmax.IndexOfMaximum(logits);
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
        var top = logits[Softmax.IndexOfMaximum(logits)];
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
