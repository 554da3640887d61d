namespace Pascl.Kernels.Ptx;

/// <summary>What an access does.</summary>
internal enum AccessKind
{
    Read,
    Write,
    Atomic,
}

/// <summary>The last accesses to each place of a memory, and whether another may follow without an order between them.</summary>
/// <remarks>
/// A place remembers its last write exactly, and its reads since by block: one thread, one warp or several of it. Of reads by three blocks or more before
/// a write the latest two blocks are compared.
/// </remarks>
/// <param name="order">Of the launch.</param>
/// <param name="granule">Bytes of a place: those of the kernel's smallest access.</param>
internal sealed class AccessHistory(HappensBefore order, int granule)
{
    private const int PlacesPerPage = 1024;

    private readonly Dictionary<long, Place[]> pages = [];
    private long lastPage = -1;
    private Place[] last = [];

    /// <summary>Notes an access and returns the other thread that it races with, or null.</summary>
    /// <param name="thread">Who.</param>
    /// <param name="address">The first byte.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="kind">What.</param>
    /// <param name="time">When.</param>
    public Race? Note(PtxThread thread, long address, int bytes, AccessKind kind, long time)
    {
        for (var place = address / granule; place < (address + bytes + granule - 1) / granule; place++)
        {
            ref var cell = ref Cell(place);
            if (cell.WriteTime > 0 && !(kind == AccessKind.Atomic && cell.WriteIsAtomic)
                && !order.IsOrdered(cell.Writer.Block, cell.Writer.Warp, cell.Writer.Thread, cell.WriteTime, thread))
            {
                return new Race(cell.Writer.Block, cell.Writer.Thread, Wrote: true);
            }

            if (kind == AccessKind.Read)
            {
                cell.AddReader(thread, time, order);
                continue;
            }

            if ((Conflict(cell.First, thread) ?? Conflict(cell.Second, thread)) is { } race)
            {
                return race;
            }

            cell = new Place { Writer = thread, WriteTime = time, WriteIsAtomic = kind == AccessKind.Atomic };
        }

        return null;
    }

    private Race? Conflict(in Readers readers, PtxThread thread) =>
        readers.Time == 0 || order.IsOrdered(readers.Block, readers.Warp, readers.Thread, readers.Time, thread)
            ? null
            : new Race(readers.Block, readers.Thread, Wrote: false);

    private ref Place Cell(long place)
    {
        var page = place / PlacesPerPage;
        if (page != lastPage)
        {
            if (!pages.TryGetValue(page, out last!))
            {
                pages[page] = last = new Place[PlacesPerPage];
            }

            lastPage = page;
        }

        return ref last[place % PlacesPerPage];
    }

    /// <summary>Reads of one block: by one thread, by several of one warp (thread -1), or by several warps (both -1).</summary>
    private record struct Readers(int Block, int Warp, int Thread, long Time);

    private struct Place
    {
        public PtxThread Writer;
        public long WriteTime;
        public bool WriteIsAtomic;
        public Readers First;
        public Readers Second;

        public void AddReader(PtxThread thread, long time, HappensBefore order)
        {
            if (!TryJoin(ref First, thread, time, order) && !TryJoin(ref Second, thread, time, order))
            {
                ref var older = ref First.Time < Second.Time ? ref First : ref Second;
                older = new Readers(thread.Block, thread.Warp, thread.Thread, time);
            }
        }

        private static bool TryJoin(ref Readers readers, PtxThread thread, long time, HappensBefore order)
        {
            if (readers.Time == 0 || order.IsOrdered(readers.Block, readers.Warp, readers.Thread, readers.Time, thread))
            {
                readers = new Readers(thread.Block, thread.Warp, thread.Thread, time);
                return true;
            }

            if (readers.Block != thread.Block)
            {
                return false;
            }

            readers = new Readers(thread.Block, readers.Warp == thread.Warp ? thread.Warp : -1, -1, time);
            return true;
        }
    }
}

/// <summary>Another thread's access that has no order to this one's.</summary>
/// <param name="Block">Its block.</param>
/// <param name="Thread">Its number there; -1 for several.</param>
/// <param name="Wrote">Whether it wrote.</param>
internal readonly record struct Race(int Block, int Thread, bool Wrote);

/// <summary>Who accesses memory.</summary>
/// <param name="Block">Number of the block.</param>
/// <param name="Thread">Number within the block.</param>
internal readonly record struct PtxThread(int Block, int Thread)
{
    /// <summary>The thread's warp within its block.</summary>
    public int Warp => Thread >> 5;
}

/// <summary>Which accesses of a launch are known to come before others, by barriers, fences and atomic operations alone, whatever order they happened in.</summary>
/// <remarks>
/// Within a block a barrier orders what is before it and what is after it; within a warp <c>bar.warp.sync</c> does. Between blocks, what a thread wrote, or
/// knew to be written, before a fence and an atomic operation is known to whoever has an atomic operation on the same address afterwards, and then a fence. A
/// barrier makes what one thread knows known to its block. Source: PTX ISA, memory consistency model, with everything at the scope of the GPU.
/// </remarks>
internal sealed class HappensBefore(int threads)
{
    private readonly Dictionary<int, BlockClock> blocks = [];
    private readonly Dictionary<nint, Knowledge> released = [];

