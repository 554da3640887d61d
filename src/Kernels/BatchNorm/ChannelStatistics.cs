using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>A mean and a variance per channel: of a batch, or running ones. The default value stands for none.</summary>
/// <param name="Mean">(C).</param>
/// <param name="Variance">(C): biased for a batch, unbiased for running statistics.</param>
public readonly record struct ChannelStatistics(DeviceVector<float> Mean, DeviceVector<float> Variance);
