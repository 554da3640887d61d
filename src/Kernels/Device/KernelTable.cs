using System.Globalization;

namespace Pascl.Kernels.Device;

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
