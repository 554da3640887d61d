using System.Numerics;

namespace Pascl.Kernels.Ptx;

/// <summary>What bounds a kernel's time from below on some GPU: the memory it must move and the instructions its warps must issue.</summary>
/// <param name="Name">The GPU.</param>
/// <param name="Multiprocessors">Streaming multiprocessors.</param>
/// <param name="ClockGigahertz">The highest clock.</param>
/// <param name="MemoryGigabytesPerSecond">Bandwidth of the memory.</param>
/// <param name="CacheGigabytesPerSecond">Bandwidth of the cache that all multiprocessors share, as the maker or a measurement says.</param>
public sealed record GpuRates(string Name, int Multiprocessors, double ClockGigahertz, double MemoryGigabytesPerSecond, double CacheGigabytesPerSecond)
{
    /// <summary>
    /// GPUs with a known table. H200: NVIDIA H200 datasheet (4.8 TB/s, 132 multiprocessors, 1.98 GHz boost of the SXM module). A100 80 GB: datasheet (2,039 GB/s,
    /// 108, 1.41 GHz). RTX 4090: Ada whitepaper (1,008 GB/s, 128, 2.52 GHz). RTX 3060: Ampere whitepaper (360 GB/s, 28, 1.78 GHz). The cache's bandwidth is taken
    /// as 64 bytes a clock and multiprocessor, which none of them exceeds.
    /// </summary>
    public static IReadOnlyList<GpuRates> Known { get; } =
    [
        Of("H200", 132, 1.98, 4800),
        Of("A100", 108, 1.41, 2039),
        Of("RTX 4090", 128, 2.52, 1008),
        Of("RTX 3060", 28, 1.78, 360),
    ];

    /// <summary>Warp-instructions of a class that one multiprocessor can start in a clock. Source: CUDA C++ Programming Guide, arithmetic instructions.</summary>
    public static double PerClock(InstructionClass instructions) => instructions switch
    {
        InstructionClass.Special => 0.5,
        InstructionClass.Memory or InstructionClass.Exchange => 1,
        InstructionClass.TensorCore => 2,
        InstructionClass.Division => Schedulers / FewestOfDivision,
        _ => Schedulers,
    };

    /// <summary>Warp-instructions that one multiprocessor issues in a clock: one of each of its schedulers.</summary>
    public const double Schedulers = 4;

    /// <summary>Instructions that a division becomes at least.</summary>
    public const double FewestOfDivision = 8;

    private static GpuRates Of(string name, int multiprocessors, double clock, double memory) =>
        new(name, multiprocessors, clock, memory, 64 * multiprocessors * clock);
}

/// <summary>Classes of instructions that a multiprocessor executes at different rates.</summary>
public enum InstructionClass
{
    /// <summary>Arithmetic of float32 and integers, comparisons, conversions between widths.</summary>
    Arithmetic,

    /// <summary>ex2, lg2, rcp, sqrt, and conversions between numbers and integers.</summary>
    Special,

    /// <summary>Division and remainder of integers and exact division of numbers, which become sequences.</summary>
    Division,

    /// <summary>Loads and stores.</summary>
    Memory,

    /// <summary>Exchanges between lanes.</summary>
    Exchange,

    /// <summary>Products of matrices on tensor cores.</summary>
    TensorCore,

    /// <summary>Branches, barriers and fences.</summary>
    Control,

    /// <summary>What an assembler removes: copies between registers, and widenings that become part of others.</summary>
    Free,
}

