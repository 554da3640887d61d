using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

public sealed class CounterRandomTests
{
    // Random123 1.14.0, tests/kat_vectors, philox4x32 with 10 rounds: counter, key, result.
    private static readonly uint[][] KnownAnswers =
    [
        [0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
        [~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
        [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ];

    [TestCaseSource(nameof(KnownAnswers))]
    public void philox_gives_the_published_known_answers(uint[] words) => Assert.That(
        CounterRandom.Philox(new RandomBlock(words[0], words[1], words[2], words[3]), words[4], words[5]),
        Is.EqualTo(new RandomBlock(words[6], words[7], words[8], words[9])));

    [Test]
    public void every_part_of_the_address_changes_the_numbers()
    {
        RandomBlock[] blocks =
        [
            CounterRandom.Draw(1, 2, 3, 4, 5),
            CounterRandom.Draw(1UL << 32, 2, 3, 4, 5),
            CounterRandom.Draw(1, 3, 2, 4, 5),
            CounterRandom.Draw(1, 2, 4, 3, 5),
            CounterRandom.Draw(1, 2, 3, 5, 4),
            CounterRandom.Draw(2, 1, 3, 4, 5),
        ];
        Assert.That(blocks, Is.Unique);
        Assert.That(CounterRandom.Draw(1, 2, 3, 4, 5), Is.EqualTo(blocks[0]));
    }

    [Test]
    public void a_uniform_number_is_at_least_zero_and_below_one()
    {
        Assert.That(CounterRandom.Uniform(0), Is.Zero);
        Assert.That(CounterRandom.Uniform(uint.MaxValue), Is.LessThan(1f).And.GreaterThan(0.9999999f));
        Assert.That(CounterRandom.Uniform(1u << 31), Is.EqualTo(0.5f));
    }

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(int.MaxValue)]
    public void an_integer_below_a_bound_reaches_both_ends(int bound)
    {
        Assert.That(CounterRandom.Below(0, bound), Is.Zero);
        Assert.That(CounterRandom.Below(uint.MaxValue, bound), Is.EqualTo(bound - 1));
    }

    [Test]
    public void integers_below_ten_are_equally_frequent()
    {
        const int Draws = 100_000;
        var counts = new int[10];
        for (var i = 0; i < Draws; i++)
        {
            counts[CounterRandom.Below(CounterRandom.Draw(7, 0, i, 0, 0).Third, counts.Length)]++;
        }

        // Chi-square with 9 degrees of freedom exceeds 27.9 with probability 0.001.
        var chiSquare = counts.Sum(count => Math.Pow(count - (Draws / 10.0), 2) / (Draws / 10.0));
        Assert.That(chiSquare, Is.LessThan(27.9));
    }
}
