using System.Text;

namespace Pascl.Kernels.Device;

/// <summary>An NVIDIA GPU through its driver: the primary context, the legacy default stream.</summary>
internal sealed class CudaDevice : KernelDevice
{
    private readonly CudaDriver driver;
    private readonly int device;
    private readonly nint context;
    private readonly PtxCompiler compiler;
    private readonly ComputeCapability capability;

    private CudaDevice(CudaDriver driver, int index, int device, string name, ComputeCapability capability)
        : base(name)
    {
        (this.driver, Index, this.device, this.capability) = (driver, index, device, capability);
        compiler = new PtxCompiler(capability);
        Multiprocessors = driver.Attribute(device, CudaDeviceAttribute.MultiprocessorCount);
        CacheBytes = driver.Attribute(device, CudaDeviceAttribute.L2CacheSize);
        context = driver.RetainPrimaryContext(device);
    }

    public override int Index { get; }

    public override bool IsSimulator => false;

    public override bool HasTensorCores => capability >= ComputeCapability.TensorCores;

    public override int Multiprocessors { get; }

    public override long CacheBytes { get; }

    /// <summary>Opens a GPU by its number.</summary>
    public static CudaDevice Open(CudaDriver? driver, int index)
    {
        if (driver is null)
        {
            throw new DeviceException($"cuda:{index} cannot be used: no NVIDIA driver is installed. Install one, or use the simulator.");
        }

        var count = driver.CountDevices();
        if (index >= count)
        {
            throw new DeviceException(count == 0
                ? $"cuda:{index} cannot be used: the NVIDIA driver finds no GPU. Use the simulator."
                : $"There is no cuda:{index}; this machine has {count} GPU{(count == 1 ? ", cuda:0" : $"s, cuda:0 to cuda:{count - 1}")}.");
        }

        var device = driver.Device(index);
        var name = $"cuda:{index} ({driver.Name(device)})";
        var capability = new ComputeCapability(
            driver.Attribute(device, CudaDeviceAttribute.ComputeCapabilityMajor), driver.Attribute(device, CudaDeviceAttribute.ComputeCapabilityMinor));
        return capability >= ComputeCapability.Oldest
            ? new CudaDevice(driver, index, device, name, capability)
            : throw new DeviceException($"{name} has compute capability {capability}, and kernels need {ComputeCapability.Oldest} or later. Use another GPU or the simulator.");
    }

    public override long FreeMemory()
    {
        using var current = Enter();
        return driver.FreeMemory(Name);
    }

    public override DeviceEvent Record() => new CudaEvent(this, driver);

    public override void Dispose()
    {
        FreeTickets();
        using (Enter())
        {
            foreach (var kernel in Loaded.OfType<CudaKernel>())
            {
                kernel.Unload();
            }
        }

        driver.ReleasePrimaryContext(device);
        compiler.Dispose();
    }

    /// <summary>Makes the context current on this thread until the result is disposed; a thread of a deep-learning library usually has it already.</summary>
    internal CurrentContext Enter() => new(driver, context);

    internal override nint AllocateBytes(long bytes)
    {
        using var current = Enter();
        return driver.Allocate(bytes, Name);
    }

    internal override void FreeBytes(nint address)
    {
        using var current = Enter();
        driver.Free(address);
    }

    internal override nint AllocatePinned(long bytes)
    {
        using var current = Enter();
        return driver.AllocatePinned(bytes, Name);
    }

    internal override void FreePinned(nint address)
    {
        using var current = Enter();
        driver.FreePinned(address);
    }

    internal override void EnqueueCopy(nint destination, nint source, long bytes)
    {
        using var current = Enter();
        driver.EnqueueCopyToDevice(destination, source, bytes, Name);
    }

    private protected override Kernel Compile(KernelDefinition definition) => definition.NeedsTensorCores && !HasTensorCores
        ? throw new DeviceException($"{definition.Name} needs compute capability {ComputeCapability.TensorCores}, and {Name} has {capability}.")
        : new CudaKernel(this, driver, compiler.Compile(definition));

