using System.Buffers.Binary;

namespace Pascl.Kernels.Ptx;

/// <summary>Instructions that all lanes of a warp execute together. Source: PTX ISA 7.0, chapters 9.7.8.5, 9.7.8.6 and 9.7.13.</summary>
internal static class PtxWarpInstructions
{
    /// <summary><c>shfl.sync.MODE.b32 d, a, b, c, lanes</c></summary>
    public static Action<PtxWarp, uint> Shuffle(PtxInstruction instruction)
    {
        var mode = instruction.Parts[2];
        var (to, from, by, limits) = (instruction.Operands[0].Row, instruction.Operands[1].Row, instruction.Operands[2].Row, instruction.Operands[3].Row);
        if (mode is not ("up" or "down" or "bfly" or "idx") || instruction.Operands[0].Rows.Length > 1)
        {
            throw instruction.Unknown();
        }

        return (warp, _) =>
        {
            Span<ulong> values = stackalloc ulong[PtxWarp.Size];
            warp.Lanes(from).CopyTo(values);
            for (var lane = 0; lane < PtxWarp.Size; lane++)
            {
                var (offset, limit) = ((int)warp.Lanes(by)[lane], (int)warp.Lanes(limits)[lane]);
                var (clamp, segment) = (limit & 31, (limit >> 8) & 31);
                var (least, most) = (lane & segment, (lane & segment) | (clamp & ~segment));
                var source = mode switch
                {
                    "up" => lane - offset >= most ? lane - offset : lane,
                    "down" => lane + offset <= most ? lane + offset : lane,
                    "bfly" => (lane ^ offset) <= most ? lane ^ offset : lane,
                    _ => (least | (offset & 31 & ~segment)) <= most ? least | (offset & 31 & ~segment) : lane,
                };
                warp.Lanes(to)[lane] = values[source];
            }
        };
    }

    /// <summary><c>vote.sync.MODE p, a, lanes</c>, and <c>ballot</c>, which returns the lanes.</summary>
    public static Action<PtxWarp, uint> Vote(PtxInstruction instruction)
    {
        var (to, from) = (instruction.Operands[0].Row, instruction.Operands[1].Row);
        return (warp, _) =>
        {
            var ballot = 0u;
            for (var lane = 0; lane < PtxWarp.Size; lane++)
            {
                ballot |= warp.Lanes(from)[lane] != 0 ? 1u << lane : 0;
            }

            warp.Lanes(to).Fill(instruction.Parts[2] switch
            {
                "all" => ballot == uint.MaxValue ? 1ul : 0,
                "any" => ballot != 0 ? 1ul : 0,
                "uni" => ballot is 0 or uint.MaxValue ? 1ul : 0,
                _ => ballot,
            });
        };
    }

    /// <summary><c>ldmatrix.sync.aligned.m8n8.xN[.trans].shared.b16</c>: lanes 8i to 8i + 7 point to the rows of matrix i.</summary>
    public static Action<PtxWarp, uint> LoadMatrix(PtxInstruction instruction)
    {
        var (targets, address) = (instruction.Operands[0].Rows, instruction.Operands[1]);
        var isTransposed = instruction.Has("trans");
        return (warp, _) =>
        {
            Span<ushort> matrix = stackalloc ushort[64];
            var time = warp.Launch.Touch(false, true, 16, warp, address, uint.MaxValue >> (PtxWarp.Size - (8 * targets.Length)));
            for (var i = 0; i < targets.Length; i++)
            {
                for (var row = 0; row < 8; row++)
                {
                    var lane = (8 * i) + row;
                    var bytes = PtxMemoryInstructions.MatrixRow(warp, lane, (long)warp.Lanes(address.Row)[lane] + address.Offset, time);
                    for (var column = 0; column < 8; column++)
                    {
                        matrix[isTransposed ? (8 * column) + row : (8 * row) + column] = BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * column)..]);
                    }
                }

                // Lane 4g + q gets columns 2q and 2q + 1 of row g.
                for (var lane = 0; lane < PtxWarp.Size; lane++)
                {
                    warp.Lanes(targets[i])[lane] = matrix[2 * lane] | ((ulong)matrix[(2 * lane) + 1] << 16);
                }
            }
        };
    }

    /// <summary><c>mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 d, a, b, c</c>: the sum of the sixteen products and c is rounded once.</summary>
    public static Action<PtxWarp, uint> MultiplyAccumulate(PtxInstruction instruction)
    {
        if (instruction.Opcode != "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32")
        {
            throw instruction.Unknown();
        }

        var (to, left, right, sum) = (instruction.Operands[0].Rows, instruction.Operands[1].Rows, instruction.Operands[2].Rows, instruction.Operands[3].Rows);
        return (warp, _) =>
        {
            // Lane 4g + q holds columns 2q and 2q + 1 of row g, and of row g + 8, column + 8.
            Span<float> rows = stackalloc float[16 * 16];
            Span<float> columns = stackalloc float[8 * 16];
            for (var lane = 0; lane < PtxWarp.Size; lane++)
            {
                var (g, q) = (lane / 4, lane % 4);
                for (var register = 0; register < 4; register++)
                {
                    Unpack(warp.Lanes(left[register])[lane], rows[((((register % 2 * 8) + g) * 16) + (register / 2 * 8) + (2 * q))..]);
                }

                Unpack(warp.Lanes(right[0])[lane], columns[((g * 16) + (2 * q))..]);
                Unpack(warp.Lanes(right[1])[lane], columns[((g * 16) + (2 * q) + 8)..]);
            }

            for (var lane = 0; lane < PtxWarp.Size; lane++)
            {
                var (g, q) = (lane / 4, lane % 4);
                for (var register = 0; register < 4; register++)
                {
                    var (row, column) = ((register / 2 * 8) + g, (2 * q) + (register % 2));
                    double total = BitConverter.UInt32BitsToSingle((uint)warp.Lanes(sum[register])[lane]);
                    for (var k = 0; k < 16; k++)
                    {
                        total += (double)rows[(row * 16) + k] * columns[(column * 16) + k];
                    }

                    warp.Lanes(to[register])[lane] = BitConverter.SingleToUInt32Bits((float)total);
                }
            }
        };
    }

    private static void Unpack(ulong pair, Span<float> to)
    {
        to[0] = BitConverter.UInt32BitsToSingle((uint)pair << 16);
        to[1] = BitConverter.UInt32BitsToSingle((uint)pair & 0xFFFF_0000);
    }
}
