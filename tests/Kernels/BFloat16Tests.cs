using Pascl.Kernels;

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

    [TestCase(0x7FC0_0000u)]
    [TestCase(0x7F80_0001u)]
    [TestCase(0x7FFF_FFFFu)]
    [TestCase(0xFFFF_FFFFu)]
    public void not_a_number_stays_so(uint bits) => Assert.That(((BFloat16)BitConverter.UInt32BitsToSingle(bits)).ToSingle(), Is.NaN);

    [Test]
    public void too_large_numbers_become_infinite() => Assert.That(((BFloat16)float.MaxValue).ToSingle(), Is.EqualTo(float.PositiveInfinity));
}
