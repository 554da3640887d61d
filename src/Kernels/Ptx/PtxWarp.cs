using System.Numerics;
using Pascl.Kernels.Device;

namespace Pascl.Kernels.Ptx;

/// <summary>32 threads of a block: their registers, and where each of them is.</summary>
/// <remarks>
/// Lanes that are at the same instruction run together. Of several groups the one that is furthest behind goes on, so that lanes meet again where their paths
/// do; an instruction that exchanges values between lanes waits for all of them.
/// </remarks>
internal sealed class PtxWarp
{
    /// <summary>Lanes of a warp.</summary>
    public const int Size = 32;

    private readonly PtxStep[] steps;
    private readonly uint[] written;
    private readonly List<LaneGroup> groups = [];
    private int current;

    /// <summary>Creates a warp for a kernel; <see cref="Begin"/> puts it into a block.</summary>
    public PtxWarp(PtxLaunch launch, int index)
    {
        Launch = launch;
        Index = index;
        steps = launch.Code.Steps;
        var program = launch.Code.Program;
        Registers = new ulong[program.Rows * Size];
        written = new uint[program.Rows];
        Local = new byte[program.LocalBytes * Size];
        foreach (var (row, value) in program.Constants)
        {
            Lanes(row).Fill(value);
        }
    }

    private enum GroupState
    {
        Ready,
        Exchanging,
        AtBarrier,
    }

    /// <summary>The launch that it runs for.</summary>
    public PtxLaunch Launch { get; }

    /// <summary>Its number in the block.</summary>
    public int Index { get; }

    public PtxBlock Block { get; private set; } = null!;

    /// <summary>Rows of 32 lanes; a value has 64 bits, of which narrow types use the low ones.</summary>
    public ulong[] Registers { get; }

    /// <summary>The memory that each lane has of its own, one after the other.</summary>
    public byte[] Local { get; }

    /// <summary>Asynchronous copies of each lane that have not arrived, oldest first.</summary>
    public List<AsynchronousCopy>[] Copies { get; } = [.. Enumerable.Range(0, Size).Select(_ => new List<AsynchronousCopy>())];

    /// <summary>Lanes that have not ended.</summary>
    public uint Alive { get; private set; }

    /// <summary>Whether lanes can go on without another warp.</summary>
    public bool IsReady => groups.Exists(group => group.State == GroupState.Ready);

    public Span<ulong> Lanes(int row) => Registers.AsSpan(row * Size, Size);

    /// <summary>Starts the kernel's first instruction in a block.</summary>
    public void Begin(PtxBlock block)
    {
        Block = block;
        Alive = uint.MaxValue;
        groups.Clear();
        groups.Add(new LaneGroup(0, Alive, GroupState.Ready));
        Array.Clear(written);
        foreach (var (row, _) in Launch.Code.Program.Constants)
        {
            written[row] = Alive;
        }

        foreach (var (row, name) in Launch.Code.Program.Specials)
        {
            written[row] = Alive;
            for (var lane = 0; lane < Size; lane++)
            {
                Registers[(row * Size) + lane] = Special(name, lane);
            }
        }

        foreach (var copies in Copies)
        {
            copies.Clear();
        }
    }

