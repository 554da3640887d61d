using System.Buffers.Binary;
using System.Text;

namespace Pascl.Tests.Training;

/// <summary>What can happen to a file on its way: bytes flipped, a part cut off, left out or doubled, a length blown up.</summary>
internal static class Mutations
{
    private static readonly string[] numbers = ["-1", "0", "1e999", "99999999999999999999", "2147483648", "null", "\"\"", "[]", "{}", "true"];

    /// <summary>A mutated copy, of at most twice the length.</summary>
    public static byte[] Of(ReadOnlySpan<byte> whole, Random random)
    {
        var bytes = whole.ToArray();
        for (var more = true; more && bytes.Length > 1; more = random.Next(3) == 0)
        {
            var (start, length) = (random.Next(bytes.Length), random.Next(1, Math.Max(2, bytes.Length / 4)));
            var end = Math.Min(bytes.Length, start + length);
            bytes = random.Next(7) switch
            {
                0 => bytes[..start],
                1 => [.. bytes[..start], .. bytes[end..]],
                2 when bytes.Length < 2 * whole.Length - length => [.. bytes[..end], .. bytes[start..]],
                3 => BlownUp(bytes, start, random),
                _ => Flipped(bytes, random),
            };
        }

        return bytes;
    }

    /// <summary>A mutated copy of text: as above, or with another value in the place of a number, or with a line or a list item doubled.</summary>
    public static string Of(string whole, Random random)
    {
        int[] digits = [.. Enumerable.Range(0, whole.Length).Where(place => char.IsAsciiDigit(whole[place]))];
        if (digits.Length == 0 || random.Next(2) == 0)
        {
            return Encoding.UTF8.GetString(Of(Encoding.UTF8.GetBytes(whole), random));
        }

        var start = digits[random.Next(digits.Length)];
        var end = start;
        while (end < whole.Length && char.IsAsciiDigit(whole[end]))
        {
            end++;
        }

        return whole[..start] + numbers[random.Next(numbers.Length)] + whole[end..];
    }

    private static byte[] Flipped(byte[] bytes, Random random)
    {
        for (var flips = random.Next(1, 4); flips > 0; flips--)
        {
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
        }

        return bytes;
    }

    private static byte[] BlownUp(byte[] bytes, int start, Random random)
    {
        long[] lengths = [long.MaxValue, int.MaxValue, -1, 1L << 40, 1 << 20, long.MinValue];
        var length = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, lengths[random.Next(lengths.Length)]);
        length.AsSpan(0, Math.Min(random.Next(2) == 0 ? 4 : 8, bytes.Length - start)).CopyTo(bytes.AsSpan(start));
        return bytes;
    }
}
