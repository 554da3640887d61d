using System.Globalization;
using System.Text.RegularExpressions;

namespace Pascl.Kernels.Device;

/// <summary>A kernel's machine code as <c>cuobjdump -sass</c> lists it, and the loops in it.</summary>
/// <remarks>
/// A loop is found by its shape: a branch back to a place that every way to the branch has passed, and what lies on ways between the two. It holds every
/// instruction there, also those that one iteration skips, and those of a loop inside it once. Subroutines that the assembler puts behind the kernel, such as
/// that of a 64-bit division, are no part of a loop; the call is.
/// </remarks>
internal sealed partial class MachineCode
{
    private const string TensorCoreProduct = "HMMA";
    private const string Branch = "BRA";

    private readonly IReadOnlyList<Instruction> instructions;
    private readonly int[] starts;
    private readonly List<int>[] followers;
    private readonly List<int>[] leaders;

    private MachineCode(IReadOnlyList<Instruction> instructions)
    {
        this.instructions = instructions;
        starts = Starts(instructions);
        followers = [.. starts.Select(_ => new List<int>())];
        leaders = [.. starts.Select(_ => new List<int>())];
        Connect();
    }

    /// <summary>Names of all instructions, in order: <c>LDG.E.128</c>.</summary>
    public IEnumerable<string> Names => instructions.Select(instruction => instruction.Name);

    /// <summary>Reads a listing of one kernel.</summary>
    public static MachineCode Parse(string listing)
    {
        Instruction[] instructions = [.. Line().Matches(listing).Select(match => new Instruction(
            Address(match.Groups["address"].Value),
            match.Groups["name"].Value,
            match.Groups["predicate"].Success || match.Groups["operands"].Value.Contains(','),
            match.Groups["target"].Success ? Address(match.Groups["target"].Value) : null))];
        return new([.. instructions.Select(instruction => IsJump(instruction, instructions) ? instruction with { Name = Branch } : instruction)]);
    }

    /// <summary>
    /// The loop in which a kernel that has enough to do spends its time: of the loops with none inside, that of the most instructions. In a kernel that
    /// multiplies on tensor cores only loops with such products are looked at, so that one that fetches the next tile does not hide the loop around it.
    /// </summary>
    /// <returns>Null where there is no loop.</returns>
    public HotLoop? HotLoop()
    {
        var loops = Loops().Select(loop => (Blocks: loop, Names: loop.SelectMany(Block).Select(instruction => instruction.Name).ToArray())).ToArray();
        if (Names.Any(IsProduct))
        {
            loops = [.. loops.Where(loop => loop.Names.Any(IsProduct))];
        }

        return loops.Where(loop => !loops.Any(other => other.Blocks.IsProperSubsetOf(loop.Blocks)))
            .Select(loop => new HotLoop(
                loop.Names.Length,
                loop.Names.Count(IsCall),
                loop.Names.Count(IsDivision),
                loop.Names.Count(name => name.StartsWith("MUFU", StringComparison.Ordinal))))
            .MaxBy(loop => loop.Instructions);
    }

    // Some loops are left by what is written as a call, of a place in the kernel: what comes there ends in an exit. A subroutine ends in a return.
    private static bool IsJump(Instruction call, Instruction[] instructions) => IsCall(call.Name)
        && instructions.FirstOrDefault(other => other.Address >= call.Last && !other.IsConditional && IsEnd(other.Name))?.Name == "EXIT";

    private static bool IsCall(string name) => name.StartsWith("CALL", StringComparison.Ordinal);

    private static bool IsProduct(string name) => name.StartsWith(TensorCoreProduct, StringComparison.Ordinal);

    // Dividing integers starts from a reciprocal in floating point, and only there a conversion is rounded up.
    private static bool IsDivision(string name) => name.StartsWith("I2F", StringComparison.Ordinal) && name.EndsWith(".RP", StringComparison.Ordinal);

    private static bool IsEnd(string name) => name is "EXIT" || name.StartsWith("RET", StringComparison.Ordinal);

