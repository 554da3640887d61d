using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

/// <summary>Stands in for NVIDIA's driver library: records what is called with what, and answers as it is told. Proves the calls, not the GPU.</summary>
internal static unsafe class RecordingCudaDriver
{
    public const nint PrimaryContext = 0xC0;
    public const nint OtherContext = 0xD0;
    public const nint Memory = 0x7000;

    private static nint lastEvent;

    private static readonly byte* ErrorName = (byte*)Marshal.StringToCoTaskMemUTF8("CUDA_ERROR_ILLEGAL_ADDRESS");
    private static readonly byte* ErrorText = (byte*)Marshal.StringToCoTaskMemUTF8("an illegal memory access was encountered");

    public static List<string> Calls { get; } = [];

    public static int DriverVersion { get; set; }

    public static int DeviceCount { get; set; }

    public static (int Major, int Minor) Capability { get; set; }

    public static nint Current { get; set; }

    /// <summary>The function that fails next, and with which result.</summary>
    public static (string Function, int Result) Failure { get; set; }

    /// <summary>The sixteen bytes of each parameter of the last launch.</summary>
    public static (long First, long Second)[] Parameters { get; private set; } = [];

    /// <summary>Whether a launch and a change of context are counted only, without allocating anything.</summary>
    public static bool IsQuiet { get; set; }

    /// <summary>The last event that has come; those that are recorded later have not, until somebody waits for one.</summary>
    public static nint PassedEvents { get; set; }

    public static int QuietLaunches { get; private set; }

    public static int ParameterCount { get; set; }

    public static string ModuleText { get; private set; } = "";

    public static CudaDriver Create()
    {
        Calls.Clear();
        (lastEvent, PassedEvents) = (0, 0);
        (IsQuiet, QuietLaunches, ParameterCount) = (false, 0, 0);
        (DriverVersion, DeviceCount, Capability, Current, Failure) = (12040, 2, (9, 0), OtherContext, ("", 0));
        return new CudaDriver(Export);
    }

    private static nint Export(string name) => name switch
    {
        "cuInit" => (nint)(delegate* unmanaged<uint, int>)&Init,
        "cuDriverGetVersion" => (nint)(delegate* unmanaged<int*, int>)&GetVersion,
        "cuDeviceGetCount" => (nint)(delegate* unmanaged<int*, int>)&GetCount,
        "cuDeviceGet" => (nint)(delegate* unmanaged<int*, int, int>)&GetDevice,
        "cuDeviceGetName" => (nint)(delegate* unmanaged<byte*, int, int, int>)&GetName,
        "cuDeviceGetAttribute" => (nint)(delegate* unmanaged<int*, int, int, int>)&GetAttribute,
        "cuDevicePrimaryCtxRetain" => (nint)(delegate* unmanaged<nint*, int, int>)&Retain,
        "cuDevicePrimaryCtxRelease_v2" => (nint)(delegate* unmanaged<int, int>)&Release,
        "cuCtxGetCurrent" => (nint)(delegate* unmanaged<nint*, int>)&GetCurrent,
        "cuCtxSetCurrent" => (nint)(delegate* unmanaged<nint, int>)&SetCurrent,
        "cuCtxSynchronize" => (nint)(delegate* unmanaged<int>)&Synchronize,
        "cuModuleLoadDataEx" => (nint)(delegate* unmanaged<nint*, void*, uint, int*, void**, int>)&LoadModule,
        "cuModuleGetFunction" => (nint)(delegate* unmanaged<nint*, nint, byte*, int>)&GetFunction,
        "cuModuleUnload" => (nint)(delegate* unmanaged<nint, int>)&Unload,
        "cuFuncSetAttribute" => (nint)(delegate* unmanaged<nint, int, int, int>)&SetAttribute,
        "cuOccupancyMaxActiveBlocksPerMultiprocessor" => (nint)(delegate* unmanaged<int*, nint, int, nuint, int>)&GetOccupancy,
        "cuLaunchKernel" => (nint)(delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)&Launch,
        "cuMemAlloc_v2" => (nint)(delegate* unmanaged<nint*, nuint, int>)&Allocate,
        "cuMemFree_v2" => (nint)(delegate* unmanaged<nint, int>)&Free,
        "cuMemGetInfo_v2" => (nint)(delegate* unmanaged<nuint*, nuint*, int>)&GetMemoryInfo,
        "cuEventCreate" => (nint)(delegate* unmanaged<nint*, uint, int>)&CreateEvent,
        "cuEventRecord" => (nint)(delegate* unmanaged<nint, nint, int>)&RecordEvent,
        "cuEventSynchronize" => (nint)(delegate* unmanaged<nint, int>)&SynchronizeEvent,
        "cuEventElapsedTime" => (nint)(delegate* unmanaged<float*, nint, nint, int>)&ElapsedTime,
        "cuEventDestroy_v2" => (nint)(delegate* unmanaged<nint, int>)&DestroyEvent,
        "cuMemcpyHtoD_v2" => (nint)(delegate* unmanaged<nint, void*, nuint, int>)&CopyToDevice,
        "cuMemcpyDtoH_v2" => (nint)(delegate* unmanaged<void*, nint, nuint, int>)&CopyToHost,
        "cuMemHostAlloc" => (nint)(delegate* unmanaged<nint*, nuint, uint, int>)&AllocatePinned,
        "cuMemFreeHost" => (nint)(delegate* unmanaged<nint, int>)&FreePinned,
        "cuMemcpyHtoDAsync_v2" => (nint)(delegate* unmanaged<nint, void*, nuint, nint, int>)&EnqueueCopy,
        "cuEventQuery" => (nint)(delegate* unmanaged<nint, int>)&QueryEvent,
        "cuGetErrorName" => (nint)(delegate* unmanaged<int, byte**, int>)&GetErrorName,
        "cuGetErrorString" => (nint)(delegate* unmanaged<int, byte**, int>)&GetErrorString,
        _ => throw new EntryPointNotFoundException(name),
    };

