using Pascl.Kernels.Device;
using Pascl.Kernels.Vectors;
using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <summary>BatchNorm's kernels for one type of elements, taken one by one or 16 bytes at once.</summary>
internal sealed record DualBatchNormDeviceCode(int Width, Kernel Statistics, Kernel Normalize, Kernel Reduce, Kernel InputGradient)
{
    /// <summary>Both ways for elements of a type.</summary>
    public static (DualBatchNormDeviceCode Packets, DualBatchNormDeviceCode Scalars) Load<T>(KernelDevice device)
        where T : unmanaged => typeof(T) switch
        {
            var type when type == typeof(float) => (Load<Packet, Four, SinglePacket>(device), Load<float, One, SingleScalar>(device)),
            var type when type == typeof(Half) => (Load<Packet, Eight, Float16Packet>(device), Load<Half, One, Float16Scalar>(device)),
            var type when type == typeof(BFloat16) => (Load<Packet, Eight, BFloat16Packet>(device), Load<BFloat16, One, BFloat16Scalar>(device)),
            _ => throw new NotSupportedException($"BatchNorm takes elements of type float, Half and BFloat16, not {typeof(T).Name}."),
        };

    /// <summary>Elements as these kernels take them.</summary>
    public KernelArgument View<T>(DeviceVector<T> vector)
        where T : unmanaged => Width == 1 ? vector : KernelArgument.View<Packet>(vector.Address, vector.Length / Width);

    private static DualBatchNormDeviceCode Load<TStored, TLanes, TCodec>(KernelDevice device)
        where TStored : unmanaged
        where TLanes : unmanaged, ILanes<TLanes>
        where TCodec : struct, ICodec<TStored, TLanes> => new(
            TLanes.Width,
            device.Load(DualBatchNormKernels.Statistics<TStored, TLanes, TCodec>),
            device.Load(DualBatchNormKernels.Normalize<TStored, TLanes, TCodec>),
            device.Load(DualBatchNormKernels.Reduce<TStored, TLanes, TCodec>),
            device.Load(DualBatchNormKernels.InputGradient<TStored, TLanes, TCodec>));
}
