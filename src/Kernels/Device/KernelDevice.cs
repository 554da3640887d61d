using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Pascl.Kernels.Ptx;

namespace Pascl.Kernels.Device;

/// <summary>What kernels run on: an NVIDIA GPU, or a simulator of one that is slow and proves them correct anywhere.</summary>
/// <remarks>
/// On a GPU everything happens in the device's primary context, on the legacy default stream: where a deep-learning library keeps its memory and runs its own
/// kernels, so that they and these follow one another without copies and without waiting.
/// </remarks>
public abstract class KernelDevice : IDisposable
{
    /// <summary>The most counters that a launch may use.</summary>
    internal const int MaximumTickets = 1 << 16;

    private readonly ConcurrentDictionary<MethodInfo, Lazy<Kernel>> kernels = new();
    private readonly Lock oneAtATime = new();
    private DeviceBuffer<int>? tickets;
    private long launches;
    private long hostWaits;

    private protected KernelDevice(string name) => Name = name;

    /// <summary>The device for people: <c>simulator</c>, or <c>cuda:0 (NVIDIA H200)</c>.</summary>
    public string Name { get; }

    /// <summary>Number of the GPU, as in <c>cuda:0</c>; -1 where it is none.</summary>
    public virtual int Index => -1;

    /// <summary>Whether each thread of a block is a thread of the CPU, so that few of them should do the work.</summary>
    public abstract bool IsSimulator { get; }

    /// <summary>Whether kernels run on the CPU and read its memory, thousands of times slower than on a GPU.</summary>
    public virtual bool UsesHostMemory => IsSimulator;

    /// <summary>Whether kernels with tensor-core instructions run here: from compute capability 8.0, and on the simulator.</summary>
    public abstract bool HasTensorCores { get; }

    /// <summary>Streaming multiprocessors: how many blocks at least keep the device busy.</summary>
    public abstract int Multiprocessors { get; }

    /// <summary>Kernels launched so far, by all threads.</summary>
    public long Launches => Interlocked.Read(ref launches);

    /// <summary>How often the host has waited for the device so far: copies from and to the host, and <see cref="Synchronize"/>.</summary>
    public long HostWaits => Interlocked.Read(ref hostWaits);

    /// <summary>Bytes of the cache that all multiprocessors share: data beyond it comes from memory. 0 on the simulator.</summary>
    public abstract long CacheBytes { get; }

    /// <summary>Told of every launch, on the thread that launched, and takes over its events; null for nobody, and launches then cost nothing more.</summary>
    public Action<KernelLaunch>? LaunchObserver { get; set; }

    /// <summary>Opens a device.</summary>
    /// <param name="device">
    /// <c>cuda:i</c> for the i-th GPU; <c>simulator</c>; <c>ptx</c> or <c>ptx:SEED</c>, which runs the GPU's code on the CPU and checks all that it does; or
    /// <c>auto</c>: the first GPU where there is one, and the simulator elsewhere.
    /// </param>
    /// <exception cref="DeviceException">There is no such device, or it cannot be used; the message says why.</exception>
    public static KernelDevice Open(string device = "auto") => Open(device, CudaDriver.Find());

    /// <summary>Whether a GPU has tensor cores for bfloat16, from compute capability 8.0 on, without opening it; false where it does not say.</summary>
    /// <param name="index">The number of the GPU, from 0.</param>
    public static bool HasTensorCoresOf(int index)
    {
        try
        {
            return CudaDriver.Find() is { } driver
                && driver.Attribute(driver.Device(index), CudaDeviceAttribute.ComputeCapabilityMajor) >= ComputeCapability.TensorCores.Major;
        }
        catch (DeviceException)
        {
            return false;
        }
    }

    /// <summary>Opens a device that runs the GPU's code on the CPU for some blocks of each launch and counts what they do. It computes nothing to be used.</summary>
    /// <param name="gpu">Whose size the launches are made for.</param>
    /// <param name="mostInstructions">After how many instructions of threads a launch begins no other block.</param>
    /// <param name="observer">Told of every launch.</param>
    public static KernelDevice OpenCounter(GpuRates gpu, long mostInstructions, Action<KernelWork> observer) =>
        new PtxMachine(new PtxRunOptions(MostInstructions: mostInstructions, Checks: false), gpu.Multiprocessors) { Launched = launch => observer(launch.Work()) };

