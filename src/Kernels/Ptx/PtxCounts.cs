using System.Numerics;

namespace Pascl.Kernels.Ptx;

/// <summary>What the warps of a launch have executed: by instruction, and how their accesses to memory lie.</summary>
/// <param name="code">The kernel.</param>
internal sealed class PtxCounts(PtxCode code)
{
    private const int SectorBytes = 32;
    private const int Banks = 32;
    private const int BankBytes = 4;

    private readonly long[] warps = new long[code.Steps.Length];

    /// <summary>Blocks of the launch by each block that was run: by this everything is multiplied that stands for the whole launch.</summary>
    public double Scale { get; set; } = 1;

    /// <summary>Requests of warps to global memory, and the 32-byte sectors that they touched.</summary>
    public long GlobalRequests { get; private set; }

    /// <summary>Sectors of all requests; a sector that two requests touch counts twice.</summary>
    public long GlobalSectors { get; private set; }

    /// <summary>Sectors that the bytes which the lanes asked for would fill without gaps.</summary>
    public long GlobalSectorsNeeded { get; private set; }

    /// <summary>Passes over the banks of shared memory.</summary>
    public long SharedWavefronts { get; private set; }

    /// <summary>Passes that the same accesses would take without conflicts.</summary>
    public long SharedWavefrontsNeeded { get; private set; }

    /// <summary>Branches whose lanes went different ways.</summary>
    public long DivergentBranches { get; private set; }

    /// <summary>Instructions of all threads.</summary>
    public long ThreadInstructions { get; private set; }

    /// <summary>How often warps executed instructions of each opcode.</summary>
    public IEnumerable<(PtxInstruction Instruction, long Warps)> Executed =>
        code.Steps.Select((step, index) => (step.Instruction, warps[index])).Where(executed => executed.Item2 > 0);

    /// <summary>Counts an instruction.</summary>
    public void Add(int instruction, uint lanes)
    {
        warps[instruction]++;
        ThreadInstructions += BitOperations.PopCount(lanes);
    }

    /// <summary>Counts a branch whose lanes go different ways.</summary>
    public void AddDivergence(int instruction) => DivergentBranches += warps[instruction] > 0 ? 1 : 0;

    /// <summary>Counts the sectors of a request.</summary>
    public void AddGlobal(ReadOnlySpan<ulong> addresses, long offset, int bytes, uint lanes)
    {
        Span<ulong> sectors = stackalloc ulong[PtxWarp.Size];
        var count = 0;
        for (var rest = lanes; rest != 0; rest &= rest - 1)
        {
            sectors[count++] = (addresses[BitOperations.TrailingZeroCount(rest)] + (ulong)offset) / SectorBytes;
        }

        GlobalRequests++;
        GlobalSectors += Distinct(sectors[..count]);
        GlobalSectorsNeeded += ((count * bytes) + SectorBytes - 1) / SectorBytes;
    }

    /// <summary>Counts the passes of a request: as many lanes go at once as fill the banks, and one more for each other word of a bank.</summary>
    public void AddShared(ReadOnlySpan<ulong> addresses, long offset, int bytes, uint lanes)
    {
        var together = Math.Min(PtxWarp.Size, Banks * BankBytes / Math.Max(bytes, BankBytes));
        Span<ulong> words = stackalloc ulong[Banks];
        for (var first = 0; first < PtxWarp.Size; first += together)
        {
            var count = 0;
            for (var lane = first; lane < first + together; lane++)
            {
                for (var word = 0; (lanes >> lane & 1) != 0 && word < Math.Max(1, bytes / BankBytes); word++)
                {
                    words[count++] = ((addresses[lane] + (ulong)offset) / BankBytes) + (ulong)word;
                }
            }

            if (count > 0)
            {
                SharedWavefronts += Passes(words[..count]);
                SharedWavefrontsNeeded++;
            }
        }
    }

    private static int Distinct(Span<ulong> values)
    {
        values.Sort();
        var distinct = 1;
        for (var i = 1; i < values.Length; i++)
        {
            distinct += values[i] != values[i - 1] ? 1 : 0;
        }

        return distinct;
    }

    // The most different words that any bank holds.
    private static int Passes(Span<ulong> words)
    {
        words.Sort();
        Span<int> passes = stackalloc int[Banks];
        var most = 0;
        for (var i = 0; i < words.Length; i++)
        {
            if (i == 0 || words[i] != words[i - 1])
            {
                most = Math.Max(most, ++passes[(int)(words[i] % Banks)]);
            }
        }

        return most;
    }
}
