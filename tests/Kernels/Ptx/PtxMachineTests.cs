using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime.Cuda;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Kernels.Ptx;

namespace Pascl.Tests.Kernels.Ptx;

/// <summary>Each kernel here commits one fault, which a GPU would answer with a crash, a wrong result or nothing at all.</summary>
public sealed class PtxMachineTests
{
    private const int Threads = 64;

    private readonly KernelDevice device = KernelDevice.Open("ptx:3");

    [OneTimeTearDown]
    public void Close() => device.Dispose();

    [Test]
    public void an_access_outside_of_every_array_is_found() => AssertFault(
        ReadsTooFar, 1, "PtxMachineTests.ReadsTooFar, ld.global.f32 (line ", $" of the PTX, made of PtxMachineTests.cs:{lineOfReadsTooFar}): thread 63 of block (0, 0) reads 4 bytes outside of every array: byte 256 of input, which has 256.");

    [Test]
    public void a_vector_access_that_is_not_aligned_is_found()
    {
        using var input = device.Allocate<float>(new float[Threads]);
        using var output = device.Allocate<float>(Threads);
        Assert.That(
            () => device.Load(ReadsFour).Launch(new LaunchShape(1, 32), input.Vector.Slice(1, 40), output.Vector),
            Throws.TypeOf<DeviceException>().With.Message.Contains("ld.global.v4.f32")
                .And.Message.EndsWith("reads 16 bytes at an address that is not a multiple of 16: byte 0 of input, which has 160."));
    }

    [Test]
    public void a_read_of_global_memory_that_was_never_written_is_found() => AssertFault(
        ReadsOutput, 1, "ld.global.f32", "reads what was never written: byte ", "of output, which has 256.");

    [Test]
    public void a_read_of_shared_memory_that_was_never_written_is_found() => AssertFault(
        ReadsShared, 1, "ld.shared.f32", "of shared memory, which was never written.");

    [Test]
    public void an_access_outside_of_shared_memory_is_found() => AssertFault(
        WritesBeyondShared, 1, "st.shared.f32", "of shared memory, of which the block has ");

    [Test]
    public void two_threads_of_a_block_without_a_barrier_between_are_found() => AssertFault(
        ExchangesWithoutBarrier, 1, ".shared.f32", "of the same block", "with no barrier between.");

    [Test]
    public void two_lanes_that_write_one_element_are_found() => AssertFault(
        AllWriteOneElement, 1, "st.global.f32", "writes byte 0 of output, which has 256 that thread 0 of the same block wrote, with no barrier between.");

    [Test]
    public void two_blocks_without_an_order_are_found() => AssertFault(
        BlocksWriteOneElement, 2, "st.global.f32", "writes byte 0 of output, which has 256 that thread 0 of block ", "with no fence and atomic operation between.");

    [Test]
    public void a_ticket_without_a_fence_orders_nothing() => AssertFault(
        SumsInLastBlockWithoutFence, 3, "ld.global.f32", "with no fence and atomic operation between.");

    [Test]
    public void a_barrier_that_a_part_of_a_warp_reaches_is_found() => AssertFault(
        HalfAWarpAtBarrier, 1, "bar.sync", "is a barrier that only 16 of the 32 threads of a warp reach.");

    [Test]
    public void a_barrier_that_a_part_of_the_warps_reaches_is_found() => AssertFault(
        OneWarpAtBarrier, 1, "bar.sync", "is at a barrier that only 32 of 64 threads reach; the others have ended.");

    [Test]
    public void an_exchange_that_a_part_of_a_warp_reaches_is_found() => AssertFault(
        HalfAWarpShuffles, 1, "shfl.sync", "waits for all 32 lanes, and 16 of them never come.");

    [Test]
    public void a_register_that_was_never_written_is_found() => AssertFault(
        ReadsRegister, 1, "reads never, which was never written.");

    [Test]
    public void an_asynchronous_copy_that_is_read_before_its_wait_is_found()
    {
        using var input = device.Allocate<uint>(new uint[128]);
        using var output = device.Allocate<uint>(64);
        Assert.That(
            () => device.Load(ReadsBeforeWait).Launch(new LaunchShape(1, 1, 32, 1024), input.Vector, (long)input.Vector.Address, output.Vector),
            Throws.TypeOf<DeviceException>().With.Message.Contains("ld.shared.b32")
                .And.Message.EndsWith("of shared memory, where an asynchronous copy has not been waited for."));
    }

    [Test]
    public void an_asynchronous_copy_of_another_thread_needs_a_barrier_after_its_wait()
    {
        using var input = device.Allocate<uint>(new uint[128]);
        using var output = device.Allocate<uint>(64);
        Assert.That(
            () => device.Load(ReadsOthersCopyWithoutBarrier).Launch(new LaunchShape(1, 1, 32, 1024), input.Vector, (long)input.Vector.Address, output.Vector),
            Throws.TypeOf<DeviceException>().With.Message.Contains("with no barrier between."));
    }

