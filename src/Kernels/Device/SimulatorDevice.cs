using System.Runtime.InteropServices;
using ILGPU;
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