    private static int Answer(string call)
    {
        Calls.Add(call);
        return call.StartsWith(Failure.Function + " ", StringComparison.Ordinal) ? Failure.Result : 0;
    }

    [UnmanagedCallersOnly]
    private static int Init(uint flags) => Answer($"init {flags}");

    [UnmanagedCallersOnly]
    private static int GetVersion(int* version)
    {
        *version = DriverVersion;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int GetCount(int* count)
    {
        *count = DeviceCount;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int GetDevice(int* device, int index)
    {
        *device = 40 + index;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int GetName(byte* name, int length, int device)
    {
        "Recorder\0"u8.CopyTo(new Span<byte>(name, length));
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int GetAttribute(int* value, int attribute, int device)
    {
        *value = attribute switch { 16 => 132, 38 => 50 << 20, 75 => Capability.Major, 76 => Capability.Minor, _ => -1 };
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int GetOccupancy(int* blocks, nint function, int threads, nuint sharedBytes)
    {
        *blocks = 5;
        return Answer($"occupancy of {function} with {threads} threads and {sharedBytes} bytes");
    }

    [UnmanagedCallersOnly]
    private static int CreateEvent(nint* moment, uint flags)
    {
        *moment = ++lastEvent;
        return Answer($"create event {flags}");
    }

    [UnmanagedCallersOnly]
    private static int RecordEvent(nint moment, nint stream) => Answer($"record {moment} on {stream}");

    [UnmanagedCallersOnly]
    private static int SynchronizeEvent(nint moment) => Answer($"wait for {moment}");

    [UnmanagedCallersOnly]
    private static int ElapsedTime(float* milliseconds, nint earlier, nint later)
    {
        *milliseconds = 0.25f * (later - earlier);
        return Answer($"elapsed {earlier} {later}");
    }

    [UnmanagedCallersOnly]
    private static int DestroyEvent(nint moment) => Answer($"destroy {moment}");

    [UnmanagedCallersOnly]
    private static int Retain(nint* context, int device)
    {
        *context = PrimaryContext;
        return Answer($"retain {device}");
    }

    [UnmanagedCallersOnly]
    private static int Release(int device) => Answer($"release {device}");

    [UnmanagedCallersOnly]
    private static int GetCurrent(nint* context)
    {
        *context = Current;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int SetCurrent(nint context)
    {
        Current = context;
        return IsQuiet ? 0 : Answer($"current {context:x}");
    }

    [UnmanagedCallersOnly]
    private static int Synchronize() => Answer("synchronize ");

    [UnmanagedCallersOnly]
    private static int LoadModule(nint* module, void* text, uint optionCount, int* options, void** values)
    {
        *module = 0x50;
        ModuleText = Marshal.PtrToStringUTF8((nint)text)!;
        if (optionCount == 3 && options[0] == 5 && options[1] == 6 && (options[2], (nint)values[2]) == (13, 1))
        {
            "ptxas fatal: line 1\0"u8.CopyTo(new Span<byte>(values[0], (int)values[1]));
        }

        return Answer($"load {Current:x}");
    }

    [UnmanagedCallersOnly]
    private static int GetFunction(nint* function, nint module, byte* name)
    {
        *function = 0x60;
        return Answer($"function {module:x} {Marshal.PtrToStringUTF8((nint)name)}");
    }

    [UnmanagedCallersOnly]
    private static int Unload(nint module) => Answer($"unload {module:x}");

    [UnmanagedCallersOnly]
    private static int SetAttribute(nint function, int attribute, int value) => Answer($"attribute {function:x} {attribute} {value}");

    [UnmanagedCallersOnly]
    private static int Launch(nint function, uint x, uint y, uint z, uint threads, uint blockY, uint blockZ, uint shared, nint stream, void** parameters, void** extra)
    {
        if (IsQuiet)
        {
            QuietLaunches++;
            return 0;
        }

        Parameters = new (long, long)[ParameterCount];
        for (var i = 0; i < ParameterCount; i++)
        {
            Parameters[i] = Unsafe.Read<(long, long)>(parameters[i]);
        }

        return Answer($"launch {Current:x} {function:x} ({x}, {y}, {z}) ({threads}, {blockY}, {blockZ}) {shared} stream {stream}");
    }

    [UnmanagedCallersOnly]
    private static int Allocate(nint* address, nuint bytes)
    {
        *address = Memory;
        return Answer($"allocate {bytes}");
    }

    [UnmanagedCallersOnly]
    private static int Free(nint address) => Answer($"free {address:x}");

    [UnmanagedCallersOnly]
    private static int GetMemoryInfo(nuint* free, nuint* total)
    {
        (*free, *total) = (1000, 4000);
        return Answer($"memory {Current:x}");
    }

    [UnmanagedCallersOnly]
    private static int CopyToDevice(nint destination, void* source, nuint bytes) => Answer($"to-device {destination:x} {bytes}");

    [UnmanagedCallersOnly]
    private static int CopyToHost(void* destination, nint source, nuint bytes) => Answer($"to-host {source:x} {bytes}");

    [UnmanagedCallersOnly]
    private static int AllocatePinned(nint* address, nuint bytes, uint flags)
    {
        *address = (nint)NativeMemory.Alloc(bytes);
        return Answer($"pin {bytes} {flags}");
    }

    [UnmanagedCallersOnly]
    private static int FreePinned(nint address)
    {
        NativeMemory.Free((void*)address);
        return Answer("unpin");
    }

    [UnmanagedCallersOnly]
    private static int EnqueueCopy(nint destination, void* source, nuint bytes, nint stream) =>
        Answer($"enqueue {destination:x} [{string.Join(" ", new Span<byte>(source, (int)bytes).ToArray())}] stream {stream}");

    [UnmanagedCallersOnly]
    private static int QueryEvent(nint moment)
    {
        const int NotReady = 600;
        return moment <= PassedEvents ? 0 : NotReady;
    }

    [UnmanagedCallersOnly]
    private static int GetErrorName(int error, byte** name)
    {
        *name = ErrorName;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int GetErrorString(int error, byte** text)
    {
        *text = ErrorText;
        return 0;
    }
}
