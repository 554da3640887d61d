using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace Pascl.Kernels.Device;

/// <summary>ILGPU's CPU accelerator with the warps of an NVIDIA GPU: each thread of a block is a thread of the CPU, and launches wait for their end.</summary>
internal sealed class SimulatorDevice : KernelDevice
{
    private const int WarpSize = 32;
    private const int WarpsPerBlock = 8;
    private const int Alignment = 256;

    private readonly Context context;
    private readonly CPUAccelerator accelerator;

    public SimulatorDevice()
        : base("simulator")
    {
        // The simulator runs the methods as .NET compiled them. What ILGPU compiles besides need not be fast, and large kernels load in a tenth of the time.
        context = Context.Create(builder => builder
            .CPU(new CPUDevice(WarpSize, WarpsPerBlock, numMultiprocessors: 1))
            .Optimize(OptimizationLevel.O0)
            .Inlining(InliningMode.Disabled)
            .EnableAlgorithms());
        accelerator = context.GetCPUDevice(0).CreateCPUAccelerator(context);
    }

    public override bool IsSimulator => true;

    public override bool HasTensorCores => true;

    public override int Multiprocessors => 1;

    public override long CacheBytes => 0;

    public override long FreeMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;

    public override DeviceEvent Record() => new SimulatorEvent();

    public override void Dispose()
    {
        FreeTickets();
        accelerator.Dispose();
        context.Dispose();
    }

    internal override unsafe nint AllocateBytes(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);

    internal override unsafe void FreeBytes(nint address) => NativeMemory.AlignedFree((void*)address);

    private protected override Kernel Compile(KernelDefinition definition) => new SimulatorKernel(this, accelerator, definition);

    private protected override void Wait()
    {
        // Launches have ended when they return.
    }

    private protected override unsafe void Write(nint destination, nint source, long bytes) =>
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);

    private protected override unsafe void Read(nint destination, nint source, long bytes) =>
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);
}

/// <summary>A moment of the simulator, whose launches have ended when they return: the host's time.</summary>
internal sealed class SimulatorEvent : DeviceEvent
{
    private readonly long time = Stopwatch.GetTimestamp();

    public override TimeSpan Since(DeviceEvent earlier) => Stopwatch.GetElapsedTime(((SimulatorEvent)earlier).time, time);

    public override void Dispose()
    {
        // Nothing is held.
    }
}

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