/// <summary>What one kernel did in a launch, for the whole grid, and the bound that follows.</summary>
/// <param name="Kernel">Its name.</param>
/// <param name="Launches">How many launches are summed.</param>
/// <param name="Warps">Warp-instructions by class.</param>
/// <param name="ArrayBytes">Bytes of the arrays that it was given: what it moves if it touches each element once.</param>
/// <param name="BytesElsewhere">Bytes that it moved beyond these, by addresses out of a table.</param>
/// <param name="Sectors">32-byte sectors of global memory that requests touched.</param>
/// <param name="SectorsNeeded">Sectors that the same bytes would fill without gaps.</param>
/// <param name="Wavefronts">Passes over the banks of shared memory.</param>
/// <param name="WavefrontsNeeded">Passes that the same accesses would take without conflicts.</param>
/// <param name="DivergentBranches">Branches whose lanes went different ways.</param>
public sealed record KernelWork(
    string Kernel,
    int Launches,
    IReadOnlyDictionary<InstructionClass, double> Warps,
    double ArrayBytes,
    double BytesElsewhere,
    double Sectors,
    double SectorsNeeded,
    double Wavefronts,
    double WavefrontsNeeded,
    double DivergentBranches)
{
    private const int SectorBytes = 32;


    /// <summary>Sectors touched for each that the same bytes need: 1 is best.</summary>
    public double SectorsPerNeeded => SectorsNeeded == 0 ? 1 : Sectors / SectorsNeeded;

    /// <summary>Passes over shared memory for each that the same accesses need: 1 is without conflicts.</summary>
    public double WavefrontsPerNeeded => WavefrontsNeeded == 0 ? 1 : Wavefronts / WavefrontsNeeded;

    /// <summary>Bytes of the sectors.</summary>
    public double GlobalBytes => SectorBytes * Sectors;

    /// <summary>Issue slots that the warps take.</summary>
    public double Issued => Warps.Sum(pair => pair.Key switch
    {
        InstructionClass.Free => 0,
        InstructionClass.Division => GpuRates.FewestOfDivision * pair.Value,
        _ => pair.Value,
    });

    /// <summary>The least time of these launches on a GPU, in microseconds: the larger of memory and issue. A bound, never a time.</summary>
    public double BoundMicroseconds(GpuRates gpu) => Math.Max(MemoryMicroseconds(gpu), IssueMicroseconds(gpu));

    /// <summary>The least time for memory, in microseconds: each array at most once from memory, each sector from the cache.</summary>
    public double MemoryMicroseconds(GpuRates gpu) =>
        Math.Max(Math.Min(ArrayBytes + BytesElsewhere, GlobalBytes) / gpu.MemoryGigabytesPerSecond, GlobalBytes / gpu.CacheGigabytesPerSecond) / 1e3;

    /// <summary>The least time to issue all instructions and to execute those of each class, in microseconds, with every multiprocessor busy.</summary>
    public double IssueMicroseconds(GpuRates gpu) => Warps.Where(pair => pair.Key != InstructionClass.Free)
        .Select(pair => pair.Value / GpuRates.PerClock(pair.Key))
        .Append(Issued / GpuRates.Schedulers)
        .Max() / (gpu.Multiprocessors * gpu.ClockGigahertz) / 1e3;

    /// <summary>What several launches of one kernel did together.</summary>
    public static KernelWork operator +(KernelWork left, KernelWork right) => new(
        left.Kernel,
        left.Launches + right.Launches,
        left.Warps.Concat(right.Warps).GroupBy(pair => pair.Key).ToDictionary(group => group.Key, group => group.Sum(pair => pair.Value)),
        left.ArrayBytes + right.ArrayBytes,
        left.BytesElsewhere + right.BytesElsewhere,
        left.Sectors + right.Sectors,
        left.SectorsNeeded + right.SectorsNeeded,
        left.Wavefronts + right.Wavefronts,
        left.WavefrontsNeeded + right.WavefrontsNeeded,
        left.DivergentBranches + right.DivergentBranches);

    internal static KernelWork Of(string kernel, PtxCounts counts, long arrayBytes, double bytesElsewhere) => new(
        kernel,
        1,
        counts.Executed.GroupBy(executed => ClassOf(executed.Instruction))
            .ToDictionary(group => group.Key, group => group.Sum(executed => executed.Warps) * counts.Scale),
        arrayBytes,
        bytesElsewhere,
        counts.GlobalSectors * counts.Scale,
        counts.GlobalSectorsNeeded * counts.Scale,
        counts.SharedWavefronts * counts.Scale,
        counts.SharedWavefrontsNeeded * counts.Scale,
        counts.DivergentBranches * counts.Scale);

    internal static InstructionClass ClassOf(PtxInstruction instruction) => instruction.Parts[0] switch
    {
        "mov" or "cvta" => InstructionClass.Free,
        "ld" when instruction.Has("param") => InstructionClass.Free,
        "ld" or "st" or "cp" or "atom" or "red" or "ldmatrix" => InstructionClass.Memory,
        "mma" => InstructionClass.TensorCore,
        "shfl" or "vote" => InstructionClass.Exchange,
        "bra" or "brx" or "bar" or "barrier" or "membar" or "fence" or "ret" or "exit" => InstructionClass.Control,
        "div" or "rem" => InstructionClass.Division,
        "ex2" or "lg2" or "rcp" or "sqrt" or "rsqrt" or "sin" or "cos" => InstructionClass.Special,
        "cvt" when instruction.Parts[^1][0] == 'f' != (instruction.Parts[^2][0] == 'f') => InstructionClass.Special,
        "cvt" when instruction.Parts[^2].StartsWith("bf16", StringComparison.Ordinal) => InstructionClass.Arithmetic,
        "cvt" => InstructionClass.Free,

        // A product that is followed by its sum becomes one instruction with it; the bound must not count both.
        "mul" when instruction.Parts[^1][0] == 'f' && !instruction.Has("rn") => InstructionClass.Free,
        _ => InstructionClass.Arithmetic,
    };
}

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
