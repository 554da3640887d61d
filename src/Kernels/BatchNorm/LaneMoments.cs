using ILGPU;

namespace Pascl.Kernels;

/// <summary><see cref="BatchMoments"/> of equally many values in each lane.</summary>
internal readonly struct LaneMoments<TLanes>(int count, TLanes mean, TLanes squaredDeviations)
    where TLanes : unmanaged, ILanes<TLanes>
{
    public readonly int Count = count;
    public readonly TLanes Mean = mean;
    public readonly TLanes SquaredDeviations = squaredDeviations;

    /// <summary>Of no value yet. The first one to come stands for the mean, so that what is squared is small from the start.</summary>
    public static LaneMoments<TLanes> StartingAt(TLanes first) => new(0, first, default);

    /// <summary>
    /// With four more values of each lane. With their differences d from the mean so far, and n values then, the mean moves by sum d / n and the squared
    /// deviations grow by sum d^2 - (sum d)^2 / n, of which no more than half can cancel; three quarters among the first four, one of which is the mean.
    /// </summary>
    public LaneMoments<TLanes> With(TLanes a, TLanes b, TLanes c, TLanes d)
    {
        var (fromA, fromB, fromC, fromD) = (a - Mean, b - Mean, c - Mean, d - Mean);
        var sum = (fromA + fromB) + (fromC + fromD);
        var share = SpecialFunctions.Reciprocal(Count + 4);
        return new(
            Count + 4,
            Mean + (sum * share),
            SquaredDeviations + (fromA * fromA) + (fromB * fromB) + (fromC * fromC) + (fromD * fromD) - (sum * sum * share));
    }

    /// <summary>With one more value of each lane.</summary>
    public LaneMoments<TLanes> With(TLanes value)
    {
        var difference = value - Mean;
        var share = SpecialFunctions.Reciprocal(Count + 1);
        return new(Count + 1, Mean + (difference * share), SquaredDeviations + (difference * difference * (Count * share)));
    }

    /// <summary>See <see cref="BatchMoments.Merge"/>.</summary>
    public static LaneMoments<TLanes> Merge(LaneMoments<TLanes> left, LaneMoments<TLanes> right)
    {
        var count = left.Count + right.Count;
        var share = count > 0 ? right.Count * SpecialFunctions.Reciprocal(count) : 0;
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
/// <remarks>Places have 32 bits, so that a step is two additions and a comparison; steps back are additions that overflow.</remarks>
internal readonly struct Walk
{
    private const uint Ahead = 1;
    private const uint Back = uint.MaxValue;

    private readonly int pixels;
    private readonly int pixel;
    private readonly int pixelStep;
    private readonly uint step;
    private readonly uint carry;
    private readonly uint place;

    private Walk(uint start, uint direction, int columns, int pixels, int item, int stride)
    {
        this.pixels = pixels;
        var (images, imageStep) = ((uint)item / (uint)pixels, (uint)stride / (uint)pixels);
        pixel = item - ((int)images * pixels);
        pixelStep = stride - ((int)imageStep * pixels);
        var image = (uint)columns * (uint)pixels;
        step = direction * ((imageStep * image) + (uint)pixelStep);
        carry = direction * (image - (uint)pixels);
        place = start + (direction * ((images * image) + (uint)pixel));
    }

    private Walk(Walk from)
    {
        this = from;
        pixel = from.pixel + pixelStep;
        place = from.place + step;
        if (pixel >= pixels)
        {
            pixel -= pixels;
            place += carry;
        }
    }

    /// <summary>Where the item lies in the array.</summary>
    public long Place => place;

    /// <summary>From the first item of a column.</summary>
    public static Walk Forward(int column, int columns, int pixels, int item, int stride) =>
        new((uint)column * (uint)pixels, Ahead, columns, pixels, item, stride);

    /// <summary>From the last item of a column, against their order.</summary>
    public static Walk Backward(int column, int columns, int pixels, int items, int item, int stride)
    {
        var lastImage = ((uint)items / (uint)pixels) - 1;
        var last = (((lastImage * (uint)columns) + (uint)column) * (uint)pixels) + (uint)pixels - 1;
        return new(last, Back, columns, pixels, item, stride);
    }

    /// <summary>The thread's next item.</summary>
    public Walk Next() => new(this);
}
