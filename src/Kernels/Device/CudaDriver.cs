using System.Runtime.InteropServices;

namespace Pascl.Kernels.Device;

/// <summary>The functions of NVIDIA's driver that a device needs. Every result is checked; an error becomes a sentence with what was being done.</summary>
internal sealed unsafe class CudaDriver
{
    /// <summary>What <c>cuInit</c> and <c>cuDeviceGetCount</c> say on a machine with a driver and no GPU.</summary>
    private const int NoDevice = 100;

    /// <summary>What <c>cuEventQuery</c> says of an event that has not come yet.</summary>
    private const int NotReady = 600;

    private const int OldestVersion = 11000;
    private const int ErrorLogBytes = 8192;

    private readonly delegate* unmanaged<int, byte**, int> getErrorName;
    private readonly delegate* unmanaged<int, byte**, int> getErrorString;
    private readonly delegate* unmanaged<uint, int> init;
    private readonly delegate* unmanaged<int*, int> driverGetVersion;
    private readonly delegate* unmanaged<int*, int> deviceGetCount;
    private readonly delegate* unmanaged<int*, int, int> deviceGet;
    private readonly delegate* unmanaged<byte*, int, int, int> deviceGetName;
    private readonly delegate* unmanaged<int*, int, int, int> deviceGetAttribute;
    private readonly delegate* unmanaged<nint*, int, int> primaryContextRetain;
    private readonly delegate* unmanaged<int, int> primaryContextRelease;
    private readonly delegate* unmanaged<nint*, int> contextGetCurrent;
    private readonly delegate* unmanaged<nint, int> contextSetCurrent;
    private readonly delegate* unmanaged<int> contextSynchronize;
    private readonly delegate* unmanaged<nint*, void*, uint, int*, void**, int> moduleLoadData;
    private readonly delegate* unmanaged<nint*, nint, byte*, int> moduleGetFunction;
    private readonly delegate* unmanaged<nint, int> moduleUnload;
    private readonly delegate* unmanaged<nint, int, int, int> functionSetAttribute;
    private readonly delegate* unmanaged<int*, nint, int, nuint, int> occupancy;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> launchKernel;
    private readonly delegate* unmanaged<nint*, nuint, int> memoryAllocate;
    private readonly delegate* unmanaged<nint, int> memoryFree;
    private readonly delegate* unmanaged<nuint*, nuint*, int> memoryGetInfo;
    private readonly delegate* unmanaged<nint*, uint, int> eventCreate;
    private readonly delegate* unmanaged<nint, nint, int> eventRecord;
    private readonly delegate* unmanaged<nint, int> eventQuery;
    private readonly delegate* unmanaged<nint, int> eventSynchronize;
    private readonly delegate* unmanaged<float*, nint, nint, int> eventElapsedTime;
    private readonly delegate* unmanaged<nint, int> eventDestroy;
    private readonly delegate* unmanaged<nint, void*, nuint, int> memoryCopyToDevice;
    private readonly delegate* unmanaged<void*, nint, nuint, int> memoryCopyToHost;
    private readonly delegate* unmanaged<nint*, nuint, uint, int> memoryHostAllocate;
    private readonly delegate* unmanaged<nint, int> memoryHostFree;
    private readonly delegate* unmanaged<nint, void*, nuint, nint, int> memoryCopyToDeviceAsync;

