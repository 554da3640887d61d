using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;

namespace Pascl.Kernels.Device;

/// <summary>A kernel compiled for one device.</summary>
public abstract class Kernel
{
    private readonly KernelDevice device;
    private readonly ParameterInfo[] parameters;
    private readonly nint[] types;

    private protected Kernel(KernelDevice device, KernelDefinition definition)
    {
        this.device = device;
        Definition = definition;
        parameters = definition.Method.GetParameters();
        types = [.. parameters.Select(parameter => parameter.ParameterType.TypeHandle.Value)];
        IsView = [.. parameters.Select(parameter => parameter.ParameterType.IsGenericType)];
    }

    /// <summary>What was compiled.</summary>
    public KernelDefinition Definition { get; }

    private protected bool[] IsView { get; }

    /// <summary>Runs the kernel after everything launched before; on a GPU the call returns before the kernel has finished.</summary>
    /// <param name="shape">Blocks and threads.</param>
    /// <param name="arguments">One per parameter, of its type.</param>
    /// <exception cref="ArgumentException">An argument is missing or of another type, or the shape is not possible.</exception>
    /// <exception cref="DeviceException">The device refused the launch, or an earlier one failed.</exception>
    public void Launch(LaunchShape shape, params ReadOnlySpan<KernelArgument> arguments)
    {
        if (shape.Columns < 1 || shape.Rows is < 1 or > 65535 || shape.Threads < 1 || shape.Threads > Definition.Threads || shape.Threads % 32 != 0)
        {
            throw new ArgumentException(
                $"{Definition.Name} cannot run as {shape}: it needs at least one block, at most 65,535 rows of them, and a multiple of 32 threads up to {Definition.Threads}.");
        }

        if (arguments.Length != types.Length)
        {
            throw new ArgumentException($"{Definition.Name} takes {types.Length} arguments, not {arguments.Length}.");
        }

        for (var i = 0; i < types.Length; i++)
        {
            if (!arguments[i].Is(types[i]))
            {
                throw new ArgumentException($"{Definition.Name} takes {Describe(parameters[i].ParameterType)} as {parameters[i].Name}, not {Describe(arguments[i].Type)}.");
            }
        }

        if (device.LaunchObserver is { } observer)
        {
            RunObserved(shape, arguments, observer);
        }
        else
        {
            Run(shape, arguments);
        }

        device.CountLaunch();
    }

    /// <summary>How many blocks a multiprocessor runs at once. Where there is no GPU to ask, as many as the kernel is compiled for.</summary>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block.</param>
    public virtual int BlocksAtOnce(int threads, int sharedBytes = 0) => Definition.MinimumBlocks;

    private protected abstract void Run(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments);

    private void RunObserved(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments, Action<KernelLaunch> observer)
    {
        var bytes = 0L;
        foreach (var argument in arguments)
        {
            bytes += argument.ArrayBytes;
        }

        var begin = device.Record();
        Run(shape, arguments);
        observer(new KernelLaunch(Definition, bytes, begin, device.Record()));
    }

    private static string Describe(Type type) => type.IsGenericType ? $"a view of {type.GetGenericArguments()[0].Name}" : $"a number of type {type.Name}";
}

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

/// <summary>A launch of a kernel, for who watches them.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="ArrayBytes">Size of the arrays that it was given: what it moves if it touches each element once.</param>
/// <param name="Begin">When the device came to it.</param>
/// <param name="End">When the device had finished it.</param>
public sealed record KernelLaunch(KernelDefinition Kernel, long ArrayBytes, DeviceEvent Begin, DeviceEvent End) : IDisposable
{
    /// <summary>Frees the events.</summary>
    public void Dispose()
    {
        Begin.Dispose();
        End.Dispose();
    }
}

/// <summary>How many blocks of how many threads run a kernel.</summary>
/// <param name="Columns">Blocks along x.</param>
/// <param name="Rows">Blocks along y.</param>
/// <param name="Threads">Threads of each block, a multiple of 32.</param>
/// <param name="SharedBytes">Dynamic shared memory of each block; above 48 KB the kernel is allowed it when it is first launched so.</param>
public readonly record struct LaunchShape(int Columns, int Rows, int Threads, int SharedBytes = 0)
{
    /// <summary>Blocks in one row.</summary>
    public LaunchShape(int blocks, int threads)
        : this(blocks, 1, threads)
    {
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Columns} x {Rows} blocks of {Threads} threads";
}

/// <summary>What a kernel's machine code uses, as NVIDIA's assembler counts it.</summary>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="SharedBytes">Static shared memory of a block.</param>
/// <param name="StackBytes">Stack of a thread, which lies in slow memory.</param>
/// <param name="SpillBytes">Bytes that a thread stores to and loads from slow memory because registers did not suffice.</param>
public sealed record KernelResources(int Registers, int SharedBytes, int StackBytes, int SpillBytes)
{
    /// <summary>Machine instructions whose name starts with a key, where a disassembler was at hand; otherwise empty.</summary>
    public IReadOnlyDictionary<string, int> Instructions { get; init; } = new Dictionary<string, int>();

    /// <summary>The loop with the most instructions, where a disassembler was at hand and there is a loop.</summary>
    public HotLoop? HotLoop { get; init; }

    /// <summary>Whether everything a thread keeps is in registers.</summary>
    public bool StaysInRegisters => StackBytes == 0 && SpillBytes == 0;
}
