using System.Numerics;
using Pascl.Kernels.Device;

namespace Pascl.Kernels.Ptx;

/// <summary>How an instruction moves its lanes.</summary>
internal enum PtxStepKind
{
    /// <summary>On to the next instruction.</summary>
    Plain,

    /// <summary>On to the next, after memory was accessed: another warp may be first now.</summary>
    Memory,

    /// <summary>To another instruction.</summary>
    Branch,

    /// <summary>On to the next once all lanes of the warp are here.</summary>
    Exchange,

    /// <summary>On to the next once all threads of the block are here.</summary>
    Barrier,

    /// <summary>Nowhere.</summary>
    End,
}

/// <summary>One instruction.</summary>
/// <param name="Opcode">With all its modifiers: <c>ld.global.v4.f32</c>.</param>
/// <param name="Guard">The row of the predicate that decides which lanes execute it; -1 for all.</param>
/// <param name="Negated">Whether they are the lanes whose predicate is false.</param>
/// <param name="Operands">In the order of the text.</param>
/// <param name="Place">Where it stands.</param>
internal sealed record PtxInstruction(string Opcode, int Guard, bool Negated, PtxOperand[] Operands, PtxPlace Place)
{
    /// <summary>Where a branch goes: one instruction, or one for each value of an index.</summary>
    public int[] Targets { get; set; } = [];

    /// <summary>The opcode between its dots.</summary>
    public string[] Parts { get; } = Opcode.Split('.');

    /// <summary>Whether the opcode has a modifier.</summary>
    public bool Has(string part) => Array.IndexOf(Parts, part) > 0;

    /// <summary>That the machine does not know it.</summary>
    public DeviceException Unknown() => Place.Unknown(Opcode);
}

/// <summary>Where an instruction stands.</summary>
/// <param name="Line">Line of the PTX, from 1.</param>
/// <param name="Source">File and line of the C# that it was made of, such as <c>Lanes.cs:102</c>, of the innermost method where several were put together; empty where it is not known.</param>
internal readonly record struct PtxPlace(int Line, string Source)
{
    /// <summary>That something there is not known to the machine.</summary>
    public DeviceException Unknown(string statement) => new($"\"{statement}\" ({this}) is not known to the PTX machine.");

    /// <inheritdoc/>
    public override string ToString() => $"line {Line} of the PTX{(Source.Length == 0 ? "" : $", made of {Source}")}";
}

/// <summary>One operand.</summary>
/// <param name="Rows">Of the register file: one, several for a vector, the address for memory.</param>
/// <param name="Offset">Bytes that are added to an address.</param>
internal readonly record struct PtxOperand(int[] Rows, long Offset)
{
    /// <summary>The only row, or the first.</summary>
    public int Row => Rows[0];
}

/// <summary>An instruction as the machine executes it.</summary>
internal sealed class PtxStep
{
    private readonly Action<PtxWarp, uint>? execute;

    /// <summary>Prepares an instruction.</summary>
    public PtxStep(PtxInstruction instruction)
    {
        Instruction = instruction;
        var operands = instruction.Operands;
        (Kind, execute, var writesFirst) = instruction.Parts[0] switch
        {
            "ret" or "exit" => (PtxStepKind.End, null, false),
            "bra" or "brx" => (PtxStepKind.Branch, null, false),
            "bar" or "barrier" when !instruction.Has("warp") => (PtxStepKind.Barrier, null, false),
            "bar" => (PtxStepKind.Exchange, (warp, _) => warp.Launch.Order?.WarpBarrier(warp.Block.Number, warp.Index), false),
            "membar" or "fence" => (PtxStepKind.Memory, PtxMemoryInstructions.Fence(instruction), false),
            "ld" => (PtxStepKind.Memory, PtxMemoryInstructions.Load(instruction), true),
            "st" => (PtxStepKind.Memory, PtxMemoryInstructions.Store(instruction), false),
            "atom" => (PtxStepKind.Memory, PtxMemoryInstructions.Atomic(instruction), true),
            "red" => (PtxStepKind.Memory, PtxMemoryInstructions.Atomic(instruction), false),
            "cp" => (PtxStepKind.Memory, PtxMemoryInstructions.CopyAsynchronously(instruction), false),
            "shfl" => (PtxStepKind.Exchange, PtxWarpInstructions.Shuffle(instruction), true),
            "vote" => (PtxStepKind.Exchange, PtxWarpInstructions.Vote(instruction), true),
            "ldmatrix" => (PtxStepKind.Exchange, PtxWarpInstructions.LoadMatrix(instruction), true),
            "mma" => (PtxStepKind.Exchange, PtxWarpInstructions.MultiplyAccumulate(instruction), true),
            _ => (PtxStepKind.Plain, Map(instruction), true),
        };
        Index = instruction.Parts[0] == "brx" ? operands[0].Row : -1;
        Writes = writesFirst ? operands[0].Rows : [];
        Reads = [.. operands.Skip(writesFirst ? 1 : 0).SelectMany(operand => operand.Rows).Distinct()];
    }

