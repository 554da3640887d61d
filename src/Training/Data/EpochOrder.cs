using Pascl.Kernels;

namespace Pascl.Training.Data;

/// <summary>
/// The order in which an epoch visits the images: a uniformly random permutation that depends on nothing but its arguments.
/// </summary>
public static class EpochOrder
{
    /// <summary>
    /// A permutation of 0 … <paramref name="count"/> - 1 (Fisher-Yates, forwards, with the numbers of <see cref="CounterRandom"/>).
    /// </summary>
    /// <param name="count">Number of images.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="stream">Stream of random numbers, so that two sets of one run are shuffled independently.</param>
    public static int[] Permutation(int count, ulong seed, int epoch, int stream)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        var random = new RandomSequence(seed, epoch, 0, stream);
        for (var i = 0; i < count - 1; i++)
        {
            var other = i + random.Below(count - i);
            (order[i], order[other]) = (order[other], order[i]);
        }

        return order;
    }
}
