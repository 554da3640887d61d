using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>
/// COCL's reading of C + 1 columns, the last of which means outlier, with outlier logit calibration: z'_c = z_c - tau log prior_c for the classes, z'_C = z_C.
/// The score is softmax(z')_C, and the class argmax_{c &lt; C} z'_c.
/// </summary>
/// <param name="adjustment">(C): tau log prior, which is subtracted.</param>
/// <param name="calibratesAuxiliary">
/// Whether the auxiliary branch is read like the main branch. After a finetuning with logit adjustment it is not: the prior would be removed twice.
/// </param>
internal sealed class OutlierColumnReadout(double[] adjustment, bool calibratesAuxiliary) : Readout
{
    private readonly double[] none = new double[adjustment.Length];

    public override string ScoreName => "outlier-probability";

    public override string Meaning =>
        "Softmax probability of the outlier column of the score branch, after tau log prior was subtracted from the logits of the classes; " +
        "higher = more out-of-distribution.";

    /// <summary>C, the number of classes.</summary>
    public int ClassCount => adjustment.Length;

    /// <summary>(C): what is subtracted from the logits of the classes of a branch.</summary>
    public double[] Adjustment(Branch branch) => branch == Branch.Main || calibratesAuxiliary ? adjustment : none;

    public override double Score(ReadOnlySpan<float> outputs, Branch branch)
    {
        var others = 0.0; // sum_c exp(z'_c - z'_C)
        var adjustment = Adjustment(branch);
        for (var c = 0; c < adjustment.Length; c++)
        {
            others += Math.Exp(outputs[c] - adjustment[c] - outputs[^1]);
        }

        return 1 / (1 + others);
    }

    public override void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits)
    {
        var adjustment = Adjustment(branch);
        for (var c = 0; c < logits.Length; c++)
        {
            logits[c] = (float)(outputs[c] - adjustment[c]);
        }
    }
}
