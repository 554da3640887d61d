using System.Numerics;
using Pascl.Kernels.Device;

namespace Pascl.Kernels.Ptx;

/// <summary>What an instruction without memory or other lanes makes of the operands of one lane, as 64 bits of which its type uses the low ones.</summary>
internal delegate ulong LaneOperation(ulong first, ulong second, ulong third);

/// <summary>The arithmetic of PTX. Source: PTX ISA 7.0, chapter 9.7.</summary>
/// <remarks>
/// Products and sums are rounded one by one, as the text says. An assembler may join a product and a sum that are not marked <c>.rn</c> into one instruction
/// that rounds once. The approximations <c>ex2</c>, <c>lg2</c>, <c>rsqrt</c>, <c>sin</c> and <c>cos</c> are computed more exactly here than on a GPU.
/// </remarks>
internal static class PtxArithmetic
{
    /// <summary>The operation of an instruction, or null where it is none of these.</summary>
    public static LaneOperation? Of(PtxInstruction instruction)
    {
        var name = instruction.Parts[0];
        if (name == "cvt")
        {
            return Convert(instruction);
        }

        if (name is "bra" or "brx" or "ld" or "st" or "shfl" or "bar" or "mma" || !PtxType.TryRead(instruction.Parts[^1], out var type))
        {
            return null;
        }

        return name switch
        {
            "mov" or "cvta" => (a, _, _) => a & type.Mask,
            "selp" => (a, b, chosen) => (chosen != 0 ? a : b) & type.Mask,
            "setp" => Compare(instruction, type),
            _ when type.Kind == 'f' => type.Bits switch
            {
                32 => Single(name, instruction.Has("ftz")),
                64 => Double(name),
                _ => null,
            },
            _ => Integer(instruction, name, type),
        };
    }

    private static LaneOperation? Integer(PtxInstruction instruction, string name, PtxType type)
    {
        var mask = type.Mask;
        var bits = type.Bits;
        return name switch
        {
            "add" => (a, b, _) => (a + b) & mask,
            "sub" => (a, b, _) => (a - b) & mask,
            "mul" or "mad" => Multiply(instruction, type),
            "div" => (a, b, _) => b == 0 ? mask : type.Kind == 's' ? Quotient(type.Signed(a), type.Signed(b)) & mask : (a & mask) / (b & mask),
            "rem" => (a, b, _) => b == 0 ? mask : type.Kind == 's' ? Remainder(type.Signed(a), type.Signed(b)) & mask : (a & mask) % (b & mask),
            "min" => (a, b, _) => type.Kind == 's' ? (ulong)Math.Min(type.Signed(a), type.Signed(b)) & mask : Math.Min(a & mask, b & mask),
            "max" => (a, b, _) => type.Kind == 's' ? (ulong)Math.Max(type.Signed(a), type.Signed(b)) & mask : Math.Max(a & mask, b & mask),
            "abs" => (a, _, _) => (type.Signed(a) < 0 ? 0 - a : a) & mask,
            "neg" => (a, _, _) => (0 - a) & mask,
            "not" => (a, _, _) => ~a & mask,
            "and" => (a, b, _) => a & b & mask,
            "or" => (a, b, _) => (a | b) & mask,
            "xor" => (a, b, _) => (a ^ b) & mask,
            "shl" => (a, b, _) => (uint)b >= bits ? 0 : (a << (int)(uint)b) & mask,
            "shr" when type.Kind == 's' => (a, b, _) => (ulong)(type.Signed(a) >> (int)Math.Min((uint)b, 63)) & mask,
            "shr" => (a, b, _) => (uint)b >= bits ? 0 : (a & mask) >> (int)(uint)b,
            "popc" => (a, _, _) => (ulong)BitOperations.PopCount(a & mask),
            "clz" => (a, _, _) => (ulong)(BitOperations.LeadingZeroCount(a & mask) - (64 - bits)),
            _ => null,
        };
    }

    private static LaneOperation Multiply(PtxInstruction instruction, PtxType type)
    {
        if (instruction.Has("wide"))
        {
            var wide = new PtxType(type.Kind, 2 * type.Bits).Mask;
            return (a, b, c) => ((ulong)(type.Integer(a) * type.Integer(b)) + c) & wide;
        }

        return instruction.Has("hi")
            ? (a, b, c) => (High(a, b, type) + c) & type.Mask
            : (a, b, c) => ((a * b) + c) & type.Mask;
    }

    private static ulong High(ulong a, ulong b, PtxType type) => type.Kind == 's'
        ? (ulong)(((Int128)type.Signed(a) * type.Signed(b)) >> type.Bits)
        : (ulong)(((UInt128)(a & type.Mask) * (b & type.Mask)) >> type.Bits);

