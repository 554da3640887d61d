namespace Pascl.Training.Evaluation;

/// <summary>The logits of one branch for a set of images.</summary>
public sealed class Logits : FloatRows
{
    /// <summary>Wraps (images, classCount) row-major values.</summary>
    /// <exception cref="ArgumentException">The values are not whole rows.</exception>
    public Logits(float[] values, int classCount)
        : base(values, classCount, "logits", "classes")
    {
    }

    /// <summary>C, the number of classes.</summary>
    public int ClassCount => Columns;

    /// <summary>The class of every image: its highest logit, the first of equal ones.</summary>
    public int[] Classes()
    {
        var classes = new int[Count];
        for (var i = 0; i < classes.Length; i++)
        {
            classes[i] = IndexOfMaximum(this[i]);
        }

        return classes;
    }

    /// <summary>The out-of-distribution score of every image.</summary>
    public double[] Scores(OodScore score)
    {
        var scores = new double[Count];
        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = score(this[i]);
        }

        return scores;
    }

    internal static int IndexOfMaximum(ReadOnlySpan<float> row)
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
}
