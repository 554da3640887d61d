using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>
/// EAT's reading of m heads of C classes and k abstention columns: the score is the mean over the heads of the probability of the abstention columns, and the
/// class has the highest mean probability. Both are taken from the auxiliary branch, which has what the second phase made of the heads.
/// </summary>
internal sealed class AbstentionReadout(int heads, int classCount) : Readout
{
    public override string ScoreName => "abstention-mass";

    public override string Meaning =>
        "Mean over the heads of the score branch of the softmax probability of all abstention columns; higher = more out-of-distribution.";

    public override Branch ScoreBranch => Branch.Auxiliary;

    /// <summary>m, the number of heads.</summary>
    public int HeadCount => heads;

    /// <summary>C, the number of classes.</summary>
    public int ClassCount => classCount;

    public override double Score(ReadOnlySpan<float> outputs, Branch branch)
    {
        var mass = 0.0;
        var columns = outputs.Length / heads;
        for (var head = 0; head < heads; head++)
        {
            var row = outputs.Slice(head * columns, columns);
            mass += Math.Exp(Softmax.LogSumExp(row[classCount..], temperature: 1) - Softmax.LogSumExp(row, temperature: 1));
        }

        return mass / heads;
    }

    /// <summary>The logarithms of the mean probabilities, which are finite where the outputs are.</summary>
    public override void ClassLogits(ReadOnlySpan<float> outputs, Branch branch, Span<float> logits)
    {
        var columns = outputs.Length / heads;
        Span<double> normalisers = stackalloc double[heads];
        for (var head = 0; head < heads; head++)
        {
            normalisers[head] = Softmax.LogSumExp(outputs.Slice(head * columns, columns), temperature: 1);
        }

        for (var c = 0; c < classCount; c++)
        {
            var highest = double.NegativeInfinity;
            for (var head = 0; head < heads; head++)
            {
                highest = Math.Max(highest, outputs[(head * columns) + c] - normalisers[head]);
            }

            var sum = 0.0;
            for (var head = 0; head < heads; head++)
            {
                sum += Math.Exp(outputs[(head * columns) + c] - normalisers[head] - highest);
            }

            logits[c] = (float)(highest + Math.Log(sum / heads));
        }
    }
}