    /// <summary>Finds the functions.</summary>
    /// <param name="export">The address of a function by its name in the driver's library.</param>
    public CudaDriver(Func<string, nint> export)
    {
        getErrorName = (delegate* unmanaged<int, byte**, int>)export("cuGetErrorName");
        getErrorString = (delegate* unmanaged<int, byte**, int>)export("cuGetErrorString");
        init = (delegate* unmanaged<uint, int>)export("cuInit");
        driverGetVersion = (delegate* unmanaged<int*, int>)export("cuDriverGetVersion");
        deviceGetCount = (delegate* unmanaged<int*, int>)export("cuDeviceGetCount");
        deviceGet = (delegate* unmanaged<int*, int, int>)export("cuDeviceGet");
        deviceGetName = (delegate* unmanaged<byte*, int, int, int>)export("cuDeviceGetName");
        deviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)export("cuDeviceGetAttribute");
        primaryContextRetain = (delegate* unmanaged<nint*, int, int>)export("cuDevicePrimaryCtxRetain");
        primaryContextRelease = (delegate* unmanaged<int, int>)export("cuDevicePrimaryCtxRelease_v2");
        contextGetCurrent = (delegate* unmanaged<nint*, int>)export("cuCtxGetCurrent");
        contextSetCurrent = (delegate* unmanaged<nint, int>)export("cuCtxSetCurrent");
        contextSynchronize = (delegate* unmanaged<int>)export("cuCtxSynchronize");
        moduleLoadData = (delegate* unmanaged<nint*, void*, uint, int*, void**, int>)export("cuModuleLoadDataEx");
        moduleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)export("cuModuleGetFunction");
        moduleUnload = (delegate* unmanaged<nint, int>)export("cuModuleUnload");
        functionSetAttribute = (delegate* unmanaged<nint, int, int, int>)export("cuFuncSetAttribute");
        occupancy = (delegate* unmanaged<int*, nint, int, nuint, int>)export("cuOccupancyMaxActiveBlocksPerMultiprocessor");
        launchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)export("cuLaunchKernel");
        memoryAllocate = (delegate* unmanaged<nint*, nuint, int>)export("cuMemAlloc_v2");
        memoryFree = (delegate* unmanaged<nint, int>)export("cuMemFree_v2");
        memoryGetInfo = (delegate* unmanaged<nuint*, nuint*, int>)export("cuMemGetInfo_v2");
        eventCreate = (delegate* unmanaged<nint*, uint, int>)export("cuEventCreate");
        eventRecord = (delegate* unmanaged<nint, nint, int>)export("cuEventRecord");
        eventQuery = (delegate* unmanaged<nint, int>)export("cuEventQuery");
        eventSynchronize = (delegate* unmanaged<nint, int>)export("cuEventSynchronize");
        eventElapsedTime = (delegate* unmanaged<float*, nint, nint, int>)export("cuEventElapsedTime");
        eventDestroy = (delegate* unmanaged<nint, int>)export("cuEventDestroy_v2");
        memoryCopyToDevice = (delegate* unmanaged<nint, void*, nuint, int>)export("cuMemcpyHtoD_v2");
        memoryCopyToHost = (delegate* unmanaged<void*, nint, nuint, int>)export("cuMemcpyDtoH_v2");
        memoryHostAllocate = (delegate* unmanaged<nint*, nuint, uint, int>)export("cuMemHostAlloc");
        memoryHostFree = (delegate* unmanaged<nint, int>)export("cuMemFreeHost");
        memoryCopyToDeviceAsync = (delegate* unmanaged<nint, void*, nuint, nint, int>)export("cuMemcpyHtoDAsync_v2");
    }

    /// <summary>The driver of this machine, or null where none is installed.</summary>
    public static CudaDriver? Find()
    {
        var library = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        return NativeLibrary.TryLoad(library, out var handle) ? new CudaDriver(name => NativeLibrary.GetExport(handle, name)) : null;
    }

    /// <summary>Starts the driver and counts its GPUs, which may be none.</summary>
    public int CountDevices()
    {
        var result = init(0);
        if (result == NoDevice)
        {
            return 0;
        }

        Check(result, "The NVIDIA driver did not start");
        int version;
        Check(driverGetVersion(&version), "The NVIDIA driver did not tell its version");
        if (version < OldestVersion)
        {
            throw new DeviceException(
                $"The NVIDIA driver is for CUDA {version / 1000}.{version % 1000 / 10}, and kernels need one for CUDA 11.0 or later. Update the driver, or use the simulator.");
        }

        int count;
        result = deviceGetCount(&count);
        if (result == NoDevice)
        {
            return 0;
        }

        Check(result, "The NVIDIA driver did not count its GPUs");
        return count;
    }

    public int Device(int index)
    {
        int device;
        Check(deviceGet(&device, index), $"cuda:{index} did not open");
        return device;
    }

    public string Name(int device)
    {
        var name = stackalloc byte[256];
        Check(deviceGetName(name, 256, device), "A GPU did not tell its name");
        return Marshal.PtrToStringUTF8((nint)name)!;
    }

    public int Attribute(int device, CudaDeviceAttribute attribute)
    {
        int value;
        Check(deviceGetAttribute(&value, (int)attribute, device), $"A GPU did not tell its {attribute}");
        return value;
    }

    public nint RetainPrimaryContext(int device)
    {
        nint context;
        Check(primaryContextRetain(&context, device), "The GPU's context could not be opened");
        return context;
    }

    // Not checked: at the end of the process the driver may have gone first.
    public void ReleasePrimaryContext(int device) => _ = primaryContextRelease(device);

    public nint CurrentContext()
    {
        nint context;
        Check(contextGetCurrent(&context), "The current GPU context could not be read");
        return context;
    }

    public void SetCurrentContext(nint context) => Check(contextSetCurrent(context), "The GPU context could not be made current");

    public void Synchronize(string device) => Check(contextSynchronize(), $"A kernel on {device} failed");

    public nint LoadModule(ReadOnlySpan<byte> text, string what)
    {
        const int ErrorLogBuffer = 5;
        const int ErrorLogBufferSize = 6;
        const int GenerateLineInformation = 13;
        var log = stackalloc byte[ErrorLogBytes];
        log[0] = 0;
        var options = stackalloc int[] { ErrorLogBuffer, ErrorLogBufferSize, GenerateLineInformation };
        var values = stackalloc void*[] { log, (void*)ErrorLogBytes, (void*)1 };
        nint module;
        fixed (byte* source = text)
        {
            var result = moduleLoadData(&module, source, 3, options, values);
            Check(result, $"The driver did not accept {what}", Marshal.PtrToStringUTF8((nint)log)!.Trim());
        }

        return module;
    }

    public nint Function(nint module, ReadOnlySpan<byte> name, string what)
    {
        nint function;
        fixed (byte* start = name)
        {
            Check(moduleGetFunction(&function, module, start), $"The driver did not find {what} in its module");
        }

        return function;
    }

    public void UnloadModule(nint module) => _ = moduleUnload(module);

    public void AllowSharedBytes(nint function, int bytes, string what)
    {
        const int MaximumDynamicSharedBytes = 8;
        Check(functionSetAttribute(function, MaximumDynamicSharedBytes, bytes), $"{what} was not allowed {bytes} bytes of shared memory in a block");
    }

    /// <summary>How many blocks of a kernel a multiprocessor runs at once, by their registers, shared memory and threads.</summary>
    public int BlocksAtOnce(nint function, int threads, int sharedBytes, string what)
    {
        int blocks;
        Check(occupancy(&blocks, function, threads, (nuint)sharedBytes), $"The driver did not say how many blocks of {what} run at once");
        return blocks;
    }

    /// <summary>Enqueues a kernel on the legacy default stream; returns the driver's result, so that a launch that succeeds formats nothing.</summary>
    public int Launch(nint function, LaunchShape shape, void** parameters) => launchKernel(
        function, (uint)shape.Columns, (uint)shape.Rows, 1, (uint)shape.Threads, 1, 1, (uint)shape.SharedBytes, 0, parameters, null);

    /// <summary>Creates an event and enqueues it on the legacy default stream.</summary>
    public nint RecordEvent(string device)
    {
        nint moment;
        Check(eventCreate(&moment, 0), $"An event could not be made on {device}");
        Check(eventRecord(moment, 0), $"An event could not be recorded on {device}");
        return moment;
    }

    /// <summary>Waits for the later of two recorded events.</summary>
    public float MillisecondsBetween(nint earlier, nint later, string device)
    {
        Check(eventSynchronize(later), $"A kernel on {device} failed");
        float milliseconds;
        Check(eventElapsedTime(&milliseconds, earlier, later), $"The time between two events on {device} could not be read");
        return milliseconds;
    }

    /// <summary>Whether a recorded event has come.</summary>
    public bool HasPassed(nint moment, string device)
    {
        var result = eventQuery(moment);
        if (result != NotReady)
        {
            Check(result, $"A kernel on {device} failed");
        }

        return result != NotReady;
    }

    /// <summary>Waits for a recorded event.</summary>
    public void WaitFor(nint moment, string device) => Check(eventSynchronize(moment), $"A kernel on {device} failed");

    public void DestroyEvent(nint moment) => _ = eventDestroy(moment);

    public nint Allocate(long bytes, string device)
    {
        nint address;
        Check(memoryAllocate(&address, (nuint)bytes), $"{bytes:N0} bytes could not be allocated on {device}");
        return address;
    }

    public long FreeMemory(string device)
    {
        nuint free, total;
        Check(memoryGetInfo(&free, &total), $"The free memory of {device} could not be read");
        return (long)free;
    }

    public void Free(nint address) => _ = memoryFree(address);

    public void CopyToDevice(nint destination, nint source, long bytes, string device) =>
        Check(memoryCopyToDevice(destination, (void*)source, (nuint)bytes), $"{bytes:N0} bytes could not be copied to {device}");

    public void CopyToHost(nint destination, nint source, long bytes, string device) =>
        Check(memoryCopyToHost((void*)destination, source, (nuint)bytes), $"{bytes:N0} bytes could not be copied from {device}");

    public nint AllocatePinned(long bytes, string device)
    {
        nint address;
        Check(memoryHostAllocate(&address, (nuint)bytes, 0), $"{bytes:N0} bytes of the host could not be pinned for {device}");
        return address;
    }

    public void FreePinned(nint address) => _ = memoryHostFree(address);

    /// <summary>Enqueues a copy from pinned memory on the legacy default stream.</summary>
    public void EnqueueCopyToDevice(nint destination, nint source, long bytes, string device) =>
        Check(memoryCopyToDeviceAsync(destination, (void*)source, (nuint)bytes, 0), $"{bytes:N0} bytes could not be copied to {device}");

    /// <summary>Throws where a call of the driver failed.</summary>
    /// <param name="result">What the call returned.</param>
    /// <param name="failure">What did not work, as the beginning of a sentence.</param>
    /// <param name="detail">What else is known.</param>
    public void Check(int result, string failure, string detail = "")
    {
        if (result != 0)
        {
            throw new DeviceException($"{failure}: {Describe(result)}.{(detail.Length == 0 ? "" : $" {detail}")}");
        }
    }

    public string Describe(int result)
    {
        byte* name;
        byte* text;
        return getErrorName(result, &name) == 0 && getErrorString(result, &text) == 0
            ? $"{Marshal.PtrToStringUTF8((nint)name)} ({Marshal.PtrToStringUTF8((nint)text)})"
            : $"CUDA error {result}";
    }
}

/// <summary>Properties of a GPU, with the numbers that the driver gives them.</summary>
internal enum CudaDeviceAttribute
{
    MultiprocessorCount = 16,
    L2CacheSize = 38,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
}
