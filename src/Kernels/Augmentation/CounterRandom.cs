namespace Pascl.Kernels;

/// <summary>
/// Counter-based random numbers: Philox4x32 with ten rounds. There is no state, so a number depends only on what it is for and not on how
/// many were drawn before it or on which thread. Nothing allocates or throws; the same methods run on the CPU and in a GPU kernel.
/// </summary>
/// <remarks>
/// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: <i>Parallel random numbers: as easy as 1, 2, 3</i>, SC 2011.
/// One round on the counter (c0, c1, c2, c3) with the key (k0, k1) is
/// <code>c0, c1, c2, c3 = high(B c2) ^ c1 ^ k0, low(B c2), high(A c0) ^ c3 ^ k1, low(A c0);   k0, k1 = k0 + 0x9E3779B9, k1 +
/// 0xBB67AE85</code> with A = 0xD2511F53 and B = 0xCD9E8D57.
/// </remarks>
public static class CounterRandom
{
    private const int Rounds = 10;
    private const uint FirstMultiplier = 0xD2511F53;
    private const uint SecondMultiplier = 0xCD9E8D57;
    private const uint FirstKeyStep = 0x9E3779B9;
    private const uint SecondKeyStep = 0xBB67AE85;

    /// <summary>Four numbers for one use of one image.</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="image">Index of the image, or 0 where no image is meant.</param>
    /// <param name="stream">What the numbers are for, for example the first or second view; streams are independent of each other.</param>
    /// <param name="draw">Which four numbers of the stream, from 0.</param>
    public static RandomBlock Draw(ulong seed, int epoch, int image, int stream, int draw) =>
        Philox(new RandomBlock((uint)draw, (uint)image, (uint)epoch, (uint)stream), (uint)seed, (uint)(seed >> 32));

    /// <summary>The Philox4x32-10 bijection of a counter under a key.</summary>
    /// <param name="counter">The counter (c0, c1, c2, c3).</param>
    /// <param name="firstKey">k0.</param>
    /// <param name="secondKey">k1.</param>
    public static RandomBlock Philox(RandomBlock counter, uint firstKey, uint secondKey)
    {
        var (c0, c1, c2, c3) = (counter.First, counter.Second, counter.Third, counter.Fourth);
        for (var round = 0; round < Rounds; round++)
        {
            var firstProduct = (ulong)FirstMultiplier * c0;
            var secondProduct = (ulong)SecondMultiplier * c2;
            c0 = (uint)(secondProduct >> 32) ^ c1 ^ firstKey;
            c1 = (uint)secondProduct;
            c2 = (uint)(firstProduct >> 32) ^ c3 ^ secondKey;
            c3 = (uint)firstProduct;
            firstKey += FirstKeyStep;
            secondKey += SecondKeyStep;
        }

        return new RandomBlock(c0, c1, c2, c3);
    }

    /// <summary>A number in [0, 1) from 32 random bits: a multiple of 2^-24, so exact in float32.</summary>
    public static float Uniform(uint bits) => (bits >> 8) * (1f / (1 << 24));

    /// <summary>
    /// An integer in [0, <paramref name="bound"/>) from 32 random bits: floor(bits * bound / 2^32). Its probabilities differ from 1 / bound
    /// by less than 2^-32.
    /// </summary>
    public static int Below(uint bits, int bound) => (int)(((ulong)bits * (uint)bound) >> 32);
}

/// <summary>Four independent, uniformly distributed 32-bit numbers: the result of one call of <see cref="CounterRandom"/>.</summary>
/// <param name="First">First number.</param>
/// <param name="Second">Second number.</param>
/// <param name="Third">Third number.</param>
/// <param name="Fourth">Fourth number.</param>
public readonly record struct RandomBlock(uint First, uint Second, uint Third, uint Fourth);
