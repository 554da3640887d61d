using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Interop;

/// <summary>
/// How a step brings the host's numbers to a device: through pinned memory, so that the host does not wait until the device comes to the copy. A copy from ordinary
/// memory, which <c>tensor.to(device)</c> and <c>torch.tensor(values, device)</c> make, waits for all that was launched before. Torch keeps the pinned memory until the
/// copy is done.
/// </summary>
internal static class HostUpload
{
    /// <summary>Numbers as a vector on a device, in the current dispose scope.</summary>
    public static Tensor Vector(ReadOnlySpan<long> values, torch.Device device)
    {
        var host = empty(values.Length, int64);
        values.CopyTo(MemoryMarshal.Cast<byte, long>(host.bytes));
        return To(host, device);
    }

    /// <summary>Numbers as a vector of int64 on a device, in the current dispose scope.</summary>
    public static Tensor Vector(int[] values, torch.Device device) => Vector(Array.ConvertAll(values, value => (long)value), device);

    /// <summary>
    /// A tensor of the host's in memory from which a device copies while the host goes on, so that <see cref="To"/> has no more to do; the tensor itself where it needs none.
    /// </summary>
    public static Tensor Prepare(Tensor tensor, torch.Device device) =>
        device.type == DeviceType.CUDA && tensor.device_type == DeviceType.CPU ? tensor.pin_memory() : tensor;

    /// <summary>A tensor on a device, in the current dispose scope; the tensor itself where it is there.</summary>
    public static Tensor To(Tensor tensor, torch.Device device)
    {
        if (tensor.device_type == device.type && (device.type == DeviceType.CPU || device.index < 0 || tensor.device_index == device.index))
        {
            return tensor;
        }

        return Prepare(tensor, device).to(device, non_blocking: tensor.device_type == DeviceType.CPU);
    }
}
