namespace Pascl.Training.Data;

/// <summary>Which classes count as the tail.</summary>
public enum TailRule
{
    /// <summary>Those with the fewest training images; of equals, the one with the higher index.</summary>
    FewestImages,

    /// <summary>Those with the highest index, as in the code of the PASCL authors; the same where classes are sorted by size.</summary>
    HighestIndex,
}
