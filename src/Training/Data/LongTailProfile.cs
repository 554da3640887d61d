namespace Pascl.Training.Data;

/// <summary>
/// The number of training images per class of a long-tailed subset, after Cui et al. (CVPR 2019) and Cao et al. (NeurIPS 2019). With rho
/// the ratio of the smallest class to the largest, class c of C has n_c images: exponential n_c = floor(n_max * rho^(c / (C - 1))); step
/// n_c = n_max for c &lt; floor(C / 2), else floor(n_max * rho).
/// </summary>
/// <param name="Shape">How the numbers fall.</param>
/// <param name="Ratio">rho, above 0 and at most 1; an imbalance of 100 to 1 is 0.01.</param>
public sealed record LongTailProfile(LongTailShape Shape, double Ratio)
{
    /// <summary>
    /// The profile that counts follow exactly, with the ratio of the last class to the first; null where they follow none or are all equal.
    /// </summary>
    public static LongTailProfile? Of(ReadOnlySpan<int> counts)
    {
        if (counts.Length < 2 || counts[^1] <= 0 || counts[^1] >= counts[0])
        {
            return null;
        }

        foreach (var shape in Enum.GetValues<LongTailShape>())
        {
            var profile = new LongTailProfile(shape, (double)counts[^1] / counts[0]);
            if (counts.SequenceEqual(profile.Counts(counts.Length, counts[0])))
            {
                return profile;
            }
        }

        return null;
    }

    /// <summary>The images of each class.</summary>
    /// <param name="classCount">C.</param>
    /// <param name="largest">n_max.</param>
    /// <exception cref="InputException">The ratio is out of range, or so small that a class would have no image.</exception>
    public int[] Counts(int classCount, int largest)
    {
        if (!(Ratio > 0 && Ratio <= 1))
        {
            throw new InputException(
                $"The long-tail ratio is {Ratio}; expected a number above 0 and at most 1, for example 0.01 for an imbalance of 100.");
        }

        var counts = new int[classCount];
        for (var label = 0; label < classCount; label++)
        {
            var depth = Shape == LongTailShape.Step ? (label < classCount / 2 ? 0 : 1) : label / Math.Max(1.0, classCount - 1);
            counts[label] = (int)(largest * Math.Pow(Ratio, depth));
        }

        return Array.IndexOf(counts, 0) is var empty and >= 0
            ? throw new InputException(
                $"A long-tail ratio of {Ratio} leaves class {empty} without images, because the largest class has {largest}; "
                + $"choose a ratio of at least {1.0 / largest:G3}.")
            : counts;
    }

    /// <summary>
    /// Keeps the first n_c images of each class in their order; n_max is the size of the largest class. Images that follow the profile
    /// already are all kept.
    /// </summary>
    /// <exception cref="InputException">A class has fewer images than the profile asks for.</exception>
    public ImageSet Apply(ImageSet training)
    {
        var available = training.CountPerClass();
        var wanted = Counts(training.ClassCount, available.Max());
        for (var label = 0; label < wanted.Length; label++)
        {
            if (wanted[label] > available[label])
            {
                throw new InputException(
                    $"The {Shape.ToString().ToLowerInvariant()} profile of ratio {Ratio} asks for {wanted[label]} images "
                    + $"of class {training.ClassNames[label]}, but {training.Name} has {available[label]}; "
                    + "the data may be long-tailed already, so train without a profile or with a smaller ratio.");
            }
        }

        var taken = new int[wanted.Length];
        var labels = training.Labels.ToArray();
        return training.Select(Enumerable.Range(0, training.Count).Where(i => taken[labels[i]]++ < wanted[labels[i]]));
    }
}

/// <summary>How the number of training images falls over the classes.</summary>
public enum LongTailShape
{
    /// <summary>By the same factor from class to class.</summary>
    Exponential,

    /// <summary>Once, at half of the classes.</summary>
    Step,
}

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

    /// <summary>Whether each class is in the tail, in label order.</summary>
    public bool[] Flags { get; }

    /// <summary>Number of tail classes, at least 1.</summary>
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
