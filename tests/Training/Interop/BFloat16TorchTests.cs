using System.Runtime.InteropServices;
using TorchSharp;
using BFloat16 = Pascl.Kernels.BFloat16;

namespace Pascl.Tests.Training.Interop;

public sealed class BFloat16TorchTests
{
    private const int Patterns = 1 << 16;

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
}