    /// <summary>Runs one group of lanes until after its next access to memory, or until it must wait or has ended.</summary>
    public void Run()
    {
        var index = FurthestBehind();
        var (pc, lanes) = (groups[index].Instruction, groups[index].Lanes);
        groups.RemoveAt(index);
        var meeting = groups.Count == 0 ? int.MaxValue : NextMeeting();
        while (true)
        {
            current = pc;
            var step = steps[pc];
            var active = step.Guard < 0 ? lanes : lanes & Where(step.Guard, lanes, !step.Negated);
            Launch.Count(pc, active);
            switch (step.Kind)
            {
                case PtxStepKind.Plain:
                    Execute(step, active);
                    pc++;
                    break;
                case PtxStepKind.Exchange when lanes != uint.MaxValue:
                    Park(pc, lanes, GroupState.Exchanging);
                    return;
                case PtxStepKind.Memory or PtxStepKind.Exchange:
                    Execute(step, active);
                    pc++;
                    if (step.AccessesMemory)
                    {
                        Park(pc, lanes, GroupState.Ready);
                        return;
                    }

                    break;
                case PtxStepKind.Branch when active == lanes && step.Index < 0:
                    pc = step.Targets[0];
                    break;
                case PtxStepKind.Branch when active == 0:
                    pc++;
                    break;
                case PtxStepKind.Branch:
                    Split(step, pc, active, lanes);
                    return;
                case PtxStepKind.Barrier:
                    Park(pc, lanes, GroupState.AtBarrier);
                    return;
                default:
                    Alive &= ~active;
                    lanes &= ~active;
                    if (lanes == 0)
                    {
                        return;
                    }

                    pc++;
                    break;
            }

            if (pc >= meeting)
            {
                Park(pc, lanes, GroupState.Ready);
                return;
            }
        }
    }

    /// <summary>Lanes that wait at a barrier, and at which instruction; null where no lane waits at one.</summary>
    public (int Instruction, uint Lanes)? Waiting()
    {
        var waiting = groups.FindIndex(group => group.State == GroupState.AtBarrier);
        return waiting < 0 ? null : (groups[waiting].Instruction, groups[waiting].Lanes);
    }

    /// <summary>Lets the lanes at the barrier go on.</summary>
    public void PassBarrier()
    {
        for (var i = 0; i < groups.Count; i++)
        {
            groups[i] = new LaneGroup(groups[i].Instruction + 1, groups[i].Lanes, GroupState.Ready);
        }
    }

    /// <summary>Why lanes of this warp wait for ever, or null where they only wait for others.</summary>
    public DeviceException? WhyStuck()
    {
        if (groups.FindIndex(group => group.State == GroupState.Exchanging) is var exchanging and >= 0)
        {
            current = groups[exchanging].Instruction;
            var lanes = groups[exchanging].Lanes;
            return Fault(BitOperations.TrailingZeroCount(lanes), $"waits for all 32 lanes, and {32 - BitOperations.PopCount(lanes)} of them never come");
        }

        if (groups.Count > 1 || (groups.Count == 1 && groups[0].Lanes != uint.MaxValue))
        {
            current = groups[0].Instruction;
            return Fault(
                BitOperations.TrailingZeroCount(groups[0].Lanes), $"is a barrier that only {BitOperations.PopCount(groups[0].Lanes)} of the 32 threads of a warp reach");
        }

        return null;
    }

    /// <summary>What went wrong, with everything that is known of where.</summary>
    public DeviceException Fault(int lane, string what)
    {
        var instruction = steps[current].Instruction;
        var block = Block.Number;
        return new DeviceException(
            $"{Launch.Name}, {instruction.Opcode} ({instruction.Place}): thread {(Index * Size) + lane} of block "
            + $"({block % Launch.Shape.Columns}, {block / Launch.Shape.Columns}) {what}.");
    }

    /// <summary>A fault of the barrier that this warp waits at.</summary>
    public DeviceException BarrierFault(string what)
    {
        current = Waiting()!.Value.Instruction;
        return Fault(0, what);
    }

    /// <summary>A thread of this warp.</summary>
    public PtxThread Thread(int lane) => new(Block.Number, (Index * Size) + lane);

    private void Execute(PtxStep step, uint active)
    {
        if (active == 0)
        {
            return;
        }

        foreach (var row in step.Reads)
        {
            if ((active & ~written[row]) != 0 && Launch.Checks)
            {
                throw Fault(BitOperations.TrailingZeroCount(active & ~written[row]), $"reads {Launch.Code.Program.NameOf(row)}, which was never written");
            }
        }

        step.Execute(this, active);
        foreach (var row in step.Writes)
        {
            written[row] |= active;
        }
    }