    // The quotient of the least integer and -1 does not exist; a GPU wraps.
    private static ulong Quotient(long a, long b) => b == -1 ? (ulong)-a : (ulong)(a / b);

    private static ulong Remainder(long a, long b) => b == -1 ? 0 : (ulong)(a % b);

    private static LaneOperation? Single(string name, bool flushes)
    {
        Func<float, float, float, float>? function = name switch
        {
            "add" => (a, b, _) => a + b,
            "sub" => (a, b, _) => a - b,
            "mul" => (a, b, _) => a * b,
            "fma" or "mad" => MathF.FusedMultiplyAdd,
            "div" => (a, b, _) => a / b,
            "min" => (a, b, _) => float.IsNaN(a) ? b : float.IsNaN(b) ? a : MathF.Min(a, b),
            "max" => (a, b, _) => float.IsNaN(a) ? b : float.IsNaN(b) ? a : MathF.Max(a, b),
            "abs" => (a, _, _) => MathF.Abs(a),
            "neg" => (a, _, _) => -a,
            "sqrt" => (a, _, _) => MathF.Sqrt(a),
            "rcp" => (a, _, _) => 1 / a,
            "rsqrt" => (a, _, _) => (float)(1 / Math.Sqrt(a)),
            "ex2" => (a, _, _) => (float)Math.Pow(2, a),
            "lg2" => (a, _, _) => (float)Math.Log2(a),
            "sin" => (a, _, _) => (float)Math.Sin(a),
            "cos" => (a, _, _) => (float)Math.Cos(a),
            _ => null,
        };
        return function switch
        {
            null => null,
            _ when flushes => (a, b, c) => ToBits(Flush(function(Flush(ToSingle(a)), Flush(ToSingle(b)), Flush(ToSingle(c))))),
            _ => (a, b, c) => ToBits(function(ToSingle(a), ToSingle(b), ToSingle(c))),
        };
    }

    private static LaneOperation? Double(string name)
    {
        Func<double, double, double, double>? function = name switch
        {
            "add" => (a, b, _) => a + b,
            "sub" => (a, b, _) => a - b,
            "mul" => (a, b, _) => a * b,
            "fma" or "mad" => Math.FusedMultiplyAdd,
            "div" => (a, b, _) => a / b,
            "min" => (a, b, _) => double.IsNaN(a) ? b : double.IsNaN(b) ? a : Math.Min(a, b),
            "max" => (a, b, _) => double.IsNaN(a) ? b : double.IsNaN(b) ? a : Math.Max(a, b),
            "abs" => (a, _, _) => Math.Abs(a),
            "neg" => (a, _, _) => -a,
            "sqrt" => (a, _, _) => Math.Sqrt(a),
            "rcp" => (a, _, _) => 1 / a,
            _ => null,
        };
        return function is null ? null : (a, b, c) => BitConverter.DoubleToUInt64Bits(
            function(BitConverter.UInt64BitsToDouble(a), BitConverter.UInt64BitsToDouble(b), BitConverter.UInt64BitsToDouble(c)));
    }

    // setp.COMPARISON[.JOIN].TYPE p, a, b[, q]: q is joined to the comparison by and, or or xor.
    private static LaneOperation Compare(PtxInstruction instruction, PtxType type)
    {
        var comparison = instruction.Parts[1];
        Func<ulong, ulong, bool> holds = type.Kind == 'f'
            ? type.Bits == 32
                ? (a, b) => CompareNumbers(comparison, ToSingle(a), ToSingle(b))
                : (a, b) => CompareNumbers(comparison, BitConverter.UInt64BitsToDouble(a), BitConverter.UInt64BitsToDouble(b))
            : CompareIntegers(comparison, type);
        return instruction.Parts switch
        {
            [_, _, "and", ..] => (a, b, q) => holds(a, b) && q != 0 ? 1ul : 0,
            [_, _, "or", ..] => (a, b, q) => holds(a, b) || q != 0 ? 1ul : 0,
            [_, _, "xor", ..] => (a, b, q) => holds(a, b) != (q != 0) ? 1ul : 0,
            _ => (a, b, _) => holds(a, b) ? 1ul : 0,
        };
    }

