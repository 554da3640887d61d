using System.Runtime.CompilerServices;
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
    private readonly int elementBytes;

    private KernelArgument(long first, long second, Type type, int elementBytes = 0) =>
        (this.first, this.second, this.type, this.elementBytes) = (first, second, type.TypeHandle.Value, elementBytes);

    /// <summary>The type of the parameter that this is an argument for.</summary>
    internal Type Type => Type.GetTypeFromHandle(RuntimeTypeHandle.FromIntPtr(type))!;

    internal nint Address => (nint)first;

    internal long Length => second;

    /// <summary>Bytes of a view's elements; 0 of a number.</summary>
    internal long ArrayBytes => second * elementBytes;

    /// <summary>An integer.</summary>
    public static implicit operator KernelArgument(int value) => new(value, 0, typeof(int));

    /// <summary>A 64-bit integer, or an address.</summary>
    public static implicit operator KernelArgument(long value) => new(value, 0, typeof(long));

    /// <summary>A number.</summary>
    public static implicit operator KernelArgument(float value) => new(BitConverter.SingleToInt32Bits(value), 0, typeof(float));

    internal static KernelArgument View<T>(nint address, long length)
        where T : unmanaged => new(address, length, typeof(ArrayView<T>), Unsafe.SizeOf<T>());

    internal object Number() => Type switch
    {
        var t when t == typeof(int) => (int)first,
        var t when t == typeof(float) => BitConverter.Int32BitsToSingle((int)first),
        _ => (object)first,
    };

    internal bool Is(nint typeHandle) => type == typeHandle;
}
