using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>The features that a frozen network gave some images, as they are and in several augmented views; they take the place of the pixels.</summary>
/// <param name="plain">The images as they are; null for images that only train.</param>
/// <param name="views">The views; none for images that do not train.</param>
/// <param name="rows">The row of each image.</param>
internal sealed class FeatureRows(FeatureBlock? plain, IReadOnlyList<FeatureBlock> views, int[] rows) : INumberRows
{
    /// <summary>F, the features of an image.</summary>
    public int Width => (plain ?? views[0]).Width;

    /// <inheritdoc/>
    public int Count => rows.Length;

    /// <summary>Augmented views of each image.</summary>
    public int ViewCount => views.Count;

    /// <summary>Whether the images as they are have features.</summary>
    public bool HasPlain => plain is not null;

    /// <summary>The features of an image as it is.</summary>
    public ReadOnlySpan<float> this[int index] => plain![rows[index]];

    /// <summary>The features of a view of an image.</summary>
    public ReadOnlySpan<float> View(int view, int index) => views[view][rows[index]];

    /// <summary>Those of some of the images, in that order.</summary>
    public FeatureRows Select(int[] chosen) => new(plain, views, Array.ConvertAll(chosen, index => rows[index]));
}

/// <summary>Rows of float32 that lie in a file, mapped.</summary>
/// <param name="path">The file, which must hold them all.</param>
/// <param name="offset">The bytes before the rows.</param>
/// <param name="count">The number of rows.</param>
/// <param name="width">The numbers in a row.</param>
internal sealed unsafe class FeatureBlock(string path, long offset, int count, int width) : INumberRows, IDisposable
{
    private readonly MappedBytes bytes = new(path, offset, (long)count * width * sizeof(float));

    /// <inheritdoc/>
    public int Count => count;

    /// <summary>Numbers in a row.</summary>
    public int Width => width;

    /// <summary>A row.</summary>
    public ReadOnlySpan<float> this[int row]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)count);
            return new((float*)bytes.First + ((long)row * width), width);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => bytes.Dispose();
}

/// <summary>
/// Draws the views of images from those whose features are at hand: which one depends on the seed, the epoch, the image and the stream alone. The second view of an
/// image in a batch is another one than the first, where there are two, and the third another one than both, where there are three.
/// </summary>
internal sealed class FeatureViews(FeatureRows features, BatchPlan plan) : AugmentedViews
{
    private int[] order = [];

    public override torch.Device Device => torch.CPU;

    public override (int Height, int Width, int Channels) Shape => (1, 1, features.Width);

    public override void Begin(int[] images) => order = images;

    public override void Make(int first, int epoch, int stream, torch.Tensor destination)
    {
        var remaining = MemoryMarshal.Cast<byte, float>(destination.bytes);
        foreach (var image in order.AsSpan(first, (int)destination.shape[0]))
        {
            features.View(Choose(epoch, image, stream), image).CopyTo(remaining);
            remaining = remaining[features.Width..];
        }
    }

    /// <summary>The view of an image, from 0.</summary>
    internal int Choose(int epoch, int image, int stream)
    {
        var count = features.ViewCount;
        var random = new RandomSequence(plan.Seed, epoch, image, stream == RandomStream.Outlier ? RandomStream.OutlierFeatures : RandomStream.Features);
        var view = random.Below(count);
        if (count == 1 || stream is RandomStream.FirstView or RandomStream.Outlier)
        {
            return view;
        }

        var step = random.Below(count - 1);
        return stream != RandomStream.ThirdView ? (view + 1 + step) % count
            : count == 2 ? view
            : (view + 1 + ((step + 1 + random.Below(count - 2)) % (count - 1))) % count;
    }
}

/// <summary>Rows of float32, wherever they lie: in memory, in a mapped file, or as some columns of other rows.</summary>
internal interface INumberRows
{
    /// <summary>How many rows.</summary>
    int Count { get; }

    /// <summary>Numbers in a row.</summary>
    int Width { get; }

    /// <summary>A row, until the next call by the same thread.</summary>
    ReadOnlySpan<float> this[int row] { get; }
}

/// <summary>Rows in one array.</summary>
/// <param name="values">(rows, width), row-major.</param>
/// <param name="count">How many rows.</param>
/// <param name="width">Numbers in a row.</param>
internal sealed class ArrayRows(float[] values, int count, int width) : INumberRows
{
    /// <inheritdoc/>
    public int Count => count;

    /// <inheritdoc/>
    public int Width => width;

    /// <inheritdoc/>
    public ReadOnlySpan<float> this[int row] => values.AsSpan(checked(row * width), width);
}

/// <summary>Neighbouring columns of other rows.</summary>
/// <param name="rows">The rows.</param>
/// <param name="first">The first of the columns.</param>
/// <param name="width">How many.</param>
internal sealed class ColumnRows(INumberRows rows, int first, int width) : INumberRows
{
    /// <inheritdoc/>
    public int Count => rows.Count;

    /// <inheritdoc/>
    public int Width => width;

    /// <inheritdoc/>
    public ReadOnlySpan<float> this[int row] => rows[row].Slice(first, width);
}