    private static Func<ulong, ulong, bool> CompareIntegers(string comparison, PtxType type) => comparison switch
    {
        "eq" => (a, b) => ((a ^ b) & type.Mask) == 0,
        "ne" => (a, b) => ((a ^ b) & type.Mask) != 0,
        "lt" when type.Kind == 's' => (a, b) => type.Signed(a) < type.Signed(b),
        "le" when type.Kind == 's' => (a, b) => type.Signed(a) <= type.Signed(b),
        "gt" when type.Kind == 's' => (a, b) => type.Signed(a) > type.Signed(b),
        "ge" when type.Kind == 's' => (a, b) => type.Signed(a) >= type.Signed(b),
        "lt" or "lo" => (a, b) => (a & type.Mask) < (b & type.Mask),
        "le" or "ls" => (a, b) => (a & type.Mask) <= (b & type.Mask),
        "gt" or "hi" => (a, b) => (a & type.Mask) > (b & type.Mask),
        "ge" or "hs" => (a, b) => (a & type.Mask) >= (b & type.Mask),
        _ => throw new DeviceException($"setp.{comparison} is not known to the PTX machine."),
    };

    // The comparisons that end in u also hold where a number is not one.
    private static bool CompareNumbers(string comparison, double a, double b) => comparison switch
    {
        "eq" => a == b,
        "ne" => a != b && !double.IsNaN(a) && !double.IsNaN(b),
        "lt" => a < b,
        "le" => a <= b,
        "gt" => a > b,
        "ge" => a >= b,
        "equ" => !(a < b || a > b),
        "neu" => a != b,
        "ltu" => !(a >= b),
        "leu" => !(a > b),
        "gtu" => !(a <= b),
        "geu" => !(a < b),
        "num" => !double.IsNaN(a) && !double.IsNaN(b),
        "nan" => double.IsNaN(a) || double.IsNaN(b),
        _ => throw new DeviceException($"setp.{comparison} is not known to the PTX machine."),
    };

    // cvt[.ROUNDING][.ftz][.sat].TO.FROM
    private static LaneOperation Convert(PtxInstruction instruction)
    {
        var target = instruction.Parts[^2];
        if (target is "bf16x2" or "bf16")
        {
            return target == "bf16x2"
                ? (high, low, _) => (ToBFloat16(ToSingle(high)) << 16) | ToBFloat16(ToSingle(low))
                : (a, _, _) => ToBFloat16(ToSingle(a));
        }

        var (to, from) = (PtxType.Of(target), PtxType.Of(instruction.Parts[^1]));
        Func<double, double> round = instruction.Has("rni") ? Math.Round
            : instruction.Has("rzi") ? Math.Truncate
            : instruction.Has("rmi") ? Math.Floor
            : instruction.Has("rpi") ? Math.Ceiling
            : value => value;
        return (from.Kind, to.Kind) switch
        {
            ('f', 'f') => (a, _, _) => FromDouble(round(ToDouble(a, from)), to),
            ('f', _) => (a, _, _) => (ulong)Clamp(round(ToDouble(a, from)), to) & to.Mask,
            (_, 'f') when to.Bits == 32 => (a, _, _) => from.Kind == 's' ? ToBits(from.Signed(a)) : ToBits(a & from.Mask),
            (_, 'f') => (a, _, _) => FromDouble(from.Kind == 's' ? from.Signed(a) : a & from.Mask, to),
            _ when instruction.Has("sat") => (a, _, _) => (ulong)Clamp(from.Integer(a), to) & to.Mask,
            _ => (a, _, _) => (ulong)from.Integer(a) & to.Mask,
        };
    }

    private static double ToDouble(ulong bits, PtxType type) => type.Bits switch
    {
        16 => (double)BitConverter.UInt16BitsToHalf((ushort)bits),
        32 => ToSingle(bits),
        _ => BitConverter.UInt64BitsToDouble(bits),
    };

    private static ulong FromDouble(double value, PtxType type) => type.Bits switch
    {
        16 => BitConverter.HalfToUInt16Bits((Half)value),
        32 => ToBits((float)value),
        _ => BitConverter.DoubleToUInt64Bits(value),
    };

    // What is outside a type's range becomes its nearest value, and NaN becomes 0.
    private static long Clamp(double value, PtxType type)
    {
        if (double.IsNaN(value))
        {
            return 0;
        }

        var (least, most) = type.Kind == 's'
            ? (-Math.Pow(2, type.Bits - 1), Math.Pow(2, type.Bits - 1) - 1)
            : (0d, Math.Pow(2, type.Bits) - 1);
        var clamped = Math.Clamp(value, least, most);
        return type.Kind == 's' ? (long)clamped : (long)(ulong)clamped;
    }

    private static ulong ToBFloat16(float value)
    {
        if (float.IsNaN(value))
        {
            return 0x7FFF;
        }

        var bits = BitConverter.SingleToUInt32Bits(value);
        return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    }

    private static float Flush(float value) => float.IsSubnormal(value) ? MathF.CopySign(0, value) : value;

    private static float ToSingle(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static ulong ToBits(float value) => BitConverter.SingleToUInt32Bits(value);
}
