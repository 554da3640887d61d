using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;
using Half = ILGPU.Half;

namespace Pascl.Tests.Kernels;

[TestFixtureSource(typeof(Devices), nameof(Devices.OfGpuCode))]
public sealed class DualBatchNormTests(string name)
{
    private static readonly (BatchShape Shape, int InDistributionImages)[] Shapes =
    [
        (new(3, 2, 8), 2), // whole packets
        (new(5, 16, 3, ChannelsLast: true), 3),
        (new(40, 3, 8), 25), // several items per thread
        (new(9, 24, 16, ChannelsLast: true), 4),
        (new(3, 2, 7), 1), // ragged
        (new(4, 5, 3, ChannelsLast: true), 2),
        (new(2, 1, 1), 0), // degenerate
        (new(1, 3, 2), 1),
        (new(7, 8, 1), 7),
        (new(2, 35, 1, ChannelsLast: true), 2),
        (new(6, 72, 2, ChannelsLast: true), 4), // a tile of more channels than a warp has threads
    ];

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void every_shape_and_activation_agrees_with_the_reference_in_single([Range(0, 10)] int shape, [Values] BatchNormActivation activation) =>
        Check<float, SingleElement>(Shapes[shape], activation);

    [Test]
    public void every_shape_agrees_with_the_reference_in_half([Range(0, 10)] int shape) =>
        Check<Half, Float16Element>(Shapes[shape], (BatchNormActivation)(shape % 3));

    [Test]
    public void every_shape_agrees_with_the_reference_in_brain_float([Range(0, 10)] int shape) =>
        Check<BFloat16, BFloat16Element>(Shapes[shape], (BatchNormActivation)((shape + 1) % 3));

    [Test]
    public void running_statistics_normalise_in_evaluation([Values(0, 1)] int shape, [Values] BatchNormActivation activation)
    {
        var kernels = new DualBatchNorm<float>(Device);
        BatchNormRun<float, SingleElement>.Of(kernels, Device, Shapes[shape].Shape, 0, activation, evaluates: true)
            .AssertAgreesWithReference(evaluates: true);
    }

    [Test]
    public void several_warps_and_blocks_share_a_channel([Values] bool channelsLast)
    {
        var kernels = new DualBatchNorm<float>(Device, threads: 64, multiprocessors: 2);
        var shape = channelsLast ? new BatchShape(40, 8, 21, ChannelsLast: true) : new BatchShape(50, 1, 36);
        BatchNormRun<float, SingleElement>.Of(kernels, Device, shape, 30, BatchNormActivation.Rectify).AssertAgreesWithReference();
    }

    [Test]
    public void elements_may_begin_anywhere([Values(1, 2, 4, 7)] int firstElement, [Values] bool channelsLast)
    {
        var kernels = new DualBatchNorm<BFloat16>(Device);
        BatchNormRun<BFloat16, BFloat16Element>
            .Of(kernels, Device, new(3, 8, 8, channelsLast), 2, BatchNormActivation.AddAndRectify, firstElement: firstElement)
            .AssertAgreesWithReference();
    }

    // Parts of 1, of 2 and of the other images; of one pixel, the first part has a single value of a channel.
    [Test]
    public void parts_of_a_batch_with_the_moments_and_sums_of_all_agree_with_the_reference([Values(1, 3, 4, 8)] int shape, [Values] BatchNormActivation activation)
    {
        CheckParts<float, SingleElement>(Shapes[shape].Shape, activation);
        CheckParts<BFloat16, BFloat16Element>(Shapes[shape].Shape, activation);
    }

