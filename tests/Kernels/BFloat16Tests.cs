using System.Runtime.InteropServices;
using TorchSharp;
using BFloat16 = Pascl.Kernels.BFloat16;

namespace Pascl.Tests.Kernels;

public sealed class BFloat16Tests
{
    private const int Patterns = 1 << 16;

    [Test]
    public void every_number_survives_the_way_to_single_and_back()
    {
        for (var bits = 0; bits < Patterns; bits++)
        {
            var value = BFloat16.FromBits((ushort)bits);
            if (!float.IsNaN(value))
            {
                Assert.That((BFloat16)value.ToSingle(), Is.EqualTo(value));
            }
        }
    }

    [Test]
    public void singles_are_rounded_as_torch_rounds_them()
    {
        // Every upper half with lower halves around zero, the tie and the carry.
        uint[] lowerHalves = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF];
        float[] values =
        [
            .. Enumerable.Range(0, Patterns)
                .SelectMany(upper => lowerHalves.Select(lower => BitConverter.UInt32BitsToSingle(((uint)upper << 16) | lower)))
                .Where(value => !float.IsNaN(value)),
        ];
        using var single = torch.tensor(values);
        using var rounded = single.to(torch.bfloat16);
        var expected = MemoryMarshal.Cast<byte, ushort>(rounded.bytes).ToArray();
        Assert.That(values.Select(value => ((BFloat16)value).Bits), Is.EqualTo(expected));
    }

    [TestCase(0x7FC0_0000u)]
    [TestCase(0x7F80_0001u)]
    [TestCase(0x7FFF_FFFFu)]
    [TestCase(0xFFFF_FFFFu)]
    public void not_a_number_stays_so(uint bits) => Assert.That(((BFloat16)BitConverter.UInt32BitsToSingle(bits)).ToSingle(), Is.NaN);

    [Test]
    public void too_large_numbers_become_infinite() => Assert.That(((BFloat16)float.MaxValue).ToSingle(), Is.EqualTo(float.PositiveInfinity));
}
