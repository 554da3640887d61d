using System.Runtime.InteropServices;
using ILGPU;

namespace Pascl.Kernels.Device;

/// <summary>One argument of a launch. Its first sixteen bytes are the parameter as the device reads it: a view is an address and a length, a number itself.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly struct KernelArgument
{
    private readonly long first;
    private readonly long second;
    private readonly nint type;

    private KernelArgument(long first, long second, Type type) => (this.first, this.second, this.type) = (first, second, type.TypeHandle.Value);

    /// <summary>The type of the parameter that this is an argument for.</summary>
    internal Type Type => Type.GetTypeFromHandle(RuntimeTypeHandle.FromIntPtr(type))!;

    internal nint Address => (nint)first;

    internal long Length => second;

    /// <summary>An integer.</summary>
    public static implicit operator KernelArgument(int value) => new(value, 0, typeof(int));

    /// <summary>A 64-bit integer, or an address.</summary>
    public static implicit operator KernelArgument(long value) => new(value, 0, typeof(long));

    /// <summary>A number.</summary>
    public static implicit operator KernelArgument(float value) => new(BitConverter.SingleToInt32Bits(value), 0, typeof(float));

    internal static KernelArgument View<T>(nint address, long length)
        where T : unmanaged => new(address, length, typeof(ArrayView<T>));

    internal object Number() => Type switch
    {
        var t when t == typeof(int) => (int)first,
        var t when t == typeof(float) => BitConverter.Int32BitsToSingle((int)first),
        _ => (object)first,
    };

    internal bool Is(nint typeHandle) => type == typeHandle;
}
