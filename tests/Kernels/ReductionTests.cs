using ILGPU;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class ReductionTests(string name)
{
    private const int Outputs = 4;

    private KernelDevice Device => Devices.Get(name);

    [TestCase(32)]
    [TestCase(96)]
    [TestCase(128)]
    public void every_thread_gets_the_sum_and_the_maximum_of_its_warp_and_its_block(int threads)
    {
        // Integers are summed exactly; all are negative, so that a maximum with a 0 from nowhere shows.
        float[] values = [.. Enumerable.Range(0, threads).Select(i => -1f - (i * 37 % 101))];
        using var input = Device.Allocate<float>(values);
        using var output = new GuardedBuffer<float>(Device, Outputs * threads);
        Device.Load(Reduce).Launch(new LaunchShape(1, threads), input.Vector, output.Vector);
        var warps = values.Chunk(32).ToArray();
        var expected = Enumerable.Range(0, threads).SelectMany(i => new[] { warps[i / 32].Sum(), warps[i / 32].Max(), values.Sum(), values.Max() });
        Assert.That(output.Read(), Is.EqualTo(expected));
    }

    [Test]
    public void the_last_block_sees_all_others_and_leaves_the_ticket_at_zero()
    {
        const int Blocks = 5;
        using var tickets = Device.Allocate<int>([7, 0]);
        using var parts = Device.Allocate<int>(Blocks);
        using var output = new GuardedBuffer<int>(Device, 1);
        for (var launch = 0; launch < 2; launch++)
        {
            Device.Load(Count).Launch(new LaunchShape(Blocks, 32), tickets.Vector, parts.Vector, output.Vector);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(output.Read()[0], Is.EqualTo(1 + 2 + 3 + 4 + 5));
                Assert.That(tickets.ToArray(), Is.EqualTo([7, 0]));
            }
        }
    }

    [Kernel(128)]
    private static void Reduce(ArrayView<float> input, ArrayView<float> output)
    {
        var value = input[Group.IdxX];
        output[(Outputs * Group.IdxX) + 0] = Reduction.WarpSum(value);
        output[(Outputs * Group.IdxX) + 1] = Reduction.WarpMaximum(value);
        output[(Outputs * Group.IdxX) + 2] = Reduction.BlockSum(value);
        output[(Outputs * Group.IdxX) + 3] = Reduction.BlockMaximum(value);
    }

    [Kernel(32)]
    private static void Count(ArrayView<int> tickets, ArrayView<int> parts, ArrayView<int> output)
    {
        if (Group.IdxX == 0)
        {
            parts[Grid.IdxX] = Grid.IdxX + 1;
        }

        if (LastBlock.Arrives(tickets, 1, Grid.DimX) && Group.IdxX == 0)
        {
            var sum = 0;
            for (var i = 0; i < Grid.DimX; i++)
            {
                sum += parts[i];
            }

            output[0] = sum;
        }
    }
}
