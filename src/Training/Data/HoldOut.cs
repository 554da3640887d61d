namespace Pascl.Training.Data;

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
