namespace Pascl.Kernels.Device;

/// <summary>A device cannot be used, or refused a call; the message says which, why and what may help.</summary>
public sealed class DeviceException(string message) : Exception(message);
