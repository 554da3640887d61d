using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace Pascl.Kernels.Device;

/// <summary>A kernel on the simulator.</summary>
internal sealed class SimulatorKernel : Kernel
{
    private static readonly MethodInfo NewView = typeof(SimulatorKernel).GetMethod(nameof(View), BindingFlags.Static | BindingFlags.NonPublic)!;

    private readonly CPUAccelerator accelerator;
    private readonly ILGPU.Runtime.Kernel kernel;

    public SimulatorKernel(KernelDevice device, CPUAccelerator accelerator, KernelDefinition definition)
        : base(device, definition)
    {
        this.accelerator = accelerator;
        lock (accelerator)
        {
            kernel = accelerator.LoadKernel(definition.Method, definition.Specialization);
        }
    }

    private protected override void Run(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments)
    {
        var buffers = new List<MemoryBuffer>();
        var values = new object[arguments.Length];
        for (var i = 0; i < arguments.Length; i++)
        {
            values[i] = IsView[i]
                ? NewView.MakeGenericMethod(arguments[i].Type.GetGenericArguments()).Invoke(null, [accelerator, arguments[i].Address, arguments[i].Length, buffers])!
                : arguments[i].Number();
        }

        // One launch at a time: the accelerator has the threads of one block.
        lock (accelerator)
        {
            var grid = new Index3D(shape.Columns, shape.Rows, 1);
            var block = new Index3D(shape.Threads, 1, 1);
            var shared = shape.SharedBytes == 0 ? default : SharedMemoryConfig.RequestDynamic<byte>(shape.SharedBytes);
            kernel.Launch(accelerator.DefaultStream, new KernelConfig(grid, block, shared), values);
            accelerator.Synchronize();
            buffers.ForEach(buffer => buffer.Dispose());
        }
    }

    private static unsafe ArrayView<T> View<T>(CPUAccelerator accelerator, nint address, long length, List<MemoryBuffer> buffers)
        where T : unmanaged
    {
        if (length == 0)
        {
            return ArrayView<T>.Empty;
        }

        var buffer = CPUMemoryBuffer.Create(accelerator, address, length, sizeof(T));
        buffers.Add(buffer);
        return buffer.AsArrayView<T>(0, length);
    }
}
