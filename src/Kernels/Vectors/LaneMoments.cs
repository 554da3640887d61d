namespace Pascl.Kernels.Vectors;

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