    [Test]
    public void the_last_block_sees_what_all_others_wrote([Range(0, 4)] int seed)
    {
        using var machine = KernelDevice.Open($"ptx:{seed}");
        using var input = machine.Allocate<float>([.. Enumerable.Range(0, Threads).Select(i => (float)i)]);
        using var partials = machine.Allocate<float>(8);
        using var output = machine.Allocate<float>(1);
        using var tickets = machine.Allocate<int>(new int[1]);
        machine.Load(SumsInLastBlock).Launch(new LaunchShape(8, Threads), input.Vector, partials.Vector, output.Vector, tickets.Vector);
        Assert.That((output.ToArray()[0], tickets.ToArray()[0]), Is.EqualTo((8f * Enumerable.Range(0, Threads).Sum(), 0)));
    }

    [Test]
    public void threads_that_part_meet_again()
    {
        using var output = device.Allocate<float>(Threads);
        device.Load(PartsAndMeets).Launch(new LaunchShape(1, Threads), output.Vector);
        Assert.That(output.ToArray(), Is.EqualTo(Enumerable.Range(0, Threads).Select(_ => (float)Enumerable.Range(0, 32).Sum(lane => lane % 3))));
    }

    [Test]
    public void what_a_loop_merges_keeps_its_old_value_on_the_way_that_comes_back_to_it()
    {
        using var labels = device.Allocate<int>([0, 0, 0, 1, 1, 0, 2]);
        using var counts = device.Allocate<int>(new int[3]);
        device.Load(CountsRuns).Launch(new LaunchShape(1, Threads), labels.Vector, counts.Vector);
        Assert.That(counts.ToArray(), Is.EqualTo([4, 2, 1]));
    }