    [Test]
    public void two_batches_in_flight_share_a_workspace()
    {
        var kernels = new DualBatchNorm<float>(Device);
        var shape = new BatchShape(6, 3, 8);
        var alone = Enumerable.Range(1, 2)
            .Select(batch => BatchNormRun<float, SingleElement>.Of(kernels, Device, shape, 4, BatchNormActivation.Rectify, seed: 50 * batch)).ToArray();
        using var workspace = Device.Allocate<float>(kernels.WorkspaceLength(shape));
        using var first = alone[0].Begin(kernels, Device, workspace.Vector);
        using var second = alone[1].Begin(kernels, Device, workspace.Vector);
        Assert.That(new[] { first, second }.Select(pass => pass.End()), Is.EqualTo(alone.Select(run => run.Written)));
    }

    [Test]
    public void a_mean_far_from_zero_costs_the_variance_nothing([Values] bool channelsLast)
    {
        var kernels = new DualBatchNorm<float>(Device);
        var run = BatchNormRun<float, SingleElement>.Of(kernels, Device, new(20, 4, 8, channelsLast), 11, BatchNormActivation.None, mean: 1e3);
        run.AssertAgreesWithReference();
        Assert.That(run.Written["state"].Skip(4).Take(4), Is.All.InRange(0.7f, 1.4f)); // the mean of squares less the square of the mean is off by 0.1
    }

    [Test]
    public void the_same_input_gives_the_same_bits([Values] bool channelsLast)
    {
        var kernels = new DualBatchNorm<float>(Device, threads: 32, multiprocessors: 2);
        var runs = Enumerable.Range(0, 2)
            .Select(_ => BatchNormRun<float, SingleElement>.Of(kernels, Device, new(20, 3, 12, channelsLast), 7, BatchNormActivation.AddAndRectify)).ToArray();
        Assert.That(runs[0].Written, Is.EqualTo(runs[1].Written));
    }

    [Test]
    public void random_shapes_agree_with_the_reference()
    {
        var kernels = new DualBatchNorm<float>(Device);
        var shapes = Gen.Select(Gen.Int[1, 9], Gen.Int[1, 6], Gen.Int[1, 11], Gen.Bool, Gen.Int[0, 9], Gen.Enum<BatchNormActivation>());
        shapes.Where((images, _, pixels, _, inDistribution, _) => images * pixels > 1 && Math.Min(images, inDistribution) * pixels != 1).Sample(
            (images, channels, pixels, channelsLast, inDistribution, activation) =>
                BatchNormRun<float, SingleElement>
                    .Of(kernels, Device, new(images, channels, pixels, channelsLast), Math.Min(images, inDistribution), activation)
                    .AssertAgreesWithReference(),
            iter: 30,
            threads: 1);
    }

    [Test]
    public void the_moments_are_those_of_each_set_and_merge_to_those_of_all()
    {
        var kernels = new DualBatchNorm<float>(Device);
        var written = BatchNormRun<float, SingleElement>.Of(kernels, Device, new(5, 1, 4), 2, BatchNormActivation.None).Written;
        var sets = written["moments"].Chunk(3).Select(values => new BatchMoments((int)values[0], values[1], values[2])).ToArray();
        var all = BatchMoments.Merge(sets[0], sets[1]);
        Assert.Multiple(() =>
        {
            Assert.That(sets.Select(set => set.Count), Is.EqualTo([8, 12]));
            Assert.That((sets[0].Mean, sets[0].Variance), Is.EqualTo((written["state"][2], written["state"][3])));

            // A GPU's reciprocal may differ in the last bit.
            Assert.That(written["state"][0], Is.EqualTo(all.Mean).Within(4).Ulps);
            Assert.That(written["state"][1], Is.EqualTo(all.Variance).Within(4).Ulps);
        });
    }

