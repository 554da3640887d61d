namespace Pascl.Training.Data;

/// <summary>
/// The tail classes, whose images are the anchors of the PASCL loss: a fraction k of the C classes, C - round((1 - k) * C) in number with
/// halves rounded to even, as the authors' code rounds.
/// </summary>
public sealed class TailClasses
{
    /// <summary>Finds the tail.</summary>
    /// <param name="countPerClass">Training images of each class.</param>
    /// <param name="fraction">k, above 0 and at most 1.</param>
    /// <param name="rule">Which classes count as the tail.</param>
    /// <exception cref="InputException">The fraction is out of range, or no class is left in the tail.</exception>
    public TailClasses(ReadOnlySpan<int> countPerClass, double fraction, TailRule rule = TailRule.FewestImages)
    {
        if (!(fraction > 0 && fraction <= 1))
        {
            throw new InputException($"The tail fraction is {fraction}; expected a number above 0 and at most 1.");
        }

        var counts = countPerClass.ToArray();
        Count = counts.Length - (int)Math.Round((1 - fraction) * counts.Length, MidpointRounding.ToEven);
        if (Count == 0)
        {
            throw new InputException(
                $"A tail fraction of {fraction} of {counts.Length} classes is less than one class; "
                + $"choose at least {0.51 / counts.Length:F3}.");
        }

        Flags = new bool[counts.Length];
        var order = Enumerable.Range(0, counts.Length).Reverse();
        foreach (var label in (rule == TailRule.FewestImages ? order.OrderBy(label => counts[label]) : order).Take(Count))
        {
            Flags[label] = true;
        }
    }

    /// <summary>Whether each class is in the tail.</summary>
    public bool[] Flags { get; }

    /// <summary>Number of tail classes.</summary>
    public int Count { get; }
}

/// <summary>Which classes count as the tail.</summary>
public enum TailRule
{
    /// <summary>Those with the fewest training images; of equals, the one with the higher index.</summary>
    FewestImages,

    /// <summary>Those with the highest index, as in the code of the PASCL authors; the same where classes are sorted by size.</summary>
    HighestIndex,
}
