using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;

namespace Pascl.Training.Ranks;

/// <summary>
/// The functions of Open MPI that ranks need (MPI 3.1). Its handles are addresses of exported data (<c>ompi_mpi_comm_world</c>), those of MPICH are integers, so
/// one cannot take the place of the other. Every operation is begun and then waited for, so that a rank that does not come can be named.
/// </summary>
/// <remarks>An error inside MPI ends all ranks: that is its default, and there is nothing to go on with.</remarks>
internal sealed unsafe class OpenMpi
{
    // MPI_THREAD_SERIALIZED: the backward pass of a GPU calls from a thread of torch's, one call at a time.
    private const int Serialized = 2;
    private const int LongestName = 256;
    private const nint InPlace = 1;

    private readonly delegate* unmanaged<void*, int, nint, int, nint, nint*, int> broadcast;
    private readonly delegate* unmanaged<nint, void*, int, nint, nint, nint, nint*, int> reduce;
    private readonly delegate* unmanaged<nint, int, nint, void*, int*, int*, nint, nint, nint*, int> gather;
    private readonly delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> send;
    private readonly delegate* unmanaged<int, int, nint, int*, int*, int> probe;
    private readonly delegate* unmanaged<nint*, int*, void*, int> test;
    private readonly delegate* unmanaged<nint, int, int> abort;
    private readonly delegate* unmanaged<int> finish;
    private readonly nint world;
    private readonly nint sum;
    private readonly nint maximum;
    private readonly nint doubles;

    private OpenMpi(nint library)
    {
        broadcast = (delegate* unmanaged<void*, int, nint, int, nint, nint*, int>)Export("MPI_Ibcast");
        reduce = (delegate* unmanaged<nint, void*, int, nint, nint, nint, nint*, int>)Export("MPI_Iallreduce");
        gather = (delegate* unmanaged<nint, int, nint, void*, int*, int*, nint, nint, nint*, int>)Export("MPI_Iallgatherv");
        send = (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)Export("MPI_Isend");
        probe = (delegate* unmanaged<int, int, nint, int*, int*, int>)Export("MPI_Iprobe");
        test = (delegate* unmanaged<nint*, int*, void*, int>)Export("MPI_Test");
        abort = (delegate* unmanaged<nint, int, int>)Export("MPI_Abort");
        finish = (delegate* unmanaged<int>)Export("MPI_Finalize");
        (world, sum, maximum) = (Export("ompi_mpi_comm_world"), Export("ompi_mpi_op_sum"), Export("ompi_mpi_op_max"));
        (Bytes, Floats, doubles, Longs) = (Export("ompi_mpi_byte"), Export("ompi_mpi_float"), Export("ompi_mpi_double"), Export("ompi_mpi_int64_t"));

        var (threads, rank, size) = (0, 0, 0);
        ((delegate* unmanaged<void*, void*, int, int*, int>)Export("MPI_Init_thread"))(null, null, Serialized, &threads);
        ((delegate* unmanaged<nint, int*, int>)Export("MPI_Comm_rank"))(world, &rank);
        ((delegate* unmanaged<nint, int*, int>)Export("MPI_Comm_size"))(world, &size);
        (Rank, Size) = (rank, size);
        var name = stackalloc byte[LongestName + 1];
        var length = 0;
        ((delegate* unmanaged<byte*, int*, int>)Export("MPI_Get_processor_name"))(name, &length);
        Host = Encoding.UTF8.GetString(name, length);
        if (threads < Serialized)
        {
            throw new InputException($"This Open MPI gives the thread level {threads}, but {Serialized} (MPI_THREAD_SERIALIZED) is needed; install one that was built with threads.");
        }

        nint Export(string symbol) => NativeLibrary.GetExport(library, symbol);
    }

    /// <summary>The number of this process, from 0.</summary>
    public int Rank { get; }

    /// <summary>How many processes there are.</summary>
    public int Size { get; }

    /// <summary>The name of this machine.</summary>
    public string Host { get; }

    /// <summary>MPI's handle of bytes.</summary>
    public nint Bytes { get; }

    /// <summary>MPI's handle of float32.</summary>
    public nint Floats { get; }

    /// <summary>MPI's handle of int64.</summary>
    public nint Longs { get; }

    /// <summary>MPI's handle of the type of a tensor.</summary>
    public nint TypeOf(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Float32 => Floats,
        torch.ScalarType.Float64 => doubles,
        torch.ScalarType.Int64 => Longs,
        _ => throw Refusal(type),
    };

    /// <summary>What is thrown for tensors of a type that ranks do not exchange.</summary>
    public static ArgumentException Refusal(torch.ScalarType type) => new($"Ranks exchange tensors of Float32, Float64 and Int64, not {type}.");