    /// <summary>What the text says.</summary>
    public PtxInstruction Instruction { get; }

    /// <summary>Where its lanes go.</summary>
    public PtxStepKind Kind { get; }

    /// <summary>The predicate that decides which lanes execute it; -1 for all.</summary>
    public int Guard => Instruction.Guard;

    /// <summary>Whether they are the lanes whose predicate is false.</summary>
    public bool Negated => Instruction.Negated;

    /// <summary>Where a branch goes.</summary>
    public int[] Targets => Instruction.Targets;

    /// <summary>The row that chooses among the targets; -1 where there is one.</summary>
    public int Index { get; }

    /// <summary>Whether another warp may be first after it.</summary>
    public bool AccessesMemory => Kind == PtxStepKind.Memory || Instruction.Parts[0] == "ldmatrix";

    /// <summary>Rows that are read.</summary>
    public int[] Reads { get; }

    /// <summary>Rows that are written.</summary>
    public int[] Writes { get; }

    /// <summary>Executes it for some lanes.</summary>
    public void Execute(PtxWarp warp, uint lanes) => execute!(warp, lanes);

    /// <summary>Where a lane's branch goes.</summary>
    public int Target(PtxWarp warp, int lane)
    {
        if (Index < 0)
        {
            return Targets[0];
        }

        var index = warp.Lanes(Index)[lane];
        return index < (ulong)Targets.Length ? Targets[index] : throw warp.Fault(lane, $"branches to target {index} of {Targets.Length}");
    }

    // Lane by lane, from up to three rows to one.
    private static Action<PtxWarp, uint> Map(PtxInstruction instruction)
    {
        var operation = PtxArithmetic.Of(instruction)
            ?? throw instruction.Unknown();
        var rows = instruction.Operands.Select(operand => operand.Row * PtxWarp.Size).ToArray();
        var (to, first) = (rows[0], rows[1]);
        var second = rows.Length > 2 ? rows[2] : first;
        var third = rows.Length > 3 ? rows[3] : -1;
        return (warp, lanes) =>
        {
            var registers = warp.Registers;
            if (lanes == uint.MaxValue)
            {
                for (var lane = 0; lane < PtxWarp.Size; lane++)
                {
                    registers[to + lane] = operation(registers[first + lane], registers[second + lane], third < 0 ? 0 : registers[third + lane]);
                }

                return;
            }

            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                var lane = BitOperations.TrailingZeroCount(rest);
                registers[to + lane] = operation(registers[first + lane], registers[second + lane], third < 0 ? 0 : registers[third + lane]);
            }
        };
    }
}

/// <summary>A kernel as the machine executes it.</summary>
internal sealed class PtxCode
{
    /// <summary>Reads and prepares a kernel.</summary>
    /// <param name="kernel">Its PTX.</param>
    /// <exception cref="DeviceException">It uses something that the machine does not know.</exception>
    public PtxCode(PtxKernel kernel)
    {
        (Name, WritesIndices) = (kernel.Definition.Name, kernel.Definition.WritesIndices);
        Program = PtxProgram.Parse(kernel.Text);
        Steps = [.. Program.Instructions.Select(instruction => new PtxStep(instruction))];
    }

    /// <summary>The kernel's name, for people.</summary>
    public string Name { get; }

    /// <summary>Whether other kernels read where it tells them to.</summary>
    public bool WritesIndices { get; }

    /// <summary>The text, read.</summary>
    public PtxProgram Program { get; }

    /// <summary>Its instructions.</summary>
    public PtxStep[] Steps { get; }
}
