using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Pascl.Kernels.Device;

/// <summary>
/// Assembles PTX with <c>ptxas</c> of NVIDIA's CUDA toolkit and reads what the machine code uses. Needs no GPU. A driver contains an assembler of its own,
/// often a newer one, whose counts may differ by a little.
/// </summary>
public sealed partial class PtxAssembler
{
    /// <summary>Instructions that are counted: tensor-core products, loads of their operands, asynchronous copies, 16-byte loads, sums of a product.</summary>
    public static readonly IReadOnlyList<string> Counted = ["HMMA", "LDSM", "LDGSTS", "LDG.E.128", "LDS.128", "FFMA"];

    private readonly string assembler;
    private readonly string? disassembler;

    private PtxAssembler(string assembler, string? disassembler) => (this.assembler, this.disassembler) = (assembler, disassembler);

    /// <summary>Release of the CUDA toolkit that it is part of, such as 11.8.</summary>
    public string Release => ReleaseNumber().Match(Run(assembler, "--version").Output).Groups[1].Value;

    /// <summary>The assembler on PATH, or null where there is none.</summary>
    public static PtxAssembler? Find() => OnPath("ptxas") is { } assembler ? new PtxAssembler(assembler, OnPath("cuobjdump")) : null;

    /// <summary>Assembles a kernel.</summary>
    /// <param name="kernel">The kernel's PTX.</param>
    /// <param name="capability">For which GPU.</param>
    /// <returns>What the code uses, or null where this assembler is too old to know the GPU.</returns>
    /// <exception cref="DeviceException">The assembler refused the text.</exception>
    public KernelResources? Assemble(PtxKernel kernel, ComputeCapability capability)
    {
        var folder = Directory.CreateTempSubdirectory("pascl-ptx");
        try
        {
            var (text, code) = (Path.Combine(folder.FullName, "kernel.ptx"), Path.Combine(folder.FullName, "kernel.cubin"));
            File.WriteAllText(text, kernel.Text);
            var (exit, report) = Run(assembler, "-v", $"-arch=sm_{capability.Major}{capability.Minor}", text, "-o", code);
            if (exit == 0)
            {
                var resources = Read(report);
                return disassembler is null ? resources : Counts(resources, MachineCode.Parse(Run(disassembler, "-sass", code).Output));
            }

            return report.Contains("is not defined for option 'gpu-name'", StringComparison.Ordinal)
                ? null
                : throw new DeviceException($"ptxas refused {kernel.Definition.Name} for compute capability {capability}: {report.Trim()}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Reads the report of <c>ptxas -v</c> for one kernel.</summary>
    internal static KernelResources Read(string report) => new(
        Number(RegistersUsed().Match(report)),
        Number(SharedUsed().Match(report)),
        Number(Stack().Match(report)),
        Number(SpillStores().Match(report)) + Number(SpillLoads().Match(report)));

    private static int Number(Match match) => match.Success ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;

    private static KernelResources Counts(KernelResources resources, MachineCode code) => resources with
    {
        Instructions = Counted.ToDictionary(counted => counted, counted => code.Names.Count(name => name.StartsWith(counted, StringComparison.Ordinal))),
        HotLoop = code.HotLoop(),
    };

    private static (int Exit, string Output) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    private static string? OnPath(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? $"{program}.exe" : program))
        .FirstOrDefault(File.Exists);

    [GeneratedRegex(@"release (\d+\.\d+)")]
    private static partial Regex ReleaseNumber();

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex RegistersUsed();

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex SharedUsed();

    [GeneratedRegex(@"(\d+) bytes stack frame")]
    private static partial Regex Stack();

    [GeneratedRegex(@"(\d+) bytes spill stores")]
    private static partial Regex SpillStores();

    [GeneratedRegex(@"(\d+) bytes spill loads")]
    private static partial Regex SpillLoads();
}

/// <summary>What the machine code of kernels uses, as rows of text, and what it must not.</summary>
public static class KernelTable
{
    /// <summary>What the columns say.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["kernel", "registers", "shared", .. PtxAssembler.Counted, "hot loop", "at most", "calls", "divisions", "special"];

    // Bars are for what the kernels are written for first.
    private static ComputeCapability Barred => new(9, 0);

    /// <summary>A kernel's row; what is not known, because there was no disassembler, is a question mark, and what there is not is empty.</summary>
    public static string[] Row(KernelDefinition kernel, KernelResources used) =>
    [
        kernel.Name,
        Text(used.Registers),
        used.SharedBytes > 0 || !kernel.NeedsTensorCores ? Text(used.SharedBytes) : "dynamic",
        .. PtxAssembler.Counted.Select(name => used.Instructions.TryGetValue(name, out var count) ? Text(count) : "?"),
        .. Loop(kernel, used),
    ];

    /// <summary>What is wrong with a kernel's machine code, as sentences; empty if nothing is.</summary>
    public static IEnumerable<string> Faults(KernelDefinition kernel, KernelResources used, ComputeCapability capability)
    {
        if (!used.StaysInRegisters)
        {
            yield return $"{kernel.Name} does not stay in registers: {used.StackBytes} bytes of stack, {used.SpillBytes} of spills.";
        }

        if (used.HotLoop is not { } loop)
        {
            yield break;
        }

        if (!kernel.MayDivide && loop.Calls + loop.Divisions > 0)
        {
            yield return $"The hot loop of {kernel.Name} has {loop.Calls} calls and {loop.Divisions} divisions of integers; it must have none.";
        }

        if (capability == Barred && loop.Instructions > kernel.HotLoopBar)
        {
            yield return $"The hot loop of {kernel.Name} has {loop.Instructions} instructions; it may have {kernel.HotLoopBar}.";
        }
    }

    /// <summary>The table for a page in Markdown.</summary>
    public static string Markdown(IEnumerable<(KernelDefinition Kernel, KernelResources Used)> rows) => string.Join(
        '\n', [Line(Columns), $"|{string.Concat(Columns.Select(_ => "---|"))}", .. rows.Select(row => Line(Row(row.Kernel, row.Used)))]);

    private static IEnumerable<string> Loop(KernelDefinition kernel, KernelResources used) => (used.HotLoop, used.Instructions.Count) switch
    {
        ({ } loop, _) => [Text(loop.Instructions), kernel.HotLoopBar is { } bar ? Text(bar) : "", Text(loop.Calls), Text(loop.Divisions), Text(loop.SpecialFunctions)],
        (null, 0) => Enumerable.Repeat("?", 5),
        _ => Enumerable.Repeat("", 5),
    };

    private static string Line(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
