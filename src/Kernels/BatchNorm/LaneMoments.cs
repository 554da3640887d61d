using ILGPU;

namespace Pascl.Kernels;

/// <summary><see cref="BatchMoments"/> of equally many values in each lane.</summary>
internal readonly struct LaneMoments<TLanes>(int count, TLanes mean, TLanes squaredDeviations)
    where TLanes : unmanaged, ILanes<TLanes>
{
    public readonly int Count = count;
    public readonly TLanes Mean = mean;
    public readonly TLanes SquaredDeviations = squaredDeviations;

    /// <summary>Four values of each lane: their mean first, then the squares about it.</summary>
    public static LaneMoments<TLanes> Of(TLanes a, TLanes b, TLanes c, TLanes d)
    {
        var mean = ((a + b) + (c + d)) * 0.25f;
        var (fromA, fromB, fromC, fromD) = (a - mean, b - mean, c - mean, d - mean);
        return new(4, mean, (fromA * fromA) + (fromB * fromB) + (fromC * fromC) + (fromD * fromD));
    }

    /// <summary>See <see cref="BatchMoments.Merge"/>.</summary>
    public static LaneMoments<TLanes> Merge(LaneMoments<TLanes> left, LaneMoments<TLanes> right)
    {
        var count = left.Count + right.Count;
        var share = count > 0 ? right.Count / (float)count : 0;
        var difference = right.Mean - left.Mean;
        return new(
            count,
            left.Mean + (difference * share),
            left.SquaredDeviations + right.SquaredDeviations + (difference * difference * (left.Count * share)));
    }

    /// <summary>The moments of one lane.</summary>
    public BatchMoments Lane(int index) => new(Count, Mean.Lane(index), SquaredDeviations.Lane(index));

    /// <summary>The moments of all lanes' values together.</summary>
    public BatchMoments All()
    {
        var mean = Mean.Sum() / TLanes.Width;
        var differences = Mean - TLanes.Fill(mean);
        return new(Count * TLanes.Width, mean, SquaredDeviations.Sum() + (Count * (differences * differences).Sum()));
    }
}

internal readonly struct MergeLaneMoments<TLanes> : IMerge<LaneMoments<TLanes>>
    where TLanes : unmanaged, ILanes<TLanes>
{
    public LaneMoments<TLanes> Merge(LaneMoments<TLanes> left, LaneMoments<TLanes> right) => LaneMoments<TLanes>.Merge(left, right);
}

/// <summary>Two sums in each lane: of gradients, and of gradients times the input's distance from its mean.</summary>
internal readonly struct LaneSums<TLanes>(TLanes gradient, TLanes product)
    where TLanes : unmanaged, ILanes<TLanes>
{
    public readonly TLanes Gradient = gradient;
    public readonly TLanes Product = product;

    public LaneSums<One> Lane(int index) => new(new One(Gradient.Lane(index)), new One(Product.Lane(index)));

    public LaneSums<One> All() => new(new One(Gradient.Sum()), new One(Product.Sum()));
}

internal readonly struct AddLaneSums<TLanes> : IMerge<LaneSums<TLanes>>
    where TLanes : unmanaged, ILanes<TLanes>
{
    public LaneSums<TLanes> Merge(LaneSums<TLanes> left, LaneSums<TLanes> right) => new(left.Gradient + right.Gradient, left.Product + right.Product);
}

/// <summary>Merges the values of the threads of a block that belong to the same column, inside a kernel. Every thread must call.</summary>
/// <remarks>
/// A thread's column is its index modulo their number, which is a power of two up to 32; the block has 32, 64, 128 or 256 threads. The order is fixed by these
/// two numbers. One barrier, and none in a block of one warp. The shared memory belongs to the place of the call.
/// </remarks>
internal static class ColumnReduction
{
    private const int MaximumThreads = 256;

    /// <summary>The merged value of a column, in the first thread of the column; the others get something unfinished.</summary>
    public static T Merge<T, TMerge>(T value, int columns)
        where T : unmanaged
        where TMerge : struct, IMerge<T>
    {
        var ofWarps = SharedMemory.Allocate<T>(MaximumThreads);

        // By hand, because ILGPU does not unroll loops.
        value = columns <= 16 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 16)) : value;
        value = columns <= 8 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 8)) : value;
        value = columns <= 4 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 4)) : value;
        value = columns <= 2 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 2)) : value;
        value = columns <= 1 ? default(TMerge).Merge(value, Warp.ShuffleXor(value, 1)) : value;
        if (Group.DimX == ThreadPlace.WarpSize)
        {
            return value;
        }

        if (ThreadPlace.Lane < columns)
        {
            ofWarps[(ThreadPlace.Warp * columns) + ThreadPlace.Lane] = value;
        }

        Group.Barrier();
        if (Group.IdxX < columns)
        {
            for (var warp = 1; warp < ThreadPlace.Warps; warp++)
            {
                value = default(TMerge).Merge(value, ofWarps[(warp * columns) + ThreadPlace.Lane]);
            }
        }

        return value;
    }
}

/// <summary>
/// How a thread steps through the items of a column of an (images, columns, pixels) array: every <c>stride</c>-th, image after image. The divisions happen
/// once, at the start.
/// </summary>
internal readonly struct Walk
{
    private readonly int pixels;
    private readonly int pixel;
    private readonly int pixelStep;
    private readonly long step;
    private readonly long carry;

    /// <summary>Starts at an item.</summary>
    public Walk(int columns, int pixels, int item, int stride)
    {
        this.pixels = pixels;
        var (images, imageStep) = ((uint)item / (uint)pixels, (uint)stride / (uint)pixels);
        pixel = item - ((int)images * pixels);
        pixelStep = stride - ((int)imageStep * pixels);
        var image = (long)columns * pixels;
        step = (imageStep * image) + pixelStep;
        carry = image - pixels;
        Offset = (images * image) + pixel;
    }

    private Walk(Walk from)
    {
        this = from;
        pixel = from.pixel + pixelStep;
        Offset = from.Offset + step;
        if (pixel >= pixels)
        {
            pixel -= pixels;
            Offset += carry;
        }
    }

    /// <summary>Where the item lies, from the column's first.</summary>
    public long Offset { get; }

    /// <summary>The thread's next item.</summary>
    public Walk Next() => new(this);
}