    [Test]
    public void a_kernel_that_cannot_be_compiled_is_refused_and_the_next_one_compiles()
    {
        using var output = device.Allocate<float>(Threads);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => device.Load(HasUnknownOperand).Launch(new LaunchShape(1, Threads), output.Vector),
                Throws.TypeOf<DeviceException>().With.Message.StartsWith("PtxMachineTests.HasUnknownOperand could not be compiled for a GPU: "));
            Assert.That(() => device.Load(WritesOnes).Launch(new LaunchShape(1, Threads), output.Vector), Throws.Nothing);
        }
    }

    [Test]
    public void five_million_thread_instructions_are_run_a_second_with_all_checks()
    {
        using var machine = new PtxMachine(new PtxRunOptions());
        var instructions = 0L;
        machine.Launched = launch => instructions += launch.Counts.ThreadInstructions;
        using var left = machine.Allocate<float>(new float[128 * 128]);
        using var result = machine.Allocate<float>(128 * 128);
        var similarity = new Similarity(machine);
        similarity.Forward(left.Matrix(1, 128), left.Matrix(1, 128), 1, result.Matrix(1, 1));
        var time = ProcessorTime.Of(() =>
        {
            instructions = 0;
            similarity.Forward(left.Matrix(128, 128), left.Matrix(128, 128), 1, result.Matrix(128, 128));
        });
        TestContext.Out.WriteLine($"{instructions / time.TotalSeconds / 1e6:0.0} million thread-instructions a second");
        Assert.That(instructions / time.TotalSeconds, Is.GreaterThan(5e6));
    }

    private void AssertFault(Action<ArrayView<float>, ArrayView<float>, ArrayView<int>> kernel, int blocks, params string[] parts)
    {
        using var input = device.Allocate<float>(new float[Threads]);
        using var output = device.Allocate<float>(Threads);
        using var tickets = device.Allocate<int>(new int[1]);
        var fault = Assert.Throws<DeviceException>(
            () => device.Load(kernel).Launch(new LaunchShape(blocks, Threads), input.Vector, output.Vector, tickets.Vector));
        TestContext.Out.WriteLine(fault.Message);
        Assert.That(parts, Has.All.Matches<string>(part => fault.Message.Contains(part, StringComparison.Ordinal)), fault.Message);
    }

    private static int Line([CallerLineNumber] int line = 0) => line;

    private static readonly int lineOfReadsTooFar = Line() + 4;

    [Kernel(Threads)]
    private static void ReadsTooFar(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets) =>
        output[Group.IdxX] = input[Group.IdxX + 1];

    [Kernel(32)]
    private static void ReadsFour(ArrayView<float> input, ArrayView<float> output)
    {
        var four = input.Cast<Float4>()[Group.IdxX & 7];
        output[Group.IdxX] = four.X + four.Y + four.Z + four.W;
    }

    [Kernel(Threads)]
    private static void ReadsOutput(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets) =>
        output[Group.IdxX] = output[Group.IdxX] + input[Group.IdxX];

    [Kernel(Threads)]
    private static void ReadsShared(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        if (Group.IdxX != 5)
        {
            shared[Group.IdxX] = input[Group.IdxX];
        }

        Group.Barrier();
        output[Group.IdxX] = shared[Group.IdxX];
    }

    [Kernel(Threads)]
    private static void WritesBeyondShared(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        shared[Group.IdxX + tickets[0] + 2] = input[Group.IdxX];
        Group.Barrier();
        output[Group.IdxX] = shared[Group.IdxX];
    }

    [Kernel(Threads)]
    private static void ExchangesWithoutBarrier(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        shared[Group.IdxX] = input[Group.IdxX];
        output[Group.IdxX] = shared[Group.IdxX ^ 32];
    }

    [Kernel(Threads)]
    private static void AllWriteOneElement(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets) => output[0] = input[0];

    [Kernel(Threads)]
    private static void BlocksWriteOneElement(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        if (Group.IdxX == 0)
        {
            output[0] = input[0];
        }
    }

    [Kernel(Threads)]
    private static void SumsInLastBlockWithoutFence(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        var arrived = SharedMemory.Allocate<int>(1);
        if (Group.IdxX == 0)
        {
            output[Grid.IdxX] = input[Grid.IdxX];
            arrived[0] = Atomic.Add(ref tickets[0], 1);
            if (arrived[0] == Grid.DimX - 1)
            {
                output[Grid.DimX] = output[0] + output[1] + output[2];
            }
        }
    }

    [Kernel(Threads)]
    private static void SumsInLastBlock(ArrayView<float> input, ArrayView<float> partials, ArrayView<float> output, ArrayView<int> tickets)
    {
        if (Group.IdxX == 0)
        {
            var sum = 0f;
            for (var i = 0; i < input.IntLength; i++)
            {
                sum += input[i];
            }

            partials[Grid.IdxX] = sum;
        }

        if (LastBlock.Arrives(tickets, 0, Grid.DimX) && Group.IdxX == 0)
        {
            var sum = 0f;
            for (var i = 0; i < partials.IntLength; i++)
            {
                sum += partials[i];
            }

            output[0] = sum;
        }
    }

    [Kernel(Threads)]
    private static void HalfAWarpAtBarrier(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        if (Group.IdxX < 16)
        {
            Group.Barrier();
            output[Group.IdxX] = input[Group.IdxX];
        }
    }

    [Kernel(Threads)]
    private static void OneWarpAtBarrier(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        if (Group.IdxX < 32)
        {
            Group.Barrier();
            output[Group.IdxX] = input[Group.IdxX];
        }
    }

    [Kernel(Threads)]
    private static void HalfAWarpShuffles(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        if ((Group.IdxX & 31) < 16)
        {
            output[Group.IdxX] = Warp.ShuffleXor(input[Group.IdxX], 1);
        }
    }

    [Kernel(Threads)]
    private static void ReadsRegister(ArrayView<float> input, ArrayView<float> output, ArrayView<int> tickets)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("{ .reg .f32 never; .reg .f32 sum; add.f32 sum, never, never; }");
        }

        output[Group.IdxX] = input[Group.IdxX];
    }

    [Kernel(Threads)]
    private static void CountsRuns(ArrayView<int> labels, ArrayView<int> counts)
    {
        var row = 0;
        while (row < labels.IntLength)
        {
            var (label, start) = (labels[row], row);
            while (row < labels.IntLength && labels[row] == label)
            {
                row++;
            }

            if (Group.IdxX == 0)
            {
                Atomic.Add(ref counts[label], row - start);
            }
        }
    }

    [Kernel(Threads)]
    private static void HasUnknownOperand(ArrayView<float> output)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("mov.f32 %never, 0f00000000;");
        }

        output[Group.IdxX] = 1;
    }

    [Kernel(Threads)]
    private static void WritesOnes(ArrayView<float> output) => output[Group.IdxX] = 1;

    [Kernel(Threads)]
    private static void PartsAndMeets(ArrayView<float> output)
    {
        var value = 0f;
        for (var i = 0; i < (Group.IdxX & 31) % 3; i++)
        {
            value += 1;
        }

        for (var distance = 16; distance > 0; distance /= 2)
        {
            value += Warp.ShuffleXor(value, distance);
        }

        output[Group.IdxX] = value;
    }

    [Kernel(32, NeedsTensorCores = true)]
    private static void ReadsBeforeWait(ArrayView<uint> input, long address, ArrayView<uint> output)
    {
        var shared = SharedMemory.GetDynamic<uint>();
        TensorCore.CopyAsync(input, address, Group.IdxX * 4, shared, Group.IdxX * TensorCore.CopyBytes);
        TensorCore.CommitCopies();
        Group.Barrier();
        output[Group.IdxX] = shared[Group.IdxX];
    }

    [Kernel(32, NeedsTensorCores = true)]
    private static void ReadsOthersCopyWithoutBarrier(ArrayView<uint> input, long address, ArrayView<uint> output)
    {
        var shared = SharedMemory.GetDynamic<uint>();
        TensorCore.CopyAsync(input, address, Group.IdxX * 4, shared, Group.IdxX * TensorCore.CopyBytes);
        TensorCore.CommitCopies();
        TensorCore.WaitForCopies();
        output[Group.IdxX] = shared[Group.IdxX];
    }
}
