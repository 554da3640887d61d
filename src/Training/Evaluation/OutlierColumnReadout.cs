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
    public override string ScoreName => "outlier-probability";

    public override string Meaning =>
        "Softmax probability of the outlier column of the score branch, after tau log prior was subtracted from the logits of the classes; " +
        "higher = more out-of-distribution.";

    public override double Score(ReadOnlySpan<float> outputs, Branch branch)
    {
        var others = 0.0; // sum_c exp(z'_c - z'_C)
        for (var c = 0; c < adjustment.Length; c++)
        {
            others += Math.Exp(Calibrated(outputs, branch, c) - outputs[^1]);
        }

        return 1 / (1 + others);
    }

    public override void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits)
    {
        for (var c = 0; c < logits.Length; c++)
        {
            logits[c] = (float)Calibrated(outputs, branch, c);
        }
    }

    private double Calibrated(ReadOnlySpan<float> outputs, Branch branch, int label) =>
        branch == Branch.Main || calibratesAuxiliary ? outputs[label] - adjustment[label] : outputs[label];
}
