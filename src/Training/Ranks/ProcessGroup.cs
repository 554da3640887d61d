using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;

namespace Pascl.Training.Ranks;

/// <summary>
/// The processes that do one job together, each with a share of every batch: ranks 0 to R - 1, started by Open MPI's <c>mpirun</c> or by Slurm. Without them there
/// is one rank, no library is loaded, and every operation here does nothing.
/// </summary>
/// <remarks>
/// The operations are collective: every rank calls them in the same order with arguments of the same shape, and gets the same result bit for bit. Sums are in the
/// order that Open MPI chooses for the number of ranks and the size, the same in every run. A rank that waits longer than <see cref="Timeout"/> names those that did
/// not come, and ends all. <see cref="Nccl"/> moves tensors of GPUs where that was asked for; the rest is MPI's.
/// </remarks>
internal sealed class ProcessGroup
{
    private const int SlackMilliseconds = 500;

    // MPI counts in 32 bits; a part of this size is also as much as is copied from a device at once.
    private const int MostElements = 1 << 28;

    private readonly OpenMpi? mpi;
    private readonly ExchangeTally[] tallies = new ExchangeTally[Enum.GetValues<ExchangePart>().Length];
    private readonly RankWatch? watch;

    private ProcessGroup(OpenMpi? mpi)
    {
        this.mpi = mpi;
        watch = mpi is null ? null : new RankWatch(this, mpi);
        (Rank, Size) = mpi is null ? (0, 1) : (mpi.Rank, mpi.Size);
        Hosts = [mpi?.Host ?? Environment.MachineName];
        if (mpi is not null)
        {
            // A starter may show each rank a GPU of its own, which is then number 0 for all of them.
            var places = GatherTexts($"{mpi.Host}\n{Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES")}");
            Hosts = [.. places.Select(place => place[..place.IndexOf('\n', StringComparison.Ordinal)])];
            LocalRank = places.Take(Rank).Count(place => place == places[Rank]);
        }
    }

    /// <summary>Those that this process belongs to.</summary>
    public static ProcessGroup Current { get; private set; } = new(null);

    /// <summary>The longest time that a rank waits for the others where nothing else is asked for.</summary>
    public static TimeSpan UsualTimeout { get; } = TimeSpan.FromMinutes(10);

    /// <summary>The number of this process, from 0.</summary>
    public int Rank { get; }

    /// <summary>R, how many there are.</summary>
    public int Size { get; }

    /// <summary>Whether there are no others.</summary>
    public bool IsAlone => Size == 1;

    /// <summary>Whether it is the one that writes files and speaks.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>The machine of each rank.</summary>
    public IReadOnlyList<string> Hosts { get; }

    /// <summary>The number of this process among those of its machine that are shown the same GPUs, from 0.</summary>
    public int LocalRank { get; }

    /// <summary>The longest time that a rank waits for the others.</summary>
    public TimeSpan Timeout { get; set; } = UsualTimeout;

    /// <summary>What moves the tensors of GPUs in the place of MPI, where that was asked for.</summary>
    public Nccl? Nccl { get; set; }

    /// <summary>How this process is called in messages; what a rank but the first writes to standard error begins with it already.</summary>
    public string Name => NameOf(Rank);

    /// <summary>Called in the backward pass wherever it comes to the exchange of a layer: the gradients of all layers behind are complete there, and may be sent on their way.</summary>
    public Action? BackwardReached { get; set; }

    /// <summary>What a part has exchanged so far.</summary>
    public ExchangeTally this[ExchangePart part] => tallies[(int)part];

    /// <summary>Meets the other ranks, where this process was started with others.</summary>
    /// <exception cref="InputException">Their MPI is missing, or is another one than Open MPI.</exception>
    public static ProcessGroup Join()
    {
        if (Current.IsAlone && RankStarter.Count() > 1)
        {
            Current = new ProcessGroup(OpenMpi.Start());
        }

        return Current;
    }

    /// <summary>Says where the tensors of this rank are, so that <see cref="Nccl"/> can move them; nothing without it.</summary>
    /// <exception cref="InputException">They are on no GPU, or the GPUs of the ranks cannot be connected.</exception>
    public void Connect(torch.Device device) => Nccl?.Connect(this, device);

    /// <summary>What this rank has of everything that is shared.</summary>
    public RankShare Share => ShareOf(Rank);

    /// <summary>What a rank has of everything that is shared.</summary>
    public RankShare ShareOf(int rank) => new(rank, Size);

    /// <summary>Sums a tensor over the ranks, in its place.</summary>
    /// <param name="values">Contiguous, float32, float64 or int64; that of a GPU is copied to the host and back, without <see cref="Nccl"/>.</param>
    /// <param name="part">What it is for.</param>
    public void Sum(torch.Tensor values, ExchangePart part)
    {
        if (!IsAlone)
        {
            using var pending = BeginSum(values, part);
            pending.Finish();
        }
    }

    /// <summary>Begins <see cref="Sum"/>; what is computed meanwhile must not touch the tensor.</summary>
    public unsafe PendingSum BeginSum(torch.Tensor values, ExchangePart part)
    {
        if (!values.is_contiguous())
        {
            throw new ArgumentException("Only contiguous tensors are summed over the ranks.", nameof(values));
        }

        tallies[(int)part].Count(values.numel() * values.element_size());
        if (Nccl?.Takes(values) == true)
        {
            if (values.numel() > 0)
            {
                MeetBeforeNccl(part);
                Nccl.Sum(values);
            }

            return new PendingSum(this, part, values, onHost: null, []);
        }

        var onHost = values.device_type == DeviceType.CPU ? values.alias() : values.cpu();
        var requests = new List<nint>();
        if (mpi is not null && onHost.numel() > 0)
        {
            var address = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(onHost.bytes));
            for (var first = 0L; first < onHost.numel(); first += MostElements)
            {
                var count = (int)Math.Min(MostElements, onHost.numel() - first);
                requests.Add(mpi.BeginSum(address + (first * onHost.element_size()), count, mpi.TypeOf(onHost.dtype)));
            }
        }

        return new PendingSum(this, part, values, onHost.DetachFromDisposeScope(), requests);
    }

    /// <summary>The rows of all ranks, one rank after the other; (all rows, columns) in the current dispose scope.</summary>
    /// <param name="rows">(rows of this rank, columns), contiguous, float32, float64 or int64.</param>
    /// <param name="rowsOfRanks">(R): how many rows each rank has.</param>
    /// <param name="part">What it is for.</param>
    public unsafe torch.Tensor Gather(torch.Tensor rows, IReadOnlyList<int> rowsOfRanks, ExchangePart part)
    {
        if (rows.shape[0] != rowsOfRanks[Rank])
        {
            throw new ArgumentException($"Rank {Rank} has {rows.shape[0]} rows where {rowsOfRanks[Rank]} were agreed on.", nameof(rows));
        }

        using var scope = torch.NewDisposeScope();
        var columns = rows.dim() == 1 ? 1 : rows.shape[1];
        var byNccl = Nccl?.Takes(rows) == true;
        var all = torch.empty([rowsOfRanks.Sum(), .. rows.shape[1..]], rows.dtype, byNccl ? rows.device : torch.CPU); // (all rows, columns)
        all.narrow(0, rowsOfRanks.Take(Rank).Sum(), rows.shape[0]).copy_(rows);
        if (all.numel() > 0 && byNccl)
        {
            tallies[(int)part].Count(rows.numel() * rows.element_size());
            MeetBeforeNccl(part);
            Nccl!.Gather(all, [.. rowsOfRanks.Select(count => count * columns)]);
        }
        else if (all.numel() > 0)
        {
            Gather(Unsafe.AsPointer(ref MemoryMarshal.GetReference(all.bytes)), [.. rowsOfRanks.Select(count => checked((int)(count * columns)))], mpi?.TypeOf(all.dtype) ?? 0, (int)all.element_size(), part);
        }

        return all.to(rows.device).MoveToOuterDisposeScope();
    }

    /// <summary>Gives every rank the parts of all; each has its own in its place already.</summary>
    /// <param name="values">All parts, one rank after the other.</param>
    /// <param name="counts">(R): numbers in each part.</param>
    public unsafe void Gather(float[] values, int[] counts)
    {
        fixed (float* address = values)
        {
            Gather(address, counts, mpi?.Floats ?? 0, sizeof(float), ExchangePart.Evaluation);
        }
    }

    /// <summary>The text of every rank.</summary>
    public unsafe string[] GatherTexts(string text)
    {
        if (mpi is null)
        {
            return [text];
        }

        var own = Encoding.UTF8.GetBytes(text);
        var lengths = new long[Size];
        lengths[Rank] = own.Length;
        fixed (long* address = lengths)
        {
            Gather(address, [.. Enumerable.Repeat(1, Size)], mpi.Longs, sizeof(long), ExchangePart.Agreement);
        }

        int[] counts = [.. lengths.Select(length => (int)length)];
        var all = new byte[counts.Sum()];
        own.CopyTo(all, counts.Take(Rank).Sum());
        fixed (byte* address = all)
        {
            Gather(address, counts, mpi.Bytes, 1, ExchangePart.Agreement);
        }

        return [.. counts.Select((count, rank) => Encoding.UTF8.GetString(all, counts.Take(rank).Sum(), count))];
    }

    /// <summary>Gives every rank the tensor's values of rank 0, in their place.</summary>
    /// <param name="values">Contiguous or not, of any type and device.</param>
    public unsafe void Broadcast(torch.Tensor values)
    {
        if (mpi is null || values.numel() == 0)
        {
            return;
        }

        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var byNccl = Nccl?.Takes(values) == true;
        var packed = (byNccl ? values.detach() : values.detach().cpu()).contiguous();
        tallies[(int)ExchangePart.Agreement].Count(packed.numel() * packed.element_size());
        if (byNccl)
        {
            MeetBeforeNccl(ExchangePart.Agreement);
            Nccl!.Broadcast(packed);
        }
        else
        {
            var bytes = packed.bytes;
            var request = mpi.BeginBroadcast(Unsafe.AsPointer(ref MemoryMarshal.GetReference(bytes)), bytes.Length, mpi.Bytes, root: 0);
            Wait(ref request, ExchangePart.Agreement);
        }

        if (!IsFirst)
        {
            values.copy_(packed);
        }
    }

    /// <summary>Lets the first rank do something, and the others after it, however long that takes.</summary>
    public T FirstBeforeOthers<T>(Func<T> work)
    {
        var (usual, result) = (Timeout, IsFirst ? work() : default);
        Timeout = TimeSpan.MaxValue;
        Largest(0);
        Timeout = usual;
        return IsFirst ? result! : work();
    }

    /// <summary>The largest value of a rank.</summary>
    public unsafe long Largest(long value)
    {
        if (mpi is not null)
        {
            var request = mpi.BeginMaximum(&value, 1, mpi.Longs);
            tallies[(int)ExchangePart.Agreement].Count(sizeof(long));
            Wait(ref request, ExchangePart.Agreement);
        }

        return value;
    }

    /// <summary>Throws where a rank has something else than rank 0, which names both.</summary>
    /// <param name="what">What it is, such as <c>the images</c>.</param>
    /// <param name="value">What this rank has, in words.</param>
    /// <param name="advice">What to do about it.</param>
    /// <exception cref="InputException">It has.</exception>
    public void RequireSame(string what, string value, string advice)
    {
        var values = GatherTexts(value);
        var other = Array.FindIndex(values, text => text != values[0]);
        if (other > 0)
        {
            throw new InputException(
                $"Of {what}, {NameOf(0)} has {values[0]} and {NameOf(other)} has {values[other]}; all ranks need the same. {advice}");
        }
    }

    /// <summary>
    /// Done by a rank that fails before it says why. Where rank 0 fails for the same reason, it is the one that speaks: the others give it time to end them.
    /// </summary>
    public void Announce(TextWriter error)
    {
        if (mpi is null)
        {
            return;
        }

        if (IsFirst)
        {
            error.Write($"{Name}: ");
        }
        else
        {
            Thread.Sleep(SlackMilliseconds);
        }
    }

    /// <summary>Done by a rank that was asked to stop: what it then waits for must come soon, or it is killed before it has said who is missing.</summary>
    public void AskToStop() => watch?.AskToStop();

    /// <summary>Ends all ranks; none comes back from it where there are several.</summary>
    public void End(int exitCode)
    {
        Console.Error.Flush();
        mpi?.Abort(exitCode);
    }

    /// <summary>The same after a sentence that says why, on standard error.</summary>
    internal void End(string sentence)
    {
        Console.Error.WriteLine(IsFirst ? $"{Name}: {sentence}" : sentence);
        End(exitCode: 1);
    }

    /// <summary>Takes leave of the other ranks after the work is done.</summary>
    public void Leave()
    {
        Nccl?.Dispose();
        mpi?.Finish();
    }

    /// <summary>Waits for an operation that was begun.</summary>
    internal void Wait(ref nint request, ExchangePart part)
    {
        var started = Stopwatch.GetTimestamp();
        watch!.WaitFor(ref request);
        tallies[(int)part].Waited(Stopwatch.GetElapsedTime(started));
    }

    // NCCL waits on the GPU for a rank that does not come, without end and in silence; here the hosts wait for each other before, and name it.
    private unsafe void MeetBeforeNccl(ExchangePart part)
    {
        var nothing = 0L;
        var request = mpi!.BeginMaximum(&nothing, 1, mpi.Longs);
        Wait(ref request, part);
    }

    private unsafe void Gather(void* values, int[] counts, nint type, int elementBytes, ExchangePart part)
    {
        if (mpi is null)
        {
            return;
        }

        var places = new int[Size];
        for (var rank = 1; rank < Size; rank++)
        {
            places[rank] = checked(places[rank - 1] + counts[rank - 1]);
        }

        fixed (int* countAddress = counts, placeAddress = places)
        {
            var request = mpi.BeginGather(values, countAddress, placeAddress, type);
            tallies[(int)part].Count((long)counts[Rank] * elementBytes);
            Wait(ref request, part);
        }
    }

    /// <summary>How a rank is called in messages.</summary>
    internal string NameOf(int rank) => $"rank {rank} on {Hosts[rank]}";
}
