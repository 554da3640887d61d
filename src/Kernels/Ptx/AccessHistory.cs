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