    // A branch that not all lanes take, or that goes to a place for each value of an index.
    private void Split(PtxStep step, int pc, uint active, uint lanes)
    {
        if (lanes != active)
        {
            Park(pc + 1, lanes & ~active, GroupState.Ready);
        }

        var (ways, rest) = (0, active);
        while (rest != 0)
        {
            var target = step.Target(this, BitOperations.TrailingZeroCount(rest));
            var together = 0u;
            for (var lane = 0; lane < Size; lane++)
            {
                together |= (rest >> lane & 1) != 0 && step.Target(this, lane) == target ? 1u << lane : 0;
            }

            Park(target, together, GroupState.Ready);
            rest &= ~together;
            ways++;
        }

        ways += lanes != active ? 1 : 0;
        if (ways > 1)
        {
            Launch.CountDivergence(pc);
            if (step.Instruction.Has("uni"))
            {
                throw Fault(BitOperations.TrailingZeroCount(active), "goes another way than other lanes of its warp, where .uni promises that all go the same");
            }
        }
    }

    private uint Where(int predicate, uint lanes, bool value)
    {
        if (Launch.Checks && (lanes & ~written[predicate]) is var missing and not 0)
        {
            throw Fault(BitOperations.TrailingZeroCount(missing), $"reads {Launch.Code.Program.NameOf(predicate)}, which was never written");
        }

        var mask = 0u;
        var row = Lanes(predicate);
        for (var lane = 0; lane < row.Length; lane++)
        {
            mask |= row[lane] != 0 ? 1u << lane : 0;
        }

        return value ? mask : ~mask;
    }

    // Lanes that come to where others are go on with them.
    private void Park(int instruction, uint lanes, GroupState state)
    {
        var same = groups.FindIndex(group => group.Instruction == instruction);
        if (same < 0)
        {
            groups.Add(new LaneGroup(instruction, lanes, state));
            return;
        }

        var joined = groups[same].Lanes | lanes;
        var isFull = state == GroupState.Exchanging && joined == uint.MaxValue;
        groups[same] = new LaneGroup(instruction, joined, isFull || groups[same].State == GroupState.Ready ? GroupState.Ready : state);
    }

    private int FurthestBehind()
    {
        var best = -1;
        for (var i = 0; i < groups.Count; i++)
        {
            best = groups[i].State == GroupState.Ready && (best < 0 || groups[i].Instruction < groups[best].Instruction) ? i : best;
        }

        return best;
    }

    private int NextMeeting()
    {
        var next = int.MaxValue;
        foreach (var group in groups)
        {
            next = Math.Min(next, group.State == GroupState.Ready ? group.Instruction : int.MaxValue);
        }

        return next;
    }

    private ulong Special(string name, int lane)
    {
        var (shape, block) = (Launch.Shape, Block.Number);
        return name switch
        {
            "%tid.x" => (ulong)((Index * Size) + lane),
            "%ntid.x" => (ulong)shape.Threads,
            "%ctaid.x" => (ulong)(block % shape.Columns),
            "%ctaid.y" => (ulong)(block / shape.Columns),
            "%nctaid.x" => (ulong)shape.Columns,
            "%nctaid.y" => (ulong)shape.Rows,
            "%tid.y" or "%tid.z" or "%ctaid.z" => 0,
            "%ntid.y" or "%ntid.z" or "%nctaid.z" => 1,
            "%laneid" => (ulong)lane,
            "%warpid" => (ulong)Index,
            "%dynamic_smem_size" => (ulong)shape.SharedBytes,
            _ => throw new DeviceException($"{name} is not known to the PTX machine."),
        };
    }

    private readonly record struct LaneGroup(int Instruction, uint Lanes, GroupState State);
}

/// <summary>An asynchronous copy to shared memory that has not arrived.</summary>
/// <param name="Source">In global memory.</param>
/// <param name="Destination">In the block's shared memory.</param>
/// <param name="Bytes">Length.</param>
internal readonly record struct AsynchronousCopy(long Source, int Destination, int Bytes)
{
    /// <summary>The end of a group of copies.</summary>
    public bool IsCommit => Bytes == 0;
}
