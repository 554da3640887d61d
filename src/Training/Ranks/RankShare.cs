namespace Pascl.Training.Ranks;

/// <summary>What one of several ranks has of things in an order: consecutive ones, as many as every other rank has or one more, the ranks one after the other.</summary>
/// <param name="Rank">Number of the rank, from 0.</param>
/// <param name="Size">How many ranks there are.</param>
public readonly record struct RankShare(int Rank, int Size)
{
    /// <summary>Everything, where there is one rank.</summary>
    public static RankShare Whole { get; } = new(0, 1);

    /// <summary>The first of the rank's things, and how many they are.</summary>
    /// <param name="count">How many things there are.</param>
    public (int First, int Count) Of(int count)
    {
        var first = (int)((long)count * Rank / Size);
        return (first, (int)((long)count * (Rank + 1) / Size) - first);
    }
}
