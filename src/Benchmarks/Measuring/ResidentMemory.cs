using System.Globalization;
using System.Runtime.InteropServices;
using Pascl.Training.Interop;

namespace Pascl.Benchmarks.Measuring;

/// <summary>Bytes of this process in memory, as Linux counts them: tensors on the CPU are not in .NET's own count.</summary>
internal static partial class ResidentMemory
{
    private const string Status = "/proc/self/status";
    private const string Machine = "/proc/meminfo";
    private const string ClearReferences = "/proc/self/clear_refs";
    private const string ResetPeak = "5";

    // M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_MMAP_MAX of glibc's malloc.h.
    private const int TrimThreshold = -1;
    private const int MappingThreshold = -3;
    private const int MostMappings = -4;

    /// <summary>Now.</summary>
    public static long Current => Read(Status, "VmRSS:");

    /// <summary>The most since <see cref="StartAgain"/>.</summary>
    public static long Peak => Read(Status, "VmHWM:");

    /// <summary>What the machine could still give without swapping.</summary>
    public static long Available => Read(Machine, "MemAvailable:");

    /// <summary>Gives memory that is free back to the system, forgets the peak, and returns what is left.</summary>
    public static long StartAgain()
    {
        GC.Collect();
        FreedMemory.GiveBack();
        File.WriteAllText(ClearReferences, ResetPeak);
        return Current;
    }

    /// <summary>
    /// Lets glibc give large freed blocks back to the system again, which a training step of ours stops: what a program does that asks for nothing. The thresholds are those
    /// that glibc comes to by itself after the first large blocks.
    /// </summary>
    public static void GiveFreedBlocksBack()
    {
        _ = Set(MappingThreshold, 32 << 20);
        _ = Set(TrimThreshold, 64 << 20);
        _ = Set(MostMappings, 65536);
        FreedMemory.GiveBack();
    }

    private static long Read(string file, string name)
    {
        var line = File.ReadLines(file).First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) << 10;
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int Set(int parameter, int value);
}
