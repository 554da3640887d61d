using System.Buffers.Binary;
using System.Numerics;

namespace Pascl.Kernels.Ptx;

/// <summary>Loads, stores, atomic operations, asynchronous copies and fences. Source: PTX ISA 7.0, chapters 9.7.8 and 9.7.12.</summary>
internal static unsafe class PtxMemoryInstructions
{
    private enum Space
    {
        Parameter,
        Global,
        Shared,
        Local,

        /// <summary>Global or shared, as the address says.</summary>
        Generic,
    }

    // No global memory lies so low, and no block has so much shared memory.
    private const long EndOfSharedAddresses = 1 << 24;

    /// <summary><c>ld.SPACE[.vN].TYPE</c></summary>
    public static Action<PtxWarp, uint> Load(PtxInstruction instruction)
    {
        var (space, type) = (SpaceOf(instruction), PtxType.Of(instruction.Parts[^1]));
        var (targets, address) = (instruction.Operands[0].Rows, instruction.Operands[1]);
        var bytes = type.Bytes * targets.Length;
        return (warp, lanes) =>
        {
            var time = warp.Launch.Touch(space is Space.Global or Space.Generic, space == Space.Shared, bytes, warp, address, lanes);
            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                var lane = BitOperations.TrailingZeroCount(rest);
                var memory = At(warp, lane, space, (long)warp.Lanes(address.Row)[lane] + address.Offset, bytes, AccessKind.Read, time);
                for (var i = 0; i < targets.Length; i++)
                {
                    var value = Read(memory[(i * type.Bytes)..], type.Bytes);
                    warp.Lanes(targets[i])[lane] = type.Kind == 's' ? (ulong)type.Signed(value) : value;
                }
            }
        };
    }

    /// <summary><c>st.SPACE[.vN].TYPE</c></summary>
    public static Action<PtxWarp, uint> Store(PtxInstruction instruction)
    {
        var (space, type) = (SpaceOf(instruction), PtxType.Of(instruction.Parts[^1]));
        var (address, sources) = (instruction.Operands[0], instruction.Operands[1].Rows);
        var bytes = type.Bytes * sources.Length;
        return (warp, lanes) =>
        {
            var time = warp.Launch.Touch(space is Space.Global or Space.Generic, space == Space.Shared, bytes, warp, address, lanes);
            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                var lane = BitOperations.TrailingZeroCount(rest);
                var memory = At(warp, lane, space, (long)warp.Lanes(address.Row)[lane] + address.Offset, bytes, AccessKind.Write, time);
                for (var i = 0; i < sources.Length; i++)
                {
                    Write(memory[(i * type.Bytes)..], type.Bytes, warp.Lanes(sources[i])[lane]);
                }
            }
        };
    }

    /// <summary><c>atom.SPACE.OPERATION.TYPE</c>, and <c>red</c>, which returns nothing. Integers alone: sums of numbers would depend on the order.</summary>
    public static Action<PtxWarp, uint> Atomic(PtxInstruction instruction)
    {
        var (space, type) = (SpaceOf(instruction), PtxType.Of(instruction.Parts[^1]));
        var returns = instruction.Parts[0] == "atom";
        var operands = instruction.Operands.AsSpan(returns ? 1 : 0).ToArray();
        var (address, operand, third) = (operands[0], operands[1].Row, operands.Length > 2 ? operands[2].Row : -1);
        var operation = instruction.Parts.FirstOrDefault(part => Combine(part, type, 0, 0, 0) is not null);
        if (type.Kind == 'f' || operation is null)
        {
            throw instruction.Unknown();
        }

        return (warp, lanes) =>
        {
            var time = warp.Launch.Touch(space is Space.Global or Space.Generic, space == Space.Shared, type.Bytes, warp, address, lanes);
            for (var rest = lanes; rest != 0; rest &= rest - 1)
            {
                var lane = BitOperations.TrailingZeroCount(rest);
                var place = (long)warp.Lanes(address.Row)[lane] + address.Offset;
                var memory = At(warp, lane, space, place, type.Bytes, AccessKind.Atomic, time);
                var before = Read(memory, type.Bytes);
                Write(memory, type.Bytes, Combine(operation, type, before, warp.Lanes(operand)[lane], third < 0 ? 0 : warp.Lanes(third)[lane])!.Value);
                if (returns)
                {
                    warp.Lanes(instruction.Operands[0].Row)[lane] = before;
                }

                if (space == Space.Global)
                {
                    warp.Launch.Order?.Atomic(warp.Thread(lane), (nint)place);
                }
            }
        };
    }

    /// <summary><c>membar</c> and <c>fence</c>; one of a block orders nothing that a barrier does not.</summary>
    public static Action<PtxWarp, uint> Fence(PtxInstruction instruction) => (warp, lanes) =>
    {
        for (var rest = lanes; rest != 0 && !instruction.Has("cta"); rest &= rest - 1)
        {
            warp.Launch.Order?.Fence(warp.Thread(BitOperations.TrailingZeroCount(rest)));
        }
    };

    /// <summary><c>cp.async</c>: a copy arrives when its group is waited for, not before.</summary>
    public static Action<PtxWarp, uint> CopyAsynchronously(PtxInstruction instruction)
    {
        var operands = instruction.Operands;
        return instruction.Parts[^1] switch
        {
            "commit_group" => (warp, lanes) => ForEach(lanes, lane => warp.Copies[lane].Add(default)),
            "wait_all" => (warp, lanes) => ForEach(lanes, lane => Arrive(warp, lane, 0)),
            "wait_group" => (warp, lanes) => ForEach(lanes, lane => Arrive(warp, lane, (int)warp.Lanes(operands[0].Row)[lane])),
            _ => (warp, lanes) => Depart(warp, lanes, operands[0], operands[1], (int)warp.Lanes(operands[2].Row)[0]),
        };
    }

    private static void Depart(PtxWarp warp, uint lanes, PtxOperand to, PtxOperand from, int bytes)
    {
        warp.Launch.Touch(true, false, bytes, warp, from, lanes);
        var time = warp.Launch.Touch(false, true, bytes, warp, to, lanes);
        ForEach(lanes, lane =>
        {
            var source = (long)warp.Lanes(from.Row)[lane] + from.Offset;
            var destination = (int)((long)warp.Lanes(to.Row)[lane] + to.Offset);
            _ = At(warp, lane, Space.Global, source, bytes, AccessKind.Read, time);
            _ = At(warp, lane, Space.Shared, destination, bytes, AccessKind.Write, time);
            warp.Block.Shared.SetInFlight(destination, bytes, true);
            warp.Copies[lane].Add(new AsynchronousCopy(source, destination, bytes));
        });
    }

    // All groups but the last few arrive; what was copied since the last commit belongs to no group yet.
    private static void Arrive(PtxWarp warp, int lane, int groupsLeft)
    {
        var copies = warp.Copies[lane];
        var commits = copies.Count(copy => copy.IsCommit);
        while (commits > groupsLeft)
        {
            var copy = copies[0];
            copies.RemoveAt(0);
            if (copy.IsCommit)
            {
                commits--;
                continue;
            }

            new ReadOnlySpan<byte>((void*)copy.Source, copy.Bytes).CopyTo(warp.Block.Shared.At(copy.Destination, copy.Bytes));
            warp.Block.Shared.SetInFlight(copy.Destination, copy.Bytes, false);
            _ = At(warp, lane, Space.Shared, copy.Destination, copy.Bytes, AccessKind.Write, warp.Launch.Now());
        }
    }

    /// <summary>16 bytes of a row of a matrix in shared memory, for <c>ldmatrix</c>.</summary>
    public static ReadOnlySpan<byte> MatrixRow(PtxWarp warp, int lane, long address, long time) =>
        At(warp, lane, Space.Shared, address, 16, AccessKind.Read, time);

    private static Span<byte> At(PtxWarp warp, int lane, Space space, long address, int bytes, AccessKind kind, long time)
    {
        space = space != Space.Generic ? space : address is >= 0 and < EndOfSharedAddresses ? Space.Shared : Space.Global;
        var fault = space switch
        {
            Space.Global => warp.Launch.Global.Check(warp.Thread(lane), address, bytes, kind, time),
            Space.Shared => warp.Block.Shared.Check(warp.Thread(lane), address, bytes, kind, time),
            Space.Local when address < 0 || address + bytes > warp.Launch.Code.Program.LocalBytes => $"accesses {bytes} bytes at {address} of its own memory",
            _ => null,
        };
        if (fault is not null)
        {
            throw warp.Fault(lane, fault);
        }

        return space switch
        {
            Space.Global => new Span<byte>((void*)address, bytes),
            Space.Shared => warp.Block.Shared.At(address, bytes),
            Space.Local => warp.Local.AsSpan((lane * warp.Launch.Code.Program.LocalBytes) + (int)address, bytes),
            _ => warp.Launch.Parameters.AsSpan((int)address, bytes),
        };
    }

    private static ulong? Combine(string operation, PtxType type, ulong before, ulong operand, ulong third) => operation switch
    {
        "add" => before + operand,
        "min" => type.Kind == 's' ? (ulong)Math.Min(type.Signed(before), type.Signed(operand)) : Math.Min(before, operand),
        "max" => type.Kind == 's' ? (ulong)Math.Max(type.Signed(before), type.Signed(operand)) : Math.Max(before, operand),
        "and" => before & operand,
        "or" => before | operand,
        "xor" => before ^ operand,
        "exch" => operand,
        "cas" => before == (operand & type.Mask) ? third : before,
        _ => null,
    };

    private static Space SpaceOf(PtxInstruction instruction) =>
        instruction.Has("global") ? Space.Global
        : instruction.Has("shared") ? Space.Shared
        : instruction.Has("param") ? Space.Parameter
        : instruction.Has("local") ? Space.Local
        : Space.Generic;

    private static void ForEach(uint lanes, Action<int> action)
    {
        for (var rest = lanes; rest != 0; rest &= rest - 1)
        {
            action(BitOperations.TrailingZeroCount(rest));
        }
    }

    private static ulong Read(ReadOnlySpan<byte> memory, int bytes) => bytes switch
    {
        1 => memory[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(memory),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(memory),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(memory),
    };

    private static void Write(Span<byte> memory, int bytes, ulong value)
    {
        switch (bytes)
        {
            case 1:
                memory[0] = (byte)value;
                break;
            case 2:
                BinaryPrimitives.WriteUInt16LittleEndian(memory, (ushort)value);
                break;
            case 4:
                BinaryPrimitives.WriteUInt32LittleEndian(memory, (uint)value);
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(memory, value);
                break;
        }
    }
}
