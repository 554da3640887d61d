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
