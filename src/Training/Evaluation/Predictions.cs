using System.Runtime.InteropServices;
using Pascl.Training.Data;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Training.Evaluation;

/// <summary>
/// What the model says about a set of images, one row or number per image in the set's order: the logits of the classes by both branches, and the
/// out-of-distribution scores of the method.
/// </summary>
public sealed record Predictions(Logits Main, Logits Auxiliary)
{
    /// <summary>Images in a batch where nothing else is asked for.</summary>
    internal const int UsualBatchSize = 256;

    private readonly double[]? mainScores;
    private readonly double[]? auxiliaryScores;

    private Predictions(Readout readout, BranchReading main, BranchReading auxiliary)
        : this(main.Logits, auxiliary.Logits) => (Readout, mainScores, auxiliaryScores) = (readout, main.Scores, auxiliary.Scores);

    /// <summary>What a classifier without branches says, with the score that it is used with.</summary>
    internal Predictions(Logits logits, Readout readout, double[] scores)
        : this(logits, logits) => (Readout, mainScores, auxiliaryScores) = (readout, scores, scores);

    /// <summary>How the method reads a branch's outputs; <see cref="Scores"/> are by it.</summary>
    public Readout Readout { get; } = LogitReadout.MaximumSoftmax;

    /// <summary>The logits of one branch.</summary>
    public Logits this[Branch branch] => branch == Branch.Main ? Main : Auxiliary;

    /// <summary>The method's own score of every image by one branch.</summary>
    public double[] Scores(Branch branch) =>
        (branch == Branch.Main ? mainScores : auxiliaryScores) ?? this[branch].Scores(logits => Readout.Score(logits, branch));

    /// <summary>Refuses what no score can be made of.</summary>
    /// <param name="images">The images that were predicted, which messages name.</param>
    /// <exception cref="InputException">A logit is not finite.</exception>
    internal void Check(LabelledSet images)
    {
        foreach (var logits in (Logits[])[Main, Auxiliary])
        {
            if (logits.Count != images.Count)
            {
                throw new ArgumentException($"{images.Name} has {images.Count} images but {logits.Count} predictions; there must be one per image.");
            }

            for (var i = 0; i < logits.Count; i++)
            {
                foreach (var logit in logits[i])
                {
                    if (!float.IsFinite(logit))
                    {
                        throw new InputException(
                            $"The model gives a logit of {logit} for {images.Source(i)} in {images.Name}, so it cannot be evaluated. " +
                            "Its training diverged; train again with a lower learning rate.");
                    }
                }
            }
        }
    }

    /// <summary>
    /// Runs a model over at least one image, in evaluation mode, unaugmented and in batches. Of several ranks each takes a share of the batches, and all get everything.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public static Predictions Of(DualBranchNetwork model, ImageSet images, int batchSize = UsualBatchSize, CancellationToken cancellation = default) =>
        Of(model, images, batchSize, null, cancellation);

    /// <summary>The same; the main branch's features are kept too where there is a buffer for them.</summary>
    internal static Predictions Of(DualBranchNetwork model, ImageSet images, int batchSize, RowBuffer? features, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(images.Count);
        var share = new BatchShare(ProcessGroup.Current, images.Count, batchSize);
        var (main, auxiliary) = (new RowBuffer(images.Count, share.FirstRow), new RowBuffer(images.Count, share.FirstRow));
        EvaluationBatches.ForEach(images, batchSize, model.parameters().First().device, Keep, ProcessGroup.Current.Share, cancellation);
        share.Exchange(main, auxiliary, features);
        return Read(model, main, auxiliary);

        void Keep(torch.Tensor batch)
        {
            var output = model.Predict(batch);
            main.Append(output.MainLogits);
            auxiliary.Append(output.AuxiliaryLogits);
            features?.Append(output.Features);
        }
    }

