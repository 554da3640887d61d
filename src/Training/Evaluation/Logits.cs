namespace Pascl.Training.Evaluation;

/// <summary>The logits of one branch for a set of images.</summary>
public sealed class Logits
{
    private readonly float[] values;

    /// <summary>Wraps (images, classCount) row-major values.</summary>
    /// <exception cref="ArgumentException">The values are not whole rows.</exception>
    public Logits(float[] values, int classCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(classCount);
        if (values.Length % classCount != 0)
        {
            throw new ArgumentException($"There are {values.Length} logits, which is not a multiple of the {classCount} classes.");
        }

        (this.values, ClassCount) = (values, classCount);
    }

    /// <summary>Number of classes.</summary>
    public int ClassCount { get; }

    /// <summary>Number of images.</summary>
    public int Count => values.Length / ClassCount;

    /// <summary>The logits of image <paramref name="index"/>.</summary>
    public ReadOnlySpan<float> this[int index] => values.AsSpan(index * ClassCount, ClassCount);

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