    /// <summary>Loads the library and meets the other processes.</summary>
    /// <exception cref="InputException">It is not installed, or is another MPI.</exception>
    public static OpenMpi Start()
    {
        if (!NativeLibrary.TryLoad("libmpi.so.40", out var library) && !NativeLibrary.TryLoad("libmpi.so", out library))
        {
            throw new InputException(
                "This process was started as one of several ranks, but libmpi.so.40 was not found: install Open MPI (Debian: openmpi-bin) on every machine, or start without mpirun.");
        }

        return NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _)
            ? new OpenMpi(library)
            : throw new InputException("libmpi.so is not Open MPI (it has no ompi_mpi_comm_world, as MPICH has none); let LD_LIBRARY_PATH name Open MPI's.");
    }

    /// <summary>Begins to send what a rank has to all others.</summary>
    public nint BeginBroadcast(void* values, int count, nint type, int root)
    {
        nint request;
        broadcast(values, count, type, root, world, &request);
        return request;
    }

    /// <summary>Begins to sum over the ranks, each of which gets the sums in the place of its values.</summary>
    public nint BeginSum(void* values, int count, nint type) => BeginReduction(values, count, type, sum);

    /// <summary>Begins to find the largest over the ranks, likewise.</summary>
    public nint BeginMaximum(void* values, int count, nint type) => BeginReduction(values, count, type, maximum);

    /// <summary>Begins to give every rank the parts of all; its own is in its place already.</summary>
    public nint BeginGather(void* values, int* counts, int* places, nint type)
    {
        nint request;
        gather(InPlace, 0, type, values, counts, places, type, world, &request);
        return request;
    }

    /// <summary>Sends an empty message, which nobody needs to receive.</summary>
    public void Signal(int rank, int tag)
    {
        nint request;
        send(null, 0, Bytes, rank, tag, world, &request);
    }

    /// <summary>Whether a rank has sent such a message.</summary>
    public bool HasSignal(int rank, int tag)
    {
        var flag = 0;
        probe(rank, tag, world, &flag, null);
        return flag != 0;
    }

    /// <summary>Whether an operation is over; lets all that were begun go on.</summary>
    public bool IsOver(ref nint request)
    {
        var flag = 0;
        fixed (nint* pointer = &request)
        {
            test(pointer, &flag, null);
        }

        return flag != 0;
    }

    /// <summary>Ends every rank at once.</summary>
    public void Abort(int exitCode) => abort(world, exitCode);

    /// <summary>Takes leave of the others; waits for them.</summary>
    public void Finish() => finish();

    private nint BeginReduction(void* values, int count, nint type, nint operation)
    {
        nint request;
        reduce(InPlace, values, count, type, operation, world, &request);
        return request;
    }
}

/// <summary>What started this process, by the environment that it left.</summary>
internal static class RankStarter
{
    /// <summary>Whether Slurm gave this process GPUs of its own (<c>--gpus-per-task</c>), which each process of the machine numbers from 0.</summary>
    public static bool HasGpusOfItsOwn => Number("SLURM_GPUS_PER_TASK") > 0;

    private static int OfSlurmStep => Number("SLURM_STEP_NUM_TASKS");

    /// <summary>How many processes were started together with this one, itself included.</summary>
    /// <exception cref="InputException">They were, by an MPI that is not spoken here.</exception>
    public static int Count()
    {
        var byOpenMpi = Number("OMPI_COMM_WORLD_SIZE");
        if (byOpenMpi == 0 && Number("PMI_SIZE") is > 1 and var byOthers)
        {
            throw new InputException(OfSlurmStep > 0
                ? $"{byOthers} ranks were started by srun with PMI2, by which they do not meet here; start them with srun --mpi=pmix."
                : $"{byOthers} ranks were started by the mpiexec of another MPI (MPICH or Intel MPI), which Pascl does not speak; start them by Open MPI's mpirun, or with srun --mpi=pmix.");
        }

        return Math.Max(1, Math.Max(byOpenMpi, IsGiven("PMIX_RANK") ? OfSlurmStep : 0));
    }

    /// <summary>Refuses work that several processes share where Slurm started several that cannot meet, each of which would do all of it alone.</summary>
    public static void RequireMeeting()
    {
        if (OfSlurmStep > 1 && !IsGiven("PMIX_RANK") && !IsGiven("OMPI_COMM_WORLD_SIZE"))
        {
            throw new InputException(
                $"srun started {OfSlurmStep} processes without --mpi=pmix, so that each would do all of the work alone. Start them with srun --mpi=pmix, "
                + "or with srun env -u SLURM_STEP_NUM_TASKS where they have nothing to do with each other.");
        }
    }

    private static bool IsGiven(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));

    private static int Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