    /// <summary>What the outputs of a model's classifiers say, whatever computed them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="main">(images, columns of the head): the main branch's.</param>
    /// <param name="auxiliary">As many: the auxiliary branch's.</param>
    internal static Predictions Read(DualBranchNetwork model, RowBuffer main, RowBuffer auxiliary)
    {
        var readout = Readout.Of(model);
        return new(readout, Of(main, Branch.Main), Of(auxiliary, Branch.Auxiliary));

        BranchReading Of(RowBuffer outputs, Branch branch) => BranchReading.Of(outputs, readout, branch, model.Head.ClassCount);
    }
}

/// <summary>One run of the model over a set of images, kept: every out-of-distribution score but ODIN is computed from it without the model.</summary>
/// <param name="Images">The images.</param>
/// <param name="Predictions">The logits of both branches; without columns where there are none.</param>
/// <param name="Features">(images, features): those of the main branch, which gives the score; without columns where there are none.</param>
public sealed record FeaturePass(LabelledSet Images, Predictions Predictions, Features Features)
{
    /// <summary>Runs a model over at least one image, in evaluation mode, unaugmented and in batches.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled between two batches.</exception>
    public static FeaturePass Of(DualBranchNetwork model, ImageSet images, int batchSize = Predictions.UsualBatchSize, CancellationToken cancellation = default)
    {
        var features = new RowBuffer(images.Count, new BatchShare(ProcessGroup.Current, images.Count, batchSize).FirstRow);
        var predictions = Predictions.Of(model, images, batchSize, features, cancellation);
        return new FeaturePass(images, predictions, new Features(features.Values, features.Columns));
    }
}

/// <summary>The batches of a set that a rank runs: whole ones, the same as those of one rank, so that every number is the same, too.</summary>
/// <param name="ranks">Who shares them.</param>
/// <param name="count">Images of the set.</param>
/// <param name="batchSize">Images in a full batch.</param>
internal sealed class BatchShare(ProcessGroup ranks, int count, int batchSize)
{
    private readonly int batches = (count + batchSize - 1) / batchSize;

    public int FirstRow => FirstRowOf(ranks.Share.Of(batches).First);

    /// <summary>Gives every rank the rows of all.</summary>
    public void Exchange(params RowBuffer?[] buffers)
    {
        if (ranks.IsAlone)
        {
            return;
        }

        int[] rows = [.. Enumerable.Range(0, ranks.Size).Select(rank => ranks.ShareOf(rank).Of(batches)).Select(own => FirstRowOf(own.First + own.Count) - FirstRowOf(own.First))];
        foreach (var buffer in buffers.OfType<RowBuffer>())
        {
            // A rank without a batch does not know the columns yet.
            buffer.Begin((int)ranks.Largest(buffer.Columns));
            ranks.Gather(buffer.Values, [.. rows.Select(own => checked(own * buffer.Columns))]);
        }
    }

    private int FirstRowOf(int batch) => Math.Min(count, batch * batchSize);
}

/// <summary>Collects the rows of one batch after the other in one array.</summary>
/// <param name="count">How many rows there will be in all.</param>
/// <param name="first">The row that comes first.</param>
internal sealed class RowBuffer(int count, int first = 0)
{
    private int filled;

    /// <summary>The rows so far, and zeros for those to come.</summary>
    public float[] Values { get; private set; } = [];

    public int Columns { get; private set; }

    /// <summary>Makes room for rows of so many columns, once.</summary>
    public void Begin(int columns)
    {
        if (Columns == 0)
        {
            Columns = columns;
            Values = new float[(long)count * Columns];
        }
    }

    /// <summary>Appends a (rows, columns) tensor of any type on any device.</summary>
    public void Append(torch.Tensor rows) => Append(MemoryMarshal.Cast<byte, float>(rows.to(torch.float32).cpu().contiguous().bytes), (int)rows.shape[1]);

    /// <summary>Appends rows, row-major.</summary>
    public void Append(ReadOnlySpan<float> values, int columns)
    {
        Begin(columns);
        values.CopyTo(Values.AsSpan((first * Columns) + filled));
        filled += values.Length;
    }
}

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

/// <summary>What a method reads from the outputs of one branch for a set of images.</summary>
/// <param name="Logits">The logits of the classes.</param>
/// <param name="Scores">The method's out-of-distribution scores.</param>
internal sealed record BranchReading(Logits Logits, double[] Scores)
{
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
