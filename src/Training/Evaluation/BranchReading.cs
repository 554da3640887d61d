using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>What a method reads from the outputs of one branch for a set of images.</summary>
/// <param name="Logits">The logits of the classes.</param>
/// <param name="Scores">The method's out-of-distribution scores.</param>
internal sealed record BranchReading(Logits Logits, double[] Scores)
{
    /// <summary>Reads rows of outputs.</summary>
    public static BranchReading Of(RowBuffer outputs, Readout readout, Branch branch, int classCount)
    {
        var count = outputs.Values.Length / outputs.Columns;
        var logits = new float[count * classCount];
        var scores = new double[count];
        for (var i = 0; i < count; i++)
        {
            var row = outputs.Values.AsSpan(i * outputs.Columns, outputs.Columns);
            scores[i] = readout.Score(row, branch);
            readout.ClassLogits(row, branch, logits.AsSpan(i * classCount, classCount));
        }

        return new BranchReading(new Logits(logits, classCount), scores);
    }
}