    private static int Address(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // Where straight pieces of code begin: at targets and behind what may leave.
    private static int[] Starts(IReadOnlyList<Instruction> instructions)
    {
        var places = instructions.Index().ToDictionary(entry => entry.Item.Address, entry => entry.Index);
        var starts = new SortedSet<int> { 0 };
        foreach (var (index, instruction) in instructions.Index())
        {
            if (instruction.Target is { } target && places.TryGetValue(target, out var place))
            {
                starts.Add(place);
            }

            if (instruction.Target is not null || IsEnd(instruction.Name))
            {
                starts.Add(index + 1);
            }
        }

        return [.. starts.Where(start => start < instructions.Count)];
    }

    private void Connect()
    {
        var blocks = starts.Index().ToDictionary(entry => instructions[entry.Item].Address, entry => entry.Index);
        for (var block = 0; block < starts.Length; block++)
        {
            var last = Block(block).Last();
            if (last.Target is { } target && blocks.TryGetValue(target, out var next))
            {
                Connect(block, next);
            }

            if (block + 1 < starts.Length && (last.IsConditional || (last.Target is null && !IsEnd(last.Name))))
            {
                Connect(block, block + 1);
            }
        }
    }

    private void Connect(int from, int to)
    {
        followers[from].Add(to);
        leaders[to].Add(from);
    }

    private IEnumerable<Instruction> Block(int block)
    {
        var end = block + 1 < starts.Length ? starts[block + 1] : instructions.Count;
        return instructions.Take(starts[block]..end);
    }

    // The blocks of each loop; branches back to the same place are one loop.
    private IEnumerable<HashSet<int>> Loops()
    {
        var passed = Passed();
        return Enumerable.Range(0, starts.Length)
            .SelectMany(block => followers[block].Where(head => passed[block]?.Contains(head) == true).Select(head => (Head: head, Block: block)))
            .GroupBy(edge => edge.Head, edge => edge.Block)
            .Select(edges => Body(edges.Key, edges));
    }

    private HashSet<int> Body(int head, IEnumerable<int> ends)
    {
        var body = new HashSet<int> { head };
        var open = new Stack<int>(ends);
        while (open.TryPop(out var block))
        {
            if (body.Add(block))
            {
                foreach (var leader in leaders[block])
                {
                    open.Push(leader);
                }
            }
        }

        return body;
    }

    // For each block those that every way to it passes, itself included; null for blocks that no way leads to.
    private HashSet<int>?[] Passed()
    {
        var passed = new HashSet<int>?[starts.Length];
        passed[0] = [0];
        for (var changed = true; changed;)
        {
            changed = false;
            for (var block = 1; block < starts.Length; block++)
            {
                HashSet<int>? common = null;
                foreach (var before in leaders[block].Select(leader => passed[leader]).OfType<HashSet<int>>())
                {
                    if (common is null)
                    {
                        common = [.. before];
                    }
                    else
                    {
                        common.IntersectWith(before);
                    }
                }

                common?.Add(block);
                changed |= common?.Count != passed[block]?.Count;
                passed[block] = common;
            }
        }

        return passed;
    }

    // "/*0010*/  @!P0 BRA 0x1230 ;" and "BRA.U UP0, 0x1230 ;"
    [GeneratedRegex(@"/\*(?<address>[0-9a-f]{4,})\*/\s+(?<predicate>@!?U?P\w+\s+)?(?<name>[A-Z][A-Z0-9_.]*)(?<operands>[^;]*?(?:\b0x(?<target>[0-9a-f]+))?\s*);")]
    private static partial Regex Line();

    /// <param name="Address">Where it lies.</param>
    /// <param name="Name">With its variants.</param>
    /// <param name="IsConditional">Whether a branch or an end may be passed: it has a predicate in front or, a uniform branch, before its target.</param>
    /// <param name="Last">Its last operand, where that is an address.</param>
    private sealed record Instruction(int Address, string Name, bool IsConditional, int? Last)
    {
        /// <summary>Where it may branch to. A call comes back, so it is none.</summary>
        public int? Target => Name is Branch || Name.StartsWith($"{Branch}.", StringComparison.Ordinal) ? Last : null;
    }
}

/// <summary>The instructions of a kernel's hot loop, see <see cref="MachineCode.HotLoop"/>.</summary>
/// <param name="Instructions">All.</param>
/// <param name="Calls">Calls of subroutines: 64-bit divisions, and what a division or a root does for unusual numbers.</param>
/// <param name="Divisions">Divisions of integers, each a dozen or two of the instructions.</param>
/// <param name="SpecialFunctions">Reciprocals, roots, exponentials and logarithms: a warp can start one every eight cycles.</param>
public sealed record HotLoop(int Instructions, int Calls, int Divisions, int SpecialFunctions);
