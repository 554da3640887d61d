namespace Pascl.Training.Data;

/// <summary>All images of a run, split once: what trains, what selects, what tests.</summary>
/// <param name="Training">The long-tailed training images.</param>
/// <param name="Validation">Training images held out for model selection, or null.</param>
/// <param name="Test">In-distribution test images; never used to select anything.</param>
/// <param name="Outliers">Auxiliary outliers, or null where the method uses none.</param>
/// <param name="OutOfDistribution">The test sets that no phase sees.</param>
/// <param name="Skipped">Broken images that were left out, each with the reason.</param>
public sealed record TrainingData(
    ImageSet Training, ImageSet? Validation, ImageSet Test, ImageSet? Outliers, IReadOnlyList<ImageSet> OutOfDistribution, IReadOnlyList<string> Skipped)
{
    /// <summary>What the user should know of how the images were read, one sentence for each point.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The files that named images of any of the sets.</summary>
    public IReadOnlyList<ListFingerprint> Lists { get; init; } = [];

    /// <summary>What is wrong with the images as a whole, one sentence for each point; filled where a training begins.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>All sets and what each is to the run, as fingerprints name it.</summary>
    internal IEnumerable<(string Role, ImageSet Images)> Sets
    {
        get
        {
            yield return (SetFingerprint.Training, Training);
            if (Validation is not null)
            {
                yield return (SetFingerprint.Validation, Validation);
            }

            yield return (SetFingerprint.Test, Test);
            if (Outliers is not null)
            {
                yield return (SetFingerprint.Outliers, Outliers);
            }

            foreach (var set in OutOfDistribution)
            {
                yield return (set.Name, set);
            }
        }
    }

    /// <summary>What is wrong with results on sets that share images, one sentence for each pair of sets that does.</summary>
    internal IReadOnlyList<string> Overlaps() =>
        [.. SharedImages.Find([.. Sets.Select(set => set.Images.Named(set.Role))]).Select(shared => $"{shared} {Consequence(shared.First, shared.Second)}")];

    // The first comes before the second in Sets.
    private static string Consequence(string first, string second) => (first, second) switch
    {
        (SetFingerprint.Training, SetFingerprint.Validation) => "The best epoch is chosen on images that were trained on.",
        (SetFingerprint.Training or SetFingerprint.Validation, SetFingerprint.Test) => "Accuracy is measured on images that chose or trained the network.",
        (_, SetFingerprint.Outliers) => "In-distribution images are trained on as outliers.",
        (SetFingerprint.Outliers, _) => "Detection is measured on images that were trained on as outliers.",
        (SetFingerprint.Training or SetFingerprint.Validation or SetFingerprint.Test, _) => "In-distribution images count as out of distribution.",
        _ => "Their results are not independent.",
    };

    /// <summary>Black images of one pixel, for training on batches whose pixels come from elsewhere: the phases need to know how many there are of each class.</summary>
    /// <param name="trainingCounts">Training images per class.</param>
    /// <param name="outliers">Number of outliers.</param>
    internal static TrainingData OfCounts(IReadOnlyList<int> trainingCounts, int outliers)
    {
        int[] labels = [.. trainingCounts.Index().SelectMany(count => Enumerable.Repeat(count.Index, count.Item))];
        string[] classNames = [.. trainingCounts.Index().Select(count => $"class {count.Index}")];
        var training = new ImageSet("training", new PixelBlock(labels.Length, 1, 1), labels, classNames);
        var noClass = new ImageSet("outliers", new PixelBlock(outliers, 1, 1), [.. Enumerable.Repeat(ImageSet.NoClass, outliers)], []);
        return new TrainingData(training, Validation: null, Test: training, noClass, OutOfDistribution: [], Skipped: []);
    }
}

/// <summary>The images of the classes to be recognised.</summary>
/// <param name="Training">Training images; every class has at least one.</param>
/// <param name="Test">Test images of the same classes, or null where the data set has no test part.</param>
/// <param name="Skipped">One sentence for each broken image that was left out.</param>
public sealed record InDistributionData(ImageSet Training, ImageSet? Test, IReadOnlyList<string> Skipped)
{
    /// <summary>Images for choosing between models, where the data set has a part of them beside the test part.</summary>
    public ImageSet? Validation { get; init; }
}

/// <summary>Holds training images out, for choosing between models or for testing where there is no test part.</summary>
public static class HoldOut
{
    /// <summary>
    /// Splits a set in two. Of the n images of a class, round(fraction * n) chosen at random are held out, halves rounded to even, but at
    /// least one stays for training. Both sets keep the order of the images; the choice depends on nothing but the set and the seed.
    /// </summary>
    /// <param name="training">The images; every label must be a class.</param>
    /// <param name="fraction">From 0 to less than 1.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <exception cref="InputException">
    /// The fraction is out of range, or so small that nothing is held out although it is above 0.
    /// </exception>
    public static (ImageSet Training, ImageSet HeldOut) Split(ImageSet training, double fraction, ulong seed)
    {
        if (!(fraction >= 0 && fraction < 1))
        {
            throw new InputException($"The held-out fraction is {fraction}; expected a number from 0 to less than 1.");
        }

        var counts = training.CountPerClass();
        int[] quota = [.. counts.Select(count => Math.Min((int)Math.Round(fraction * count), Math.Max(0, count - 1)))];
        if (fraction > 0 && quota.All(count => count == 0))
        {
            throw new InputException(
                $"A fraction of {fraction} holds out no image of {training.Name}: its largest class has {counts.Max()}.");
        }

        var isHeldOut = new bool[training.Count];
        foreach (var image in EpochOrder.Permutation(training.Count, seed, 0, RandomStream.HoldOut))
        {
            isHeldOut[image] = quota[training.Labels[image]]-- > 0;
        }

        var images = Enumerable.Range(0, training.Count);
        return (training.Select(images.Where(i => !isHeldOut[i])), training.Select(images.Where(i => isHeldOut[i])));
    }
}

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