    [Test]
    public void what_does_not_fit_is_refused_with_both_sizes()
    {
        var kernels = new DualBatchNorm<float>(Device);
        using var floats = Device.Allocate<float>(13);
        using var memory = new BatchNormMemory<float, SingleElement>(Device, new(1, 2, 3), floats.Vector, false, 0);
        var (three, running) = (memory.Input(new double[6]), memory.Running(0, 1));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => kernels.Normalize(new(1, 2, 4), three, running, default, memory.Output),
                Throws.ArgumentException.With.Message.EqualTo("input has 6 elements but the batch is (1, 2, 4); it must have 8."));
            Assert.That(() => kernels.Normalize(new(1, 2, 3), three, running, default, memory.Output),
                Throws.ArgumentException.With.Message.StartsWith("weight has 0 elements"));
            Assert.That(() => kernels.Moments(new(0, 2, 3), default, default, default, default),
                Throws.ArgumentException.With.Message.EqualTo("The batch (0, 2, 3) is empty, so there are no moments."));
            Assert.That(() => Statistics(new(3, 2, 1), 4),
                Throws.ArgumentException.With.Message.EqualTo("4 images cannot be in-distribution in a batch of 3."));
            Assert.That(() => Statistics(new(1, 6, 1), 1),
                Throws.ArgumentException.With.Message.StartsWith("The images of the batch (1, 6, 1) have 1 values per channel; training needs at least 2, "));
            Assert.That(() => Statistics(new(3, 2, 1), 1),
                Throws.ArgumentException.With.Message.StartsWith("The in-distribution images of the batch (3, 2, 1) have 1 values"));
            Assert.That(() => Statistics(new(1, 2, 3), 1, workspace: 5), Throws.ArgumentException.With.Message.Contains("workspace has 5 elements"));
            Assert.That(() => Statistics(new(1, 2, 3), 1, workspaceStart: 1),
                Throws.ArgumentException.With.Message.Contains("it must be a multiple of 8 bytes"));
            Assert.That(() => new DualBatchNorm<double>(Device), Throws.InstanceOf<NotSupportedException>().With.Message.Contains("not Double"));
        }

        void Statistics(BatchShape shape, int inDistributionImages, int workspace = 12, int workspaceStart = 0) => kernels.Statistics(
            shape, three, inDistributionImages, new(memory.State.Vector), memory.Moments.Vector,
            memory.Workspace.Slice(workspaceStart, workspace), auxiliary: running);
    }

    private void CheckParts<T, TElement>(BatchShape shape, BatchNormActivation activation)
        where T : unmanaged
        where TElement : struct, IElement<T>
    {
        int[] images = [.. ((int[])[1, 2, shape.Images - 3]).Where(count => count > 0)];
        BatchNormRun<T, TElement>.OfParts(new DualBatchNorm<T>(Device), Device, shape, images, activation).AssertAgreesWithReference();
    }

    private void Check<T, TElement>((BatchShape Shape, int InDistributionImages) batch, BatchNormActivation activation)
        where T : unmanaged
        where TElement : struct, IElement<T>
    {
        var kernels = new DualBatchNorm<T>(Device);
        BatchNormRun<T, TElement>.Of(kernels, Device, batch.Shape, batch.InDistributionImages, activation).AssertAgreesWithReference();
    }
}

/// <summary>The simulator takes a thread of the CPU for each lane, so it gets one shape of each kind; GPU code runs them all.</summary>
[SimulatesGpu]
public sealed class SimulatedDualBatchNormTests
{
    private readonly DualBatchNormTests tests = new("simulator");

    [Test]
    public void packets_agree_with_the_reference([Values(0, 1)] int shape) =>
        tests.every_shape_and_activation_agrees_with_the_reference_in_single(shape, BatchNormActivation.AddAndRectify);

    [Test]
    public void ragged_shapes_agree_with_the_reference([Values(4, 5)] int shape) => tests.every_shape_agrees_with_the_reference_in_brain_float(shape);

    [Test]
    public void several_warps_and_blocks_share_a_channel([Values] bool channelsLast) => tests.several_warps_and_blocks_share_a_channel(channelsLast);

    [Test]
    public void the_same_input_gives_the_same_bits() => tests.the_same_input_gives_the_same_bits(channelsLast: true);
}
