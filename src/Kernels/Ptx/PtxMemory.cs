using System.Runtime.InteropServices;

namespace Pascl.Kernels.Ptx;

/// <summary>Memory that the PTX machine has allocated, and which of its bytes have ever been written.</summary>
internal sealed unsafe class PtxAllocation : IDisposable
{
    private const int Alignment = 256;

    /// <summary>Allocates memory, not cleared.</summary>
    public PtxAllocation(long bytes)
    {
        Bytes = bytes;
        Address = (nint)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
        Written = (byte*)NativeMemory.AllocZeroed((nuint)bytes);
    }

    /// <summary>Where it begins.</summary>
    public nint Address { get; }

    /// <summary>Its length.</summary>
    public long Bytes { get; }

    /// <summary>For each byte whether it has been written.</summary>
    public byte* Written { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree((void*)Address);
        NativeMemory.Free(Written);
    }
}

/// <summary>An array that a launch was given: where a kernel may read and write.</summary>
/// <param name="Name">The parameter.</param>
/// <param name="Start">The first byte.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Allocation">What it is a part of, or null where the memory is somebody else's.</param>
internal sealed record PtxArray(string Name, nint Start, long Bytes, PtxAllocation? Allocation)
{
    /// <summary>Whether bytes lie inside.</summary>
    public bool Contains(long address, int bytes) => address >= Start && address + bytes <= Start + Bytes;
}

/// <summary>The global memory of one launch: its arrays, with every access checked.</summary>
/// <remarks>An address that came out of memory, as from a table of pointers, may be in any allocation of the device.</remarks>
/// <param name="arrays">What the launch was given.</param>
/// <param name="holding">The allocation that an address is in, or null.</param>
/// <param name="history">The accesses so far, or null where nothing is checked but the bounds of arrays.</param>
internal sealed unsafe class PtxGlobalMemory(IReadOnlyList<PtxArray> arrays, Func<nint, PtxAllocation?> holding, AccessHistory? history)
{
    private PtxArray? last;

    /// <summary>Bytes that were accessed by addresses out of memory, in none of the arrays.</summary>
    public long BytesElsewhere { get; private set; }

    /// <summary>Checks an access of a thread.</summary>
    /// <returns>What is wrong with it, or null.</returns>
    public string? Check(PtxThread thread, long address, int bytes, AccessKind kind, long time)
    {
        if (address % bytes != 0)
        {
            return $"{Verb(kind)} {bytes} bytes at an address that is not a multiple of {bytes}: {Describe(address)}";
        }

        if (last is null || !last.Contains(address, bytes))
        {
            last = arrays.FirstOrDefault(array => array.Contains(address, bytes));
            BytesElsewhere += last is null ? bytes : 0;
            last ??= Elsewhere((nint)address, bytes);
        }

        if (last is null)
        {
            return history is null ? null : $"{Verb(kind)} {bytes} bytes outside of every array: {Describe(address)}";
        }

        if (history is null)
        {
            return null;
        }

        if (last.Allocation is { } allocation)
        {
            var written = new Span<byte>(allocation.Written + (address - allocation.Address), bytes);
            if (kind != AccessKind.Write && written.Contains((byte)0))
            {
                return $"reads what was never written: {Describe(address)}";
            }

            written.Fill(1);
        }

        return history.Note(thread, address, bytes, kind, time) is { } race ? $"{Verb(kind)} {Describe(address)} {RaceText.Of(race, thread)}" : null;
    }

    // Next to an array is outside of it, even where the allocation goes on.
    private PtxArray? Elsewhere(nint address, int bytes) =>
        holding(address) is { } allocation && !arrays.Any(array => array.Allocation == allocation)
        && new PtxArray("memory", allocation.Address, allocation.Bytes, allocation) is var array && array.Contains(address, bytes)
            ? array
            : null;

    private static string Verb(AccessKind kind) => kind switch
    {
        AccessKind.Read => "reads",
        AccessKind.Write => "writes",
        _ => "changes",
    };

    private string Describe(long address)
    {
        var nearest = arrays.MinBy(array => address < array.Start ? array.Start - address : Math.Max(0, address - (array.Start + array.Bytes - 1)));
        return nearest is null ? $"address 0x{address:x}, and the launch has no array" : $"byte {address - nearest.Start:N0} of {nearest.Name}, which has {nearest.Bytes:N0}";
    }
}

/// <summary>The shared memory of one block, with every access checked.</summary>
internal sealed class PtxSharedMemory
{
    private readonly AccessHistory? history;
    private readonly byte[] bytes;
    private readonly byte[] states;

    /// <summary>Creates memory that holds nothing yet.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="history">The accesses so far, or null where nothing is checked but bounds.</param>
    public PtxSharedMemory(int length, AccessHistory? history)
    {
        this.history = history;
        bytes = new byte[length];
        states = new byte[length];
    }

    private enum State : byte
    {
        NeverWritten,
        Written,
        InFlight,
    }

    public Span<byte> At(long address, int count) => bytes.AsSpan((int)address, count);

    /// <summary>Checks an access of a thread.</summary>
    /// <returns>What is wrong with it, or null.</returns>
    public string? Check(PtxThread thread, long address, int count, AccessKind kind, long time)
    {
        if (address % count != 0)
        {
            return $"accesses {count} bytes of shared memory at {address}, which is not a multiple of {count}";
        }

        if (address < 0 || address + count > bytes.Length)
        {
            return $"accesses {count} bytes at {address:N0} of shared memory, of which the block has {bytes.Length:N0}";
        }

        if (history is null)
        {
            return null;
        }

        var touched = states.AsSpan((int)address, count);
        if (touched.Contains((byte)State.InFlight))
        {
            return $"accesses byte {address:N0} of shared memory, where an asynchronous copy has not been waited for";
        }

        if (kind != AccessKind.Write && touched.Contains((byte)State.NeverWritten))
        {
            return $"reads byte {address:N0} of shared memory, which was never written";
        }

        touched.Fill((byte)State.Written);
        return history.Note(thread, address, count, kind, time) is { } race
            ? $"{(kind == AccessKind.Read ? "reads" : "writes")} byte {address:N0} of shared memory {RaceText.Of(race, thread)}"
            : null;
    }

    /// <summary>An asynchronous copy to here begins, after it was checked as a write, or has arrived.</summary>
    public void SetInFlight(long address, int count, bool inFlight) =>
        states.AsSpan((int)address, count).Fill((byte)(inFlight ? State.InFlight : State.Written));
}

/// <summary>Races as the end of a sentence.</summary>
internal static class RaceText
{
    /// <summary>Which other thread did what, and what is missing.</summary>
    public static string Of(Race race, PtxThread thread)
    {
        var verb = race.Wrote ? "wrote" : "read";
        var who = race.Thread < 0 ? "other threads" : $"thread {race.Thread}";
        return race.Block == thread.Block
            ? $"that {who} of the same block {verb}, with no barrier between"
            : $"that {who} of block {race.Block} {verb}, with no fence and atomic operation between";
    }
}
