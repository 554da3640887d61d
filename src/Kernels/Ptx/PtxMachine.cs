using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using Pascl.Kernels.Device;

namespace Pascl.Kernels.Ptx;

/// <summary>
/// Runs the PTX of kernels, the text that a GPU's driver would get, on the CPU, and refuses whatever a GPU would do wrong or differently every time: accesses
/// outside an array or at a misaligned address, reads of what was never written, races, barriers and exchanges that only a part of the threads reaches.
/// </summary>
/// <remarks>
/// Which warp is next is drawn at every access to memory, from several blocks at once, by a seed that is part of the device's name: <c>ptx:7</c>. The text is the
/// one for compute capability 8.0, which later GPUs also get. What an assembler makes of it is not seen here; <c>pascl ptx</c> shows that.
/// </remarks>
internal sealed class PtxMachine : KernelDevice
{
    private readonly PtxCompiler compiler = new(ComputeCapability.TensorCores);
    private readonly ConcurrentDictionary<nint, PtxAllocation> allocations = new();
    private readonly Lock running = new();

    /// <summary>Creates a machine.</summary>
    /// <param name="options">How launches are run.</param>
    /// <param name="multiprocessors">Of the GPU that launches are made for.</param>
    public PtxMachine(PtxRunOptions options, int multiprocessors = 2)
        : base(options.Seed == 0 ? "ptx" : string.Create(CultureInfo.InvariantCulture, $"ptx:{options.Seed}")) =>
        (Options, Multiprocessors) = (options, multiprocessors);

    public override bool IsSimulator => false;

    public override bool UsesHostMemory => true;

    public override bool HasTensorCores => true;

    public override int Multiprocessors { get; }

    public override long CacheBytes => 0;

    /// <summary>How launches are run.</summary>
    public PtxRunOptions Options { get; }

    /// <summary>Told of every launch that has run.</summary>
    public Action<PtxLaunch>? Launched { get; set; }

    public override long FreeMemory() => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;

    public override DeviceEvent Record() => new SimulatorEvent();

    public override void Dispose()
    {
        FreeTickets();
        foreach (var allocation in allocations.Values)
        {
            allocation.Dispose();
        }

        allocations.Clear();
        compiler.Dispose();
    }

    internal override nint AllocateBytes(long bytes)
    {
        var allocation = new PtxAllocation(bytes);
        allocations[allocation.Address] = allocation;
        return allocation.Address;
    }

    internal override void FreeBytes(nint address)
    {
        if (allocations.TryRemove(address, out var allocation))
        {
            allocation.Dispose();
        }
    }

    /// <summary>Runs a kernel.</summary>
    internal void Run(PtxCode code, LaunchShape shape, byte[] parameters, IEnumerable<(string Name, nint Address, long Bytes)> arrays)
    {
        // One launch at a time: on a GPU they follow one another.
        lock (running)
        {
            var launch = new PtxLaunch(
                code,
                shape,
                parameters,
                [.. arrays.Select(array => new PtxArray(array.Name, array.Address, array.Bytes, Holding(array.Address)))],
                Holding,
                Options);
            launch.Run();
            Launched?.Invoke(launch);
        }
    }

    private protected override Kernel Compile(KernelDefinition definition)
    {
        lock (running)
        {
            return new PtxMachineKernel(this, new PtxCode(compiler.Compile(definition)), definition);
        }
    }

    private protected override void Wait()
    {
        // Launches have ended when they return.
    }

    private protected override unsafe void Write(nint destination, nint source, long bytes)
    {
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);
        if (Holding(destination) is { } allocation)
        {
            NativeMemory.Fill(allocation.Written + (destination - allocation.Address), (nuint)bytes, 1);
        }
    }

    private protected override unsafe void Read(nint destination, nint source, long bytes) =>
        NativeMemory.Copy((void*)source, (void*)destination, (nuint)bytes);

    private PtxAllocation? Holding(nint address) =>
        allocations.Values.FirstOrDefault(allocation => address >= allocation.Address && address < allocation.Address + allocation.Bytes);
}

/// <summary>A kernel on the PTX machine.</summary>
internal sealed class PtxMachineKernel(PtxMachine machine, PtxCode code, KernelDefinition definition) : Kernel(machine, definition)
{
    private protected override void Run(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments)
    {
        var offsets = code.Program.ParameterOffsets;
        var parameters = new byte[offsets[^1] + 16];
        var arrays = new List<(string Name, nint Address, long Bytes)>();
        for (var i = 0; i < arguments.Length; i++)
        {
            var bytes = MemoryMarshal.AsBytes(arguments.Slice(i, 1));
            bytes[..(IsView[i] ? 16 : 8)].CopyTo(parameters.AsSpan(offsets[i]));
            if (IsView[i])
            {
                arrays.Add((Definition.Method.GetParameters()[i].Name!, arguments[i].Address, arguments[i].ArrayBytes));
            }
        }

        machine.Run(code, shape, parameters, arrays);
    }
}
