namespace Pascl.Kernels.Device;

/// <summary>Properties of a GPU, with the numbers that the driver gives them.</summary>
internal enum CudaDeviceAttribute
{
    MultiprocessorCount = 16,
    L2CacheSize = 38,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
}