    internal static KernelDevice Open(string device, CudaDriver? driver) => device switch
    {
        "simulator" => new SimulatorDevice(),
        "ptx" => new PtxMachine(new PtxRunOptions()),
        ['p', 't', 'x', ':', .. var seed] when int.TryParse(seed, NumberStyles.None, CultureInfo.InvariantCulture, out var number) =>
            new PtxMachine(new PtxRunOptions(number)),
        "auto" when driver is null || driver.CountDevices() == 0 => new SimulatorDevice(),
        "auto" => CudaDevice.Open(driver, 0),
        ['c', 'u', 'd', 'a', ':', .. var number] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var index) =>
            CudaDevice.Open(driver, index),
        _ => throw new DeviceException($"\"{device}\" is not a device. Use auto, simulator, ptx, or cuda: and the number of a GPU, such as cuda:0."),
    };

    /// <summary>Allocates memory, not cleared.</summary>
    /// <param name="length">Number of elements.</param>
    public DeviceBuffer<T> Allocate<T>(long length)
        where T : unmanaged => new(this, length);

    /// <summary>Allocates memory and fills it.</summary>
    /// <param name="values">The elements.</param>
    public DeviceBuffer<T> Allocate<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        var buffer = new DeviceBuffer<T>(this, values.Length);
        buffer.CopyFrom(values);
        return buffer;
    }

    /// <summary>Allocates memory that the host overwrites again and again without waiting.</summary>
    /// <param name="length">Number of elements.</param>
    public UploadBuffer<T> AllocateUpload<T>(long length)
        where T : unmanaged => new(this, length);

    /// <summary>Compiles a kernel for this device; the second time it is at hand.</summary>
    /// <param name="kernel">A static method with a <see cref="KernelAttribute"/>.</param>
    public Kernel Load(Delegate kernel) => kernels.GetOrAdd(kernel.Method, method => new Lazy<Kernel>(() => Compile(new KernelDefinition(method)))).Value;

    /// <summary>Compiles a kernel for this device; the second time it is at hand.</summary>
    /// <param name="kernel">What to compile.</param>
    public Kernel Load(KernelDefinition kernel) => kernels.GetOrAdd(kernel.Method, _ => new Lazy<Kernel>(() => Compile(kernel))).Value;

    /// <summary>Bytes of memory that could be allocated now.</summary>
    public abstract long FreeMemory();

    /// <summary>Waits until everything launched has finished.</summary>
    public void Synchronize()
    {
        Interlocked.Increment(ref hostWaits);
        Wait();
    }

    /// <summary>Notes the moment when everything launched so far will have finished; does not wait.</summary>
    public abstract DeviceEvent Record();

    /// <inheritdoc/>
    public abstract void Dispose();

    private protected IEnumerable<Kernel> Loaded => kernels.Values.Where(kernel => kernel.IsValueCreated).Select(kernel => kernel.Value);

    internal abstract nint AllocateBytes(long bytes);

    internal abstract void FreeBytes(nint address);

    /// <summary>Allocates memory of the host that the device copies from while the host goes on.</summary>
    internal virtual unsafe nint AllocatePinned(long bytes) => (nint)NativeMemory.Alloc((nuint)bytes);

    /// <summary>Frees what <see cref="AllocatePinned"/> gave; nothing is being copied from it any more.</summary>
    internal virtual unsafe void FreePinned(nint address) => NativeMemory.Free((void*)address);

    /// <summary>Copies from pinned memory after everything launched before, without waiting: the source must stay as it is until then.</summary>
    internal virtual void EnqueueCopy(nint destination, nint source, long bytes) => Write(destination, source, bytes);

    internal void CopyToDevice(nint destination, nint source, long bytes)
    {
        Interlocked.Increment(ref hostWaits);
        Write(destination, source, bytes);
    }

    internal void CopyToHost(nint destination, nint source, long bytes)
    {
        Interlocked.Increment(ref hostWaits);
        Read(destination, source, bytes);
    }

    /// <summary>
    /// Counters for <c>LastBlock</c>, 0 before and after every launch. Launches follow one another, so all kernels of the device share them.
    /// </summary>
    /// <param name="count">As many as the kernel may use.</param>
    internal DeviceVector<int> Tickets(long count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaximumTickets);
        lock (oneAtATime)
        {
            tickets ??= Allocate<int>(new int[MaximumTickets]);
        }

        return tickets.Vector.Slice(0, count);
    }

    internal void CountWait() => Interlocked.Increment(ref hostWaits);

    internal void CountLaunch() => Interlocked.Increment(ref launches);

    /// <summary>Frees what the device itself allocated; the first thing when it is disposed.</summary>
    private protected void FreeTickets() => tickets?.Dispose();

    private protected abstract Kernel Compile(KernelDefinition definition);

    private protected abstract void Wait();

    private protected abstract void Write(nint destination, nint source, long bytes);

    private protected abstract void Read(nint destination, nint source, long bytes);
}

/// <summary>A moment in a device's order of execution: when everything that was launched before had finished.</summary>
public abstract class DeviceEvent : IDisposable
{
    /// <summary>The device's time between two moments; waits until the later one has come.</summary>
    /// <param name="earlier">A moment of the same device.</param>
    public abstract TimeSpan Since(DeviceEvent earlier);

    /// <summary>Whether the moment has come.</summary>
    internal virtual bool HasPassed => true;

    /// <summary>Waits until it has come.</summary>
    internal virtual void Wait()
    {
        // Where launches wait for their end, it has.
    }

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>A device cannot be used, or refused a call; the message says which, why and what may help.</summary>
public sealed class DeviceException(string message) : Exception(message);

/// <summary>What an NVIDIA GPU can do, as its maker numbers it: 8.0 is A100, 9.0 is H100 and H200.</summary>
/// <param name="Major">Generation.</param>
/// <param name="Minor">Variant.</param>
public readonly record struct ComputeCapability(int Major, int Minor) : IComparable<ComputeCapability>
{
    /// <summary>The oldest that kernels are compiled for.</summary>
    public static ComputeCapability Oldest => new(7, 0);

    /// <summary>The first whose tensor cores take bfloat16.</summary>
    public static ComputeCapability TensorCores => new(8, 0);

    /// <inheritdoc/>
    public int CompareTo(ComputeCapability other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    /// <summary>Whether the left is older.</summary>
    public static bool operator <(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left is newer.</summary>
    public static bool operator >(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left is not newer.</summary>
    public static bool operator <=(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left is not older.</summary>
    public static bool operator >=(ComputeCapability left, ComputeCapability right) => left.CompareTo(right) >= 0;

    /// <inheritdoc/>
    public override string ToString() => $"{Major}.{Minor}";
}
