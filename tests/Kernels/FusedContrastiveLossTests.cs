using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class FusedContrastiveLossTests(string name)
{
    private static readonly FusedContrastiveLossVariant[] Variants = [FusedContrastiveLossVariant.FixedShift, FusedContrastiveLossVariant.RowMaximum];

    private static readonly bool[] Mixed = [false, true, true, false, true];

    private static readonly ContrastiveBatch[] Batches =
    [
        ContrastiveBatch.Of(1, 0, 1, [true]), // M = 2, K = 0
        ContrastiveBatch.Of(1, 1, 3, [true]), // M = 2, K = 1
        ContrastiveBatch.Of(5, 7, 127, Mixed),
        ContrastiveBatch.Of(6, 9, 4, [true]), // one class
        ContrastiveBatch.Of(5, 4, 8, [true, true, true, true, true]), // all distinct
        ContrastiveBatch.Of(9, 20, 16, [false, false, true]),
        ContrastiveBatch.Of(3, 40, 128, Mixed), // more outliers than a tile
        ContrastiveBatch.Of(40, 33, 6, [.. Enumerable.Repeat(true, 1000)]), // 1000 classes, several tiles of anchors
        ContrastiveBatch.Of(4, 5, 130, Mixed), // two chunks, the second ragged
        ContrastiveBatch.Of(33, 1, 256, Mixed), // two chunks
    ];

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void agrees_with_the_reference([ValueSource(nameof(Variants))] FusedContrastiveLossVariant variant, [Range(0, 9)] int batch)
    {
        var (loss, gradient) = Batches[batch].Run(Device, variant);
        Batches[batch].AssertAgrees(loss, gradient, everyRowCounts: true);
    }

    [Test]
    public void agrees_with_the_reference_on_random_batches([ValueSource(nameof(Variants))] FusedContrastiveLossVariant variant) =>
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[1, 9], Gen.Int[1, 4], Gen.Int[0, 15], Gen.UInt, Gen.Double[0.05, 1]).Sample(
            (images, outliers, width, classes, tail, seed, temperature) =>
            {
                bool[] isTailClass = [.. Enumerable.Range(0, classes).Select(label => ((tail >> label) & 1) == 1)];
                var labels = Enumerable.Range(0, images).Select(image => (int)((seed >> image) % (uint)classes)).ToArray();
                var batch = new ContrastiveBatch(outliers, width, labels, isTailClass, temperature) { Seed = seed, Upstream = (seed % 7) - 3f };
                var (loss, gradient) = batch.Run(Device, variant);
                batch.AssertAgrees(loss, gradient);
            },
            iter: Device.IsSimulator ? 12 : 60,
            threads: 1);

    // 7 shares of batches with 2 to 80 anchors: some have none, and some of several tiles begin inside one.
    [Test]
    public void the_shares_of_the_anchors_agree_with_the_reference_and_add_up_to_the_whole(
        [ValueSource(nameof(Variants))] FusedContrastiveLossVariant variant, [Values(2, 3, 7)] int shares, [Values(0, 2, 3, 5, 7, 8)] int batch)
    {
        var whole = Batches[batch] with { Upstream = 1.5f };
        var (lossOfAll, gradientOfAll) = (0.0, new double[whole.Features.Length]);
        for (var index = 0; index < shares; index++)
        {
            var part = whole with { Share = new(index, shares) };
            var (loss, gradient) = part.Run(Device, variant);
            part.AssertAgrees(loss, gradient);
            lossOfAll += loss;
            gradientOfAll = [.. gradientOfAll.Zip(gradient, (sum, value) => sum + value)];
        }

        whole.AssertAgrees((float)lossOfAll, Array.ConvertAll(gradientOfAll, value => (float)value), everyRowCounts: true);
    }

    [Test]
    public void a_share_without_anchors_gives_zero_and_zero_gradients()
    {
        foreach (var batch in (ContrastiveBatch[])[ContrastiveBatch.Of(1, 40, 5, [true]), ContrastiveBatch.Of(3, 4, 5, [false])])
        {
            foreach (var variant in Variants)
            {
                var (loss, gradient) = (batch with { Share = new(0, 3) }).Run(Device, variant);
                Assert.That(loss, Is.Zero);
                Assert.That(gradient, Is.All.Zero);
            }
        }
    }

    [TestCase(-1, 2)]
    [TestCase(2, 2)]
    [TestCase(0, 0)]
    [TestCase(0, 65536)]
    public void a_share_that_is_none_is_refused(int index, int count) => Assert.That(
        () => new FusedContrastiveLoss(Device, 0.1, share: new AnchorShare(index, count)),
        Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.StartsWith("There must be 1 to 65535 shares of the anchors"));

    [TestCase(0, 0)]
    [TestCase(3, 0)]
    [TestCase(3, 4)]
    [TestCase(0, 5)]
    public void no_tail_image_gives_zero_and_zero_gradients(int images, int outliers)
    {
        foreach (var variant in Variants)
        {
            var (loss, gradient) = ContrastiveBatch.Of(images, outliers, 3, [false, false]).Run(Device, variant);
            Assert.That(loss, Is.Zero);
            Assert.That(gradient, Is.All.Zero);
        }
    }

    [Test]
    public void head_images_get_exactly_zero()
    {
        var batch = ContrastiveBatch.Of(10, 3, 5, Mixed);
        var (_, gradient) = batch.Run(Device);
        for (var row = 0; row < 20; row++)
        {
            Assert.That(gradient.AsSpan(row * 5, 5).ToArray().All(value => value == 0), Is.EqualTo(!Mixed[batch.Labels[row % 10]]));
        }
    }

    [Test]
    public void the_same_input_gives_the_same_bits([ValueSource(nameof(Variants))] FusedContrastiveLossVariant variant)
    {
        var batch = ContrastiveBatch.Of(20, 40, 7, Mixed);
        var (loss, gradient) = batch.Run(Device, variant);
        var (lossAgain, gradientAgain) = batch.Run(Device, variant);
        Assert.That(lossAgain, Is.EqualTo(loss));
        Assert.That(gradientAgain, Is.EqualTo(gradient));
    }

    [TestCase(0.03, FusedContrastiveLossVariant.FixedShift)]
    [TestCase(0.029, FusedContrastiveLossVariant.RowMaximum)]
    public void the_temperature_chooses_the_variant(double temperature, FusedContrastiveLossVariant expected)
    {
        using var operation = new FusedContrastiveLoss(Device, temperature);
        Assert.That(operation.Variant, Is.EqualTo(expected));
        var batch = ContrastiveBatch.Of(5, 6, 3, Mixed, temperature);
        var (loss, gradient) = batch.Run(Device);
        batch.AssertAgrees(loss, gradient);
    }

    [TestCase(0.001)]
    [TestCase(50)]
    public void the_maximum_of_a_row_suits_any_temperature_and_length(double temperature)
    {
        var unit = ContrastiveBatch.Of(5, 6, 3, Mixed, temperature);
        var batch = unit with { Features = Array.ConvertAll(unit.Features, value => 3 * value) };
        var (loss, gradient) = batch.Run(Device, FusedContrastiveLossVariant.RowMaximum);
        batch.AssertAgrees(loss, gradient);
    }

    [Test]
    public void a_label_that_is_no_class_takes_no_part()
    {
        var batch = ContrastiveBatch.Of(6, 2, 3, Mixed);
        var wrong = batch with { Labels = [.. batch.Labels.Select((label, image) => image == 2 ? -1 : image == 4 ? 5 : label)] };
        var head = batch with { Labels = [.. batch.Labels.Select((label, image) => image is 2 or 4 ? 0 : label)] };
        Assert.That(wrong.Run(Device).Gradient, Is.EqualTo(head.Run(Device).Gradient));
    }

    [Test]
    public void rows_may_have_gaps_and_lie_anywhere()
    {
        const int Stride = 11;
        var batch = ContrastiveBatch.Of(4, 5, 8, Mixed);
        using var operation = new FusedContrastiveLoss(Device, batch.Temperature);
        var spread = new float[1 + (batch.Rows * Stride)];
        for (var i = 0; i < batch.Features.Length; i++)
        {
            spread[1 + (i / 8 * Stride) + (i % 8)] = batch.Features[i];
        }

        using var features = Device.Allocate<float>(spread);
        using var labels = Device.Allocate<long>(Array.ConvertAll(batch.Labels, label => (long)label));
        using var flags = Device.Allocate<byte>(Array.ConvertAll(Mixed, flag => flag ? (byte)1 : (byte)0));
        using var weights = Device.Allocate<float>(Array.ConvertAll(batch.ClassWeights, weight => (float)weight));
        using var upstream = Device.Allocate<float>([1]);
        using var state = Device.Allocate<float>(operation.StateLength(4, 5, 8));
        using var loss = new GuardedBuffer<float>(Device, 1);
        using var gradient = Device.Allocate<float>(Enumerable.Repeat(float.NaN, spread.Length).ToArray());
        var rows = new DeviceMatrix<float>(features.Vector.Address + sizeof(float), batch.Rows, 8, Stride);
        operation.Forward(rows, labels.Vector, flags.Vector, weights.Vector, loss.Vector, state.Vector);
        operation.Backward(rows, 4, upstream.Vector, state.Vector, rows with { Address = gradient.Vector.Address + sizeof(float) });
        var written = gradient.ToArray();
        Assert.That(written.Where((_, i) => (i + Stride - 1) % Stride >= 8), Is.All.NaN);
        batch.AssertAgrees(loss.Read()[0], [.. written.Where((_, i) => (i + Stride - 1) % Stride < 8)]);
    }

    [Test]
    public void everything_may_begin_at_any_element([Values(1, 2, 3)] int offset)
    {
        var batch = ContrastiveBatch.Of(5, 6, 8, Mixed);
        using var operation = new FusedContrastiveLoss(Device, batch.Temperature);
        var (loss, gradient) = batch.Run(Device, operation, offset);
        batch.AssertAgrees(loss, gradient);
    }

    // As many blocks as leave each several tiles, with and without a second part of the same rows.
    [Test]
    public void items_have_several_tiles([ValueSource(nameof(Variants))] FusedContrastiveLossVariant variant, [Values(1, 2)] int blocks)
    {
        var batch = ContrastiveBatch.Of(20, 70, 130, [true, true, false]);
        var tailImages = batch.Labels.Count(label => label < 2);
        Assert.That(ContrastivePlan.Forward(tailImages, 70, AnchorShare.Whole, blocks).TilesPerItem, Is.GreaterThan(1));
        Assert.That(ContrastivePlan.Backward(tailImages, 70, 130, AnchorShare.Whole, blocks).TilesPerItem, Is.GreaterThan(1));
        foreach (var share in (AnchorShare[])[AnchorShare.Whole, new(1, 3)])
        {
            using var operation = new FusedContrastiveLoss(Device, batch.Temperature, variant, share, blocks);
            var (loss, gradient) = (batch with { Share = share }).Run(Device, operation);
            (batch with { Share = share }).AssertAgrees(loss, gradient, everyRowCounts: share == AnchorShare.Whole);
        }
    }

    [Test]
    public void two_forward_passes_may_precede_a_backward_pass()
    {
        var (first, second) = (ContrastiveBatch.Of(4, 5, 3, Mixed), ContrastiveBatch.Of(4, 5, 3, [true, false, true]));
        using var operation = new FusedContrastiveLoss(Device, first.Temperature);
        using var one = new Pass(Device, operation, first);
        using var two = new Pass(Device, operation, second);
        first.AssertAgrees(one.Loss, one.Backward());
        second.AssertAgrees(two.Loss, two.Backward());
    }

    [Test]
    public void what_does_not_fit_is_refused_with_both_shapes()
    {
        using var operation = new FusedContrastiveLoss(Device, 0.1);
        using var buffer = Device.Allocate<float>(4096);
        using var ofLabels = Device.Allocate<long>(8);
        using var ofFlags = Device.Allocate<byte>(8);
        var (features, labels, flags) = (buffer.Matrix(9, 3), ofLabels.Vector.Slice(0, 3), ofFlags.Vector.Slice(0, 5));
        var (weights, loss, state) = (buffer.Vector.Slice(0, 5), buffer.Vector.Slice(0, 1), buffer.Vector);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new FusedContrastiveLoss(Device, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new FusedContrastiveLoss(Device, double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
            Refused("features is (9, 3) for 8 images", () => operation.Forward(features, ofLabels.Vector, flags, weights, loss, state));
            Refused("features is (9, 0)", () => operation.Forward(features with { Columns = 0 }, labels, flags, weights, loss, state));
            Refused("isTailClass has 5 elements but classWeights has 1", () => operation.Forward(features, labels, flags, loss, loss, state));
            Refused("loss has 5 elements", () => operation.Forward(features, labels, flags, weights, weights, state));
            Refused("state has 5 elements", () => operation.Forward(features, labels, flags, weights, loss, weights));
            Refused("multiple of 16 bytes", () => operation.Forward(features, labels, flags, weights, loss, state.Slice(1, 4000)));
            Refused("gradient is (9, 2) but features is (9, 3)", () => operation.Backward(features, 3, loss, state, buffer.Matrix(9, 2)));
            Refused("upstream has 5 elements", () => operation.Backward(features, 3, weights, state, features));
        }

        static void Refused(string message, Action call) => Assert.That(call, Throws.ArgumentException.With.Message.Contains(message));
    }

    /// <summary>A forward pass whose backward pass comes later.</summary>
    private sealed class Pass : IDisposable
    {
        private readonly KernelDevice device;
        private readonly FusedContrastiveLoss operation;
        private readonly ContrastiveBatch batch;
        private readonly DeviceBuffer<float> features;
        private readonly DeviceBuffer<float> state;
        private readonly DeviceBuffer<float> loss;

        public Pass(KernelDevice device, FusedContrastiveLoss operation, ContrastiveBatch batch)
        {
            (this.device, this.operation, this.batch) = (device, operation, batch);
            features = device.Allocate<float>(batch.Features);
            state = device.Allocate<float>(operation.StateLength(batch.Labels.Length, batch.Outliers, batch.Width));
            loss = device.Allocate<float>([float.NaN]);
            using var labels = device.Allocate<long>(Array.ConvertAll(batch.Labels, label => (long)label));
            using var flags = device.Allocate<byte>(Array.ConvertAll(batch.IsTailClass, flag => flag ? (byte)1 : (byte)0));
            using var weights = device.Allocate<float>(Array.ConvertAll(batch.ClassWeights, weight => (float)weight));
            operation.Forward(features.Matrix(batch.Rows, batch.Width), labels.Vector, flags.Vector, weights.Vector, loss.Vector, state.Vector);
        }

        public float Loss => loss.ToArray()[0];

        public float[] Backward()
        {
            using var upstream = device.Allocate<float>([batch.Upstream]);
            using var gradient = new GuardedBuffer<float>(device, batch.Rows * batch.Width);
            operation.Backward(
                features.Matrix(batch.Rows, batch.Width), batch.Labels.Length, upstream.Vector, state.Vector, gradient.Matrix(batch.Rows, batch.Width));
            return gradient.Read();
        }

        public void Dispose()
        {
            features.Dispose();
            state.Dispose();
            loss.Dispose();
        }
    }
}
