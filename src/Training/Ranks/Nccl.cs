using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Ranks;

/// <summary>
/// NVIDIA's NCCL 2, which moves tensors from GPU to GPU. Its functions, constants and the size of its id are those of its public header
/// (https://github.com/NVIDIA/nccl, src/nccl.h.in). The ranks meet by MPI, which also spreads the id.
/// </summary>
/// <remarks>
/// Everything is put on the GPU's default stream, where torch and the kernels work too: what is launched before is done before, and what is launched afterwards sees the
/// result, so the host never waits for the GPU. For a rank that does not come NCCL waits without end, on the GPU; so <see cref="ProcessGroup"/> lets the ranks meet before each operation.
/// </remarks>
internal sealed unsafe partial class Nccl : IDisposable
{
    private const int IdBytes = 128;
    private const int Bytes = 0; // ncclInt8
    private const int Addition = 0; // ncclSum
    private const int InProgress = 7; // ncclInProgress
    private const nint DefaultStream = 0;

    private static readonly TimeSpan interval = TimeSpan.FromSeconds(1);

    private readonly delegate* unmanaged<Id*, int> getUniqueId;
    private readonly delegate* unmanaged<nint*, int, Id, int, int> initialise;
    private readonly delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int> allReduce;
    private readonly delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int> broadcast;
    private readonly delegate* unmanaged<int> groupStart;
    private readonly delegate* unmanaged<int> groupEnd;
    private readonly delegate* unmanaged<nint, int*, int> getAsyncError;
    private readonly delegate* unmanaged<nint, int> destroy;
    private readonly delegate* unmanaged<int, nint> errorString;
    private readonly delegate* unmanaged<nint, nint> lastError;
    private readonly string version;
    private readonly Lock leaving = new();
    private torch.Device? device;
    private GpuContext context;
    private nint communicator;
    private Timer? lookout;

