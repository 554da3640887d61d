using ILGPU;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Kernels.Ptx;

namespace Pascl.Tests.Kernels.Ptx;

public sealed class PtxCountsTests
{
    private const int Threads = 64;

    [TestCase(1, 1)]
    [TestCase(2, 2)]
    [TestCase(8, 8)]
    [TestCase(16, 8)]
    public void reads_with_a_stride_touch_a_sector_for_each_element_at_worst(int stride, int sectorsPerNeeded) =>
        Assert.That(Count(ReadsWithStride, stride).SectorsPerNeeded, Is.EqualTo(((double)sectorsPerNeeded + 1) / 2)); // the writes have no gaps

    [TestCase(1, 1)]
    [TestCase(2, 2)]
    [TestCase(32, 32)]
    [TestCase(33, 1)]
    public void lanes_that_meet_in_a_bank_wait_for_one_another(int stride, int wavefronts)
    {
        // Written with the stride, read without.
        var work = Count(ExchangesWithStride, stride);
        Assert.That((work.Wavefronts, work.WavefrontsNeeded), Is.EqualTo((2d * (wavefronts + 1), 4d)));
    }

    [Test]
    public void vectors_of_sixteen_bytes_take_four_passes_without_conflicts()
    {
        var work = Count(ExchangesVectors, 1);
        Assert.That((work.Wavefronts, work.WavefrontsNeeded), Is.EqualTo((16d, 16d)));
    }

    [TestCase(32, 0)]
    [TestCase(8, 1)]
    public void a_branch_diverges_where_the_lanes_of_a_warp_go_different_ways(int boundary, int divergences) =>
        Assert.That(Count(WritesBelow, boundary).DivergentBranches, Is.EqualTo(divergences));

    [Test]
    public void a_sample_of_the_blocks_counts_for_all_of_them()
    {
        var (all, sampled) = (Count(ReadsWithStride, 1, blocks: 12), Count(ReadsWithStride, 1, blocks: 12, mostInstructions: 1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sampled.Warps, Is.EqualTo(all.Warps));
            Assert.That((sampled.Sectors, sampled.Issued), Is.EqualTo((all.Sectors, all.Issued)));
        }
    }

    [Test]
    public void the_bound_is_the_larger_of_memory_and_issue()
    {
        var gpu = new GpuRates("a small one", Multiprocessors: 2, ClockGigahertz: 1, MemoryGigabytesPerSecond: 10, CacheGigabytesPerSecond: 1000);
        var work = new KernelWork(
            "x", 1, new Dictionary<InstructionClass, double> { [InstructionClass.Arithmetic] = 8000, [InstructionClass.Special] = 2000, [InstructionClass.Free] = 1e9 },
            ArrayBytes: 40_000, BytesElsewhere: 0, Sectors: 10_000, SectorsNeeded: 10_000, Wavefronts: 0, WavefrontsNeeded: 0, DivergentBranches: 0);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(work.MemoryMicroseconds(gpu), Is.EqualTo(4).Within(1e-9)); // each array once: 40 KB at 10 GB/s
            Assert.That(work.IssueMicroseconds(gpu), Is.EqualTo(2).Within(1e-9)); // the special functions: 2,000 at one in two clocks of two multiprocessors
            Assert.That(work.BoundMicroseconds(gpu), Is.EqualTo(4).Within(1e-9));
        }
    }

    private static KernelWork Count(Action<ArrayView<float>, ArrayView<float>, int> kernel, int number, int blocks = 1, long mostInstructions = long.MaxValue)
    {
        KernelWork? work = null;
        using var machine = new PtxMachine(new PtxRunOptions(MostInstructions: mostInstructions)) { Launched = launch => work = launch.Work() };
        using var input = machine.Allocate<float>(new float[16 * Threads * blocks]);
        using var output = machine.Allocate<float>(Threads * blocks);
        machine.Load(kernel).Launch(new LaunchShape(blocks, Threads), input.Vector, output.Vector, number);
        return work!;
    }

    [Kernel(Threads)]
    private static void ReadsWithStride(ArrayView<float> input, ArrayView<float> output, int stride)
    {
        var i = (Grid.IdxX * Threads) + Group.IdxX;
        output[i] = input[i * stride];
    }

    [Kernel(Threads)]
    private static void ExchangesWithStride(ArrayView<float> input, ArrayView<float> output, int stride)
    {
        var shared = SharedMemory.Allocate<float>(33 * Threads);
        shared[Group.IdxX * stride] = input[Group.IdxX];
        Group.Barrier();
        output[Group.IdxX] = shared[Group.IdxX / 64];
    }

    [Kernel(Threads)]
    private static void ExchangesVectors(ArrayView<float> input, ArrayView<float> output, int stride)
    {
        var shared = SharedMemory.Allocate<Float4>(Threads);
        shared[Group.IdxX] = input.Cast<Float4>()[Group.IdxX];
        Group.Barrier();
        var value = shared[Group.IdxX ^ stride];
        output[Group.IdxX] = value.X + value.Y + value.Z + value.W;
    }

    [Kernel(Threads)]
    private static void WritesBelow(ArrayView<float> input, ArrayView<float> output, int boundary)
    {
        if (Group.IdxX < boundary)
        {
            output[Group.IdxX] = input[Group.IdxX];
        }
    }
}
