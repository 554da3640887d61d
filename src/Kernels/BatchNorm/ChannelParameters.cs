using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>A weight and a bias per channel, or their gradients.</summary>
/// <param name="Weight">(C): factor of the normalised value.</param>
/// <param name="Bias">(C): summand.</param>
public readonly record struct ChannelParameters(DeviceVector<float> Weight, DeviceVector<float> Bias);