    /// <summary>A number that grows with every event; 0 is before all of them.</summary>
    public long Now { get; private set; }

    /// <summary>The next moment.</summary>
    public long Next() => ++Now;

    public void Begin(int block) => blocks[block] = new BlockClock(threads);

    /// <summary>A block has ended; what it released remains.</summary>
    public void End(int block) => blocks.Remove(block);

    /// <summary>All threads of a block have arrived at a barrier.</summary>
    public void Barrier(int block)
    {
        var clock = blocks[block];
        clock.Barrier = Next();
        clock.Fences.CopyTo(clock.FencesAtBarrier, 0);
        foreach (var knowledge in clock.Acquired.Values)
        {
            clock.Known.Add(knowledge);
        }
    }

    /// <summary>All lanes of a warp have arrived at <c>bar.warp.sync</c>.</summary>
    public void WarpBarrier(int block, int warp) => blocks[block].WarpBarriers[warp] = Next();

    /// <summary>A thread executes a fence of the whole GPU.</summary>
    public void Fence(PtxThread thread)
    {
        var clock = blocks[thread.Block];
        clock.Fences[thread.Thread] = Next();
        if (clock.Seen.Remove(thread.Thread, out var seen))
        {
            Of(clock.Acquired, thread.Thread).Add(seen);
        }
    }

    /// <summary>A thread executes an atomic operation.</summary>
    public void Atomic(PtxThread thread, nint address)
    {
        var clock = blocks[thread.Block];
        if (!released.TryGetValue(address, out var location))
        {
            released[address] = location = new Knowledge();
        }

        Of(clock.Seen, thread.Thread).Add(location);
        var fence = clock.Fences[thread.Thread];
        var mine = new long[threads];
        for (var i = 0; i < threads; i++)
        {
            // Others' accesses before the last barrier: fenced by themselves before it, or by this thread after it.
            mine[i] = i == thread.Thread ? fence : Math.Max(clock.FencesAtBarrier[i], fence > clock.Barrier ? clock.Barrier : 0);
        }

        location.Add(thread.Block, mine);
        location.Add(clock.Known);
        if (clock.Acquired.TryGetValue(thread.Thread, out var acquired))
        {
            location.Add(acquired);
        }
    }

    /// <summary>Whether an access is known to come before what a thread does now.</summary>
    /// <param name="block">Of the earlier access.</param>
    /// <param name="warp">Of the earlier access, or -1 for several.</param>
    /// <param name="thread">Of the earlier access, or -1 for several.</param>
    /// <param name="time">Of the earlier access, or of the last of several.</param>
    /// <param name="now">Who acts now.</param>
    public bool IsOrdered(int block, int warp, int thread, long time, PtxThread now)
    {
        var clock = blocks[now.Block];
        if (block == now.Block)
        {
            return thread == now.Thread || clock.Barrier > time || (warp == now.Warp && clock.WarpBarriers[warp] > time);
        }

        var (first, end) = thread >= 0 ? (thread, thread + 1) : warp >= 0 ? (32 * warp, 32 * (warp + 1)) : (0, threads);
        clock.Acquired.TryGetValue(now.Thread, out var acquired);
        for (var i = first; i < end; i++)
        {
            if (clock.Known.Until(block, i) <= time && (acquired is null || acquired.Until(block, i) <= time))
            {
                return false;
            }
        }

        return true;
    }

    private static Knowledge Of(Dictionary<int, Knowledge> byThread, int thread)
    {
        if (!byThread.TryGetValue(thread, out var knowledge))
        {
            byThread[thread] = knowledge = new Knowledge();
        }

        return knowledge;
    }

    private sealed class BlockClock(int threads)
    {
        public long Barrier { get; set; }

        public long[] WarpBarriers { get; } = new long[(threads + 31) / 32];

        /// <summary>The last fence of each thread, and what it was at the last barrier.</summary>
        public long[] Fences { get; } = new long[threads];

        public long[] FencesAtBarrier { get; } = new long[threads];

        /// <summary>What the whole block knows of others.</summary>
        public Knowledge Known { get; } = new();

        /// <summary>What a thread has seen at an atomic operation; a fence makes it known to the thread.</summary>
        public Dictionary<int, Knowledge> Seen { get; } = [];

        public Dictionary<int, Knowledge> Acquired { get; } = [];
    }

    /// <summary>Until when the accesses of each thread of each block are known.</summary>
    private sealed class Knowledge
    {
        private readonly Dictionary<int, long[]> times = [];

        public long Until(int block, int thread) => times.TryGetValue(block, out var known) ? known[thread] : 0;

        public void Add(Knowledge other)
        {
            foreach (var (block, known) in other.times)
            {
                Add(block, known);
            }
        }

        public void Add(int block, long[] known)
        {
            if (!times.TryGetValue(block, out var own))
            {
                times[block] = [.. known];
                return;
            }

            for (var i = 0; i < own.Length; i++)
            {
                own[i] = Math.Max(own[i], known[i]);
            }
        }
    }
}