    private Nccl(nint library)
    {
        getUniqueId = (delegate* unmanaged<Id*, int>)Export("ncclGetUniqueId");
        initialise = (delegate* unmanaged<nint*, int, Id, int, int>)Export("ncclCommInitRank");
        allReduce = (delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclAllReduce");
        broadcast = (delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int>)Export("ncclBroadcast");
        groupStart = (delegate* unmanaged<int>)Export("ncclGroupStart");
        groupEnd = (delegate* unmanaged<int>)Export("ncclGroupEnd");
        getAsyncError = (delegate* unmanaged<nint, int*, int>)Export("ncclCommGetAsyncError");
        destroy = (delegate* unmanaged<nint, int>)Export("ncclCommDestroy");
        errorString = (delegate* unmanaged<int, nint>)Export("ncclGetErrorString");

        // Older ones have none.
        lastError = NativeLibrary.TryGetExport(library, "ncclGetLastError", out var function) ? (delegate* unmanaged<nint, nint>)function : null;
        var number = 0;
        var result = ((delegate* unmanaged<int*, int>)Export("ncclGetVersion"))(&number);
        version = number < 10000 ? $"{number / 1000}.{number / 100 % 10}.{number % 100}" : $"{number / 10000}.{number / 100 % 100}.{number % 100}"; // until 2.8, and since
        Check(result, "tell its version");

        nint Export(string symbol) => NativeLibrary.TryGetExport(library, symbol, out var address)
            ? address
            : throw new InputException($"The libnccl.so.2 of this machine has no {symbol}; install NCCL 2 from NVIDIA, or use --collectives mpi.");
    }

    /// <summary>The kind of device whose tensors it moves. Tests let it be the CPU, with a library that stands in for NCCL.</summary>
    internal static DeviceType Moved { get; set; } = DeviceType.CUDA;

    /// <summary>Loads the library.</summary>
    /// <exception cref="InputException">It is not installed.</exception>
    public static Nccl Load() => NativeLibrary.TryLoad("libnccl.so.2", out var library)
        ? new Nccl(library)
        : throw new InputException(
            "libnccl.so.2 was not found, which --collectives nccl needs: install NCCL (NVIDIA's package libnccl2, or nvidia-nccl of a PyTorch) on every machine and let "
            + "LD_LIBRARY_PATH name its folder, or use --collectives mpi.");

    /// <summary>Connects the GPUs of all ranks, each of which calls it; where they are connected, nothing is done.</summary>
    /// <param name="ranks">Who they are.</param>
    /// <param name="own">The device of this rank.</param>
    /// <exception cref="InputException">It is no GPU, or they cannot be connected.</exception>
    public void Connect(ProcessGroup ranks, torch.Device own)
    {
        if (own.type != Moved)
        {
            throw new InputException($"--collectives nccl moves tensors of GPUs, but this rank computes on the device {own}; use --collectives mpi, or a --device that is a GPU.");
        }

        if (communicator != 0)
        {
            return;
        }

        ranks.RequireSame("the version of NCCL", version, "Install the same on every machine, or use --collectives mpi.");
        var id = MemoryMarshal.Read<Id>(Convert.FromHexString(ranks.GatherTexts(ranks.IsFirst ? NewId() : "")[0]));
        (device, context) = (own, own.type == DeviceType.CUDA ? GpuContext.Of(own.index) : default);

        // NCCL waits without end for what it cannot reach.
        var connection = Task.Run(() => Initialise(ranks, id));
        if (Task.WaitAny([connection], (int)Math.Min(int.MaxValue, ranks.Timeout.TotalMilliseconds)) < 0)
        {
            throw new InputException(
                $"NCCL {version} did not connect the {ranks.Size} ranks within {ranks.Timeout.TotalSeconds:0} s, although they met by MPI: a firewall, or the wrong network. "
                + "NCCL_SOCKET_IFNAME names one and NCCL_DEBUG=INFO shows what it tries; --collectives mpi does without it.");
        }

        communicator = connection.GetAwaiter().GetResult();
        lookout = new Timer(_ => LookForFailure(ranks), null, interval, interval);
    }

    /// <summary>Whether it moves such tensors: those of the device that was connected.</summary>
    public bool Takes(torch.Tensor tensor) => device is not null && tensor.device_type == device.type && (device.type == DeviceType.CPU || tensor.device_index == device.index);

    /// <summary>Sums a contiguous tensor over the ranks, in its place.</summary>
    public void Sum(torch.Tensor values)
    {
        using var current = context.Enter();
        var address = Address(values);
        Check(allReduce(address, address, (nuint)values.numel(), TypeOf(values.dtype), Addition, communicator, DefaultStream), "sum over the ranks (ncclAllReduce)");
    }

    /// <summary>Gives every rank the parts of all; each has its own in its place already.</summary>
    /// <param name="all">All parts, one rank after the other, contiguous.</param>
    /// <param name="counts">(R): numbers in each part.</param>
    public void Gather(torch.Tensor all, IReadOnlyList<long> counts)
    {
        // ncclAllGather has parts of one size alone. Broadcasts that are a group are one launch.
        using var current = context.Enter();
        Check(groupStart(), "begin a group (ncclGroupStart)");
        var place = Address(all);
        for (var rank = 0; rank < counts.Count; rank++)
        {
            if (counts[rank] > 0)
            {
                Broadcast(place, counts[rank], TypeOf(all.dtype), rank);
                place += (nint)(counts[rank] * all.element_size());
            }
        }

        Check(groupEnd(), "gather from the ranks (ncclGroupEnd)");
    }

    /// <summary>Gives every rank the values of rank 0 of a contiguous tensor of any type.</summary>
    public void Broadcast(torch.Tensor values)
    {
        using var current = context.Enter();
        Broadcast(Address(values), values.numel() * values.element_size(), Bytes, root: 0);
    }

    /// <summary>Frees what connects the ranks, after the last operation.</summary>
    public void Dispose()
    {
        if (communicator == 0)
        {
            return;
        }

        lookout?.Dispose();
        lock (leaving)
        {
            using var current = context.Enter();
            _ = destroy(communicator);
            communicator = 0;
        }
    }

    private static int TypeOf(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Int64 => 4,
        torch.ScalarType.Float32 => 7,
        torch.ScalarType.Float64 => 8,
        _ => throw OpenMpi.Refusal(type),
    };

    private string NewId()
    {
        Id id;
        Check(getUniqueId(&id), "make an id (ncclGetUniqueId)");
        return Convert.ToHexString(new ReadOnlySpan<byte>(&id, IdBytes));
    }

    private nint Initialise(ProcessGroup ranks, Id id)
    {
        using var current = context.Enter();
        nint created;
        Check(initialise(&created, ranks.Size, id, ranks.Rank), "connect the ranks (ncclCommInitRank)");
        return created;
    }

    // A connection that breaks later leaves the GPU waiting, and the host with it as soon as it asks for a result: so a thread of its own asks NCCL.
    // What it then calls of MPI ends the process, whatever another thread is doing there.
    private void LookForFailure(ProcessGroup ranks)
    {
        lock (leaving)
        {
            int result;
            if (communicator != 0 && getAsyncError(communicator, &result) == 0 && result is not 0 and not InProgress)
            {
                ranks.End(Sentence(result, "go on"));
            }
        }
    }

    private void Broadcast(nint address, long count, int type, int root) =>
        Check(broadcast(address, address, (nuint)count, type, root, communicator, DefaultStream), "broadcast to the ranks (ncclBroadcast)");

    private void Check(int result, string purpose)
    {
        if (result != 0)
        {
            throw new InputException(Sentence(result, purpose));
        }
    }

    private string Sentence(int result, string purpose)
    {
        var detail = lastError is null ? null : Marshal.PtrToStringUTF8(lastError(communicator))?.Trim();
        return $"NCCL {version} could not {purpose}: {Marshal.PtrToStringUTF8(errorString(result))}{(string.IsNullOrEmpty(detail) ? "" : $" ({detail})")}. "
            + "NCCL_DEBUG=INFO shows more; --collectives mpi does without it.";
    }

    // The address of the first element, on any device. TensorMemory imports the same function for kernels; it is in Interop, which stands on this chapter.
    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static partial nint DataPointer(nint tensor);

    private static nint Address(torch.Tensor tensor) => DataPointer(tensor.Handle);

    /// <summary>What the first rank makes and all give to NCCL, by value.</summary>
    private struct Id
    {
        private fixed byte bytes[IdBytes];
    }

    /// <summary>
    /// Makes a GPU the current one of a thread, as NCCL wants it (torch makes its own current for its own operations only, and the backward pass has a thread of its own), by the
    /// functions of the driver: a CUDA runtime takes for its device that of the primary context which is current. None for the CPU.
    /// </summary>
    private readonly struct GpuContext(nint handle, nint driver)
    {
        public static GpuContext Of(int index)
        {
            var driver = NativeLibrary.Load("libcuda.so.1"); // which libtorch has loaded
            int gpu;
            nint handle;
            Require(((delegate* unmanaged<int*, int, int>)NativeLibrary.GetExport(driver, "cuDeviceGet"))(&gpu, index));
            Require(((delegate* unmanaged<nint*, int, int>)NativeLibrary.GetExport(driver, "cuDevicePrimaryCtxRetain"))(&handle, gpu));
            return new GpuContext(handle, driver);
        }

        public Entered Enter()
        {
            if (handle != 0)
            {
                Require(((delegate* unmanaged<nint, int>)NativeLibrary.GetExport(driver, "cuCtxPushCurrent_v2"))(handle));
            }

            return new Entered(handle == 0 ? 0 : driver);
        }

        private static void Require(int result)
        {
            if (result != 0)
            {
                throw new InputException($"NVIDIA's driver did not give NCCL the GPU of this rank (CUDA error {result}); use --collectives mpi.");
            }
        }
    }

    private readonly ref struct Entered(nint driver)
    {
        public void Dispose()
        {
            nint left;
            if (driver != 0)
            {
                _ = ((delegate* unmanaged<nint*, int>)NativeLibrary.GetExport(driver, "cuCtxPopCurrent_v2"))(&left);
            }
        }
    }
}
