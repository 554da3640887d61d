using System.Runtime.InteropServices;
using Pascl.Training.Data;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Evaluation;

/// <summary>Numbers for a set of images, one row per image in the set's order. A set can be without them: its rows then have no columns.</summary>
public abstract class FloatRows
{
    private protected FloatRows(float[] values, int columns, string number, string column)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        if (values.Length % columns != 0)
        {
            throw new ArgumentException($"There are {values.Length} {number}, which is not a multiple of the {columns} {column}.");
        }

        Rows = new ArrayRows(values, values.Length / columns, columns);
    }

    private protected FloatRows(INumberRows rows) => Rows = rows;

    /// <summary>Number of images.</summary>
    public int Count => Rows.Count;

    /// <summary>The row of image <paramref name="index"/>.</summary>
    public ReadOnlySpan<float> this[int index] => Rows[index];

    /// <summary>Where the numbers lie.</summary>
    internal INumberRows Rows { get; }

    private protected int Columns => Rows.Width;

    /// <summary>Some rows, (count, columns) float64 on the CPU, in the current dispose scope.</summary>
    internal torch.Tensor Part(int first, int count) => Gather(Enumerable.Range(first, count), count);

    private torch.Tensor Gather(IEnumerable<int> images, int count)
    {
        var values = torch.empty([count, Columns], torch.float64);
        Fill(values, images);
        return values;
    }

    /// <summary>Writes the rows of some images into the first rows of a tensor, (at least as many, columns) float64 on the CPU.</summary>
    internal void Fill(torch.Tensor target, IEnumerable<int> images)
    {
        var remaining = MemoryMarshal.Cast<byte, double>(target.bytes);
        foreach (var image in images)
        {
            var row = this[image];
            for (var column = 0; column < row.Length; column++)
            {
                remaining[column] = row[column];
            }

            remaining = remaining[row.Length..];
        }
    }
}

/// <summary>The features of one branch for a set of images: what its classifier sees, the average of the last stage over the image.</summary>
public sealed class Features : FloatRows
{
    /// <summary>Wraps (images, width) row-major values.</summary>
    /// <exception cref="ArgumentException">The values are not whole rows.</exception>
    public Features(float[] values, int width)
        : base(values, width, "features", "columns")
    {
    }

    /// <summary>Wraps rows that lie anywhere.</summary>
    internal Features(INumberRows rows)
        : base(rows)
    {
    }

    /// <summary>d, the number of features of an image.</summary>
    public int Width => Columns;

    /// <summary>The features of some images, in that order, copied.</summary>
    internal Features Select(int[] images)
    {
        var values = new float[images.Length * Width];
        foreach (var (place, image) in images.Index())
        {
            this[image].CopyTo(values.AsSpan(place * Width));
        }

        return new Features(values, Width);
    }

    /// <summary>Some rows, (count, Width) float64 on the CPU, in the current dispose scope.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many.</param>
    /// <param name="normalised">Whether each row f is replaced by f / max(|f|, 1e-12), so that a row of zeros stays as it is.</param>
    internal torch.Tensor Part(int first, int count, bool normalised)
    {
        using var scope = torch.NewDisposeScope();
        var rows = Part(first, count);
        return (normalised ? torch.nn.functional.normalize(rows) : rows).MoveToOuterDisposeScope();
    }
}

/// <summary>The logits of one branch for a set of images.</summary>
public sealed class Logits : FloatRows
{
    /// <summary>Wraps (images, classCount) row-major values.</summary>
    /// <exception cref="ArgumentException">The values are not whole rows.</exception>
    public Logits(float[] values, int classCount)
        : base(values, classCount, "logits", "classes")
    {
    }

    /// <summary>Wraps rows that lie anywhere.</summary>
    internal Logits(INumberRows rows)
        : base(rows)
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
            classes[i] = Softmax.IndexOfMaximum(this[i]);
        }

        return classes;
    }

    /// <summary>The out-of-distribution score of every image.</summary>
    /// <param name="score">From the logits of one image, (C), to its score.</param>
    public double[] Scores(Func<ReadOnlySpan<float>, double> score)
    {
        var scores = new double[Count];
        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = score(this[i]);
        }

        return scores;
    }
}
