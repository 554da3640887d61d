using Pascl.Kernels;

namespace Pascl.Training.Data;

/// <summary>Draws one random number after the other from an address of <see cref="CounterRandom"/>.</summary>
internal struct RandomSequence(ulong seed, int epoch, int image, int stream)
{
    private RandomBlock block;
    private int drawn;

    /// <summary>32 random bits.</summary>
    public uint Bits()
    {
        var place = drawn++ % 4;
        if (place == 0)
        {
            block = CounterRandom.Draw(seed, epoch, image, stream, drawn / 4);
        }

        return place switch { 0 => block.First, 1 => block.Second, 2 => block.Third, _ => block.Fourth };
    }

    /// <summary>An integer in [0, <paramref name="bound"/>).</summary>
    public int Below(int bound) => CounterRandom.Below(Bits(), bound);

    /// <summary>A number in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public float Between(float low, float high) => low + ((high - low) * CounterRandom.Uniform(Bits()));

    /// <summary>
    /// A number with mean 0 and standard deviation 1, nearly normal: the sum of four bytes (within 3.4 standard deviations).
    /// </summary>
    public float Normal()
    {
        var bits = Bits();
        var sum = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + (bits >> 24);
        return (sum - 510f) / 147.8f;
    }

    /// <summary>A number with mean 0 and standard deviation 1, normal (Box and Muller) and within 6.7 standard deviations.</summary>
    public double ExactNormal()
    {
        const double range = 1.0 / (1L << 32);
        var radius = Math.Sqrt(-2 * Math.Log((Bits() + 1.0) * range)); // the logarithm of (0, 1]
        return radius * Math.Cos(2 * Math.PI * range * Bits());
    }
}
