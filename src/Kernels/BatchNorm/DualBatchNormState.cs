using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>What the statistics of a batch of C channels leave for normalising it and for the gradients, in memory of the caller.</summary>
/// <param name="Values">(4, C): mean and variance of all images, mean and variance of the in-distribution images.</param>
public readonly record struct DualBatchNormState(DeviceVector<float> Values)
{
    /// <summary>Of all images: what the main branch is normalised with.</summary>
    public ChannelStatistics All => new(Row(0), Row(1));

    /// <summary>Of the in-distribution images; 0 where there is none.</summary>
    public ChannelStatistics InDistribution => new(Row(2), Row(3));

    /// <summary>Number of floats.</summary>
    public static int Length(int channels) => 4 * channels;

    private DeviceVector<float> Row(int row) => Values.Slice(Values.Length / 4 * row, Values.Length / 4);
}