    private protected override void Wait()
    {
        using var current = Enter();
        driver.Synchronize(Name);
    }

    private protected override void Write(nint destination, nint source, long bytes)
    {
        using var current = Enter();
        driver.CopyToDevice(destination, source, bytes, Name);
    }

    private protected override void Read(nint destination, nint source, long bytes)
    {
        using var current = Enter();
        driver.CopyToHost(destination, source, bytes, Name);
    }

    /// <summary>The context of the device on this thread, and afterwards again what was there before.</summary>
    internal readonly ref struct CurrentContext
    {
        private readonly CudaDriver driver;
        private readonly nint before;
        private readonly bool changed;

        public CurrentContext(CudaDriver driver, nint context)
        {
            this.driver = driver;
            before = driver.CurrentContext();
            changed = before != context;
            if (changed)
            {
                driver.SetCurrentContext(context);
            }
        }

        public void Dispose()
        {
            if (changed)
            {
                driver.SetCurrentContext(before);
            }
        }
    }
}

/// <summary>A moment of a GPU's legacy default stream.</summary>
internal sealed class CudaEvent : DeviceEvent
{
    private readonly CudaDevice device;
    private readonly CudaDriver driver;
    private readonly nint handle;

    public CudaEvent(CudaDevice device, CudaDriver driver)
    {
        (this.device, this.driver) = (device, driver);
        using var current = device.Enter();
        handle = driver.RecordEvent(device.Name);
    }

    public override TimeSpan Since(DeviceEvent earlier)
    {
        using var current = device.Enter();
        return TimeSpan.FromMilliseconds(driver.MillisecondsBetween(((CudaEvent)earlier).handle, handle, device.Name));
    }

    internal override bool HasPassed
    {
        get
        {
            using var current = device.Enter();
            return driver.HasPassed(handle, device.Name);
        }
    }

    internal override void Wait()
    {
        using var current = device.Enter();
        driver.WaitFor(handle, device.Name);
    }

    public override void Dispose()
    {
        using var current = device.Enter();
        driver.DestroyEvent(handle);
    }
}

/// <summary>A kernel on a GPU: a launch is one call of the driver and allocates nothing.</summary>
internal sealed unsafe class CudaKernel : Kernel
{
    private readonly CudaDevice device;
    private readonly CudaDriver driver;
    private readonly nint module;
    private readonly nint function;
    private int allowedSharedBytes;

    public CudaKernel(CudaDevice device, CudaDriver driver, PtxKernel kernel)
        : base(device, kernel.Definition)
    {
        (this.device, this.driver) = (device, driver);
        using var current = device.Enter();
        module = driver.LoadModule(Encoding.UTF8.GetBytes(kernel.Text + '\0'), $"{kernel.Definition.Name} for {device.Name}");
        function = driver.Function(module, Encoding.UTF8.GetBytes(kernel.EntryPoint + '\0'), kernel.Definition.Name);
    }

    public void Unload() => driver.UnloadModule(module);

    public override int BlocksAtOnce(int threads, int sharedBytes = 0)
    {
        using var current = device.Enter();
        Allow(sharedBytes);
        return Math.Max(1, driver.BlocksAtOnce(function, threads, sharedBytes, $"{Definition.Name} on {device.Name}"));
    }

    private protected override void Run(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments)
    {
        using var current = device.Enter();
        Allow(shape.SharedBytes);
        fixed (KernelArgument* first = arguments)
        {
            var parameters = stackalloc void*[arguments.Length];
            for (var i = 0; i < arguments.Length; i++)
            {
                parameters[i] = first + i;
            }

            var result = driver.Launch(function, shape, parameters);
            if (result != 0)
            {
                throw new DeviceException(
                    $"{Definition.Name} as {shape} did not start on {device.Name}: {driver.Describe(result)}. The cause may be a kernel that ran before it.");
            }
        }
    }
    private void Allow(int sharedBytes)
    {
        if (sharedBytes > allowedSharedBytes)
        {
            driver.AllowSharedBytes(function, sharedBytes, $"{Definition.Name} on {device.Name}");
            allowedSharedBytes = sharedBytes;
        }
    }
}
