using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class TensorCoreContrastiveLossTests(string name)
{
    private const float Temperature = 0.1f;

    private KernelDevice Device => Devices.Get(name);

    // One anchor more than a tile of 64, and outliers until a block of sixteen rows has no anchor: the fewest with several tiles of either kind of row.
    [TestCase(65, 16, 64)]
    [TestCase(33, 1, 40)]
    [TestCase(17, 0, 7)]
    [TestCase(17, 12, 128)]
    [TestCase(3, 40, 100)]
    [TestCase(17, 3, 256)]
    public void loss_and_gradient_are_those_of_the_reference(int anchors, int outliers, int width) =>
        CheckBoth(new ContrastiveCase(anchors, outliers, width, Temperature, i => i * i % 4));

    [TestCase("two-samples-one-class")]
    [TestCase("one-sample")]
    [TestCase("all-distinct-classes")]
    [TestCase("cifar10-like-small")]
    public void loss_and_gradient_are_those_of_the_authors_code(string golden)
    {
        var item = ContrastiveGolden.Read(golden);
        CheckBoth(new ContrastiveCase(item), item.Loss, item.Gradient);
    }

    [Test]
    public void any_shape_agrees_with_the_reference() =>
        Gen.Select(Gen.Int[10, 40], Gen.Int[0, 30], Gen.Int[1, 70], Gen.Int[1, 5]).Sample(
            (anchors, outliers, width, classes) => CheckBoth(new ContrastiveCase(anchors, outliers, width, Temperature, i => i % classes)),
            iter: 3,
            threads: 1);

    [Test]
    public void blocks_of_several_warps_share_their_tiles() => CheckBoth(new ContrastiveCase(35, 5, 64, Temperature, i => i % 3), warps: 2);

    [Test]
    public void anchors_of_one_class_attract_one_another() => CheckBoth(new ContrastiveCase(20, 3, 16, Temperature, _ => 0));

    // At a high temperature exponentials hardly magnify the error of a product, so that the bounds are tight enough to miss any of its three parts.
    [Test]
    public void class_weights_scale_the_losses_of_their_anchors() => CheckBoth(new ContrastiveCase(18, 7, 16, 1, i => i % 3, [0.5f, 2, 1.25f]));

    [Test]
    public void a_thousand_classes_are_summed_each() =>
        CheckBoth(new ContrastiveCase(21, 5, 16, Temperature, i => i % 20 * 52, [.. Enumerable.Range(0, 1000).Select(i => 1 + (i / 1000f))]));

    [Test]
    public void the_lowest_temperature_keeps_every_exponential() =>
        CheckBoth(new ContrastiveCase(17, 6, 32, TensorCoreContrastiveLoss.LowestTemperature, i => i % 2), scale: 1e-3f);

    [Test]
    public void anchors_alone_in_their_class_have_no_loss([Values] ContrastivePrecision precision)
    {
        var inputs = new ContrastiveCase(9, 4, 16, Temperature, i => i);
        var (loss, gradient) = Run(inputs, precision);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(loss, Is.Zero);
            Assert.That(gradient, Is.All.Zero);
        }
    }

    [Test]
    public void no_anchor_gives_no_loss_and_no_gradient([Values(0, 5)] int outliers)
    {
        var (loss, gradient) = Run(new ContrastiveCase(0, outliers, 16, Temperature, i => i), ContrastivePrecision.BFloat16);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(loss, Is.Zero);
            Assert.That(gradient, Is.All.Zero);
        }
    }

    // Two anchors of a class and no outlier: log Z is their product, and so is what their class sum gives in float32. The loss is the product's error alone.
    [TestCase(ContrastivePrecision.BFloat16)]
    [TestCase(ContrastivePrecision.BFloat16x3)]
    public void a_product_is_as_exact_as_its_precision(ContrastivePrecision precision)
    {
        for (var seed = 0; seed < 3; seed++)
        {
            var inputs = new ContrastiveCase(2, 0, 64 - seed, 1, _ => 0);
            Assert.That(Run(inputs, precision).Loss, Is.Zero.Within(inputs.LossBound(ProductError(precision, inputs.Width))));
        }
    }

    [Test]
    public void the_same_input_gives_the_same_bits([Values] ContrastivePrecision precision)
    {
        var inputs = new ContrastiveCase(35, 20, 64, Temperature, i => i % 3);
        var (loss, gradient) = Run(inputs, precision);
        var (again, gradientAgain) = Run(inputs, precision);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(again, Is.EqualTo(loss));
            Assert.That(gradientAgain, Is.EqualTo(gradient));
        }
    }

    [Test]
    public void rows_and_gradients_may_have_gaps()
    {
        var inputs = new ContrastiveCase(5, 3, 8, Temperature, i => i % 2);
        var (_, gradient) = Run(inputs, ContrastivePrecision.BFloat16);
        Assert.That(Run(inputs, ContrastivePrecision.BFloat16, gap: 3).Gradient, Is.EqualTo(gradient));
    }

    [Test]
    public void what_does_not_fit_together_is_refused()
    {
        var inputs = new ContrastiveCase(5, 3, 8, Temperature, i => i % 2);
        using var loss = new TensorCoreContrastiveLoss(Device, inputs.Width);
        using var memory = Device.Allocate<uint>(loss.StateLength(5, 3, 2) + loss.WorkspaceLength(5, 3));
        using var rows = Device.Allocate<float>(inputs.Rows);
        using var labels = Device.Allocate<int>(inputs.Labels);
        using var scalar = Device.Allocate<float>(1);
        var batch = new TensorCoreContrastiveBatch(rows.Matrix(8, 8), labels.Vector, default, 2, Temperature);
        using (Assert.EnterMultipleScope())
        {
            Refused(batch with { Rows = rows.Matrix(16, 4) }, "rows is (16, 4) but the kernels were compiled for rows of 8.");
            Refused(batch with { Rows = rows.Matrix(4, 8) }, "There are 5 labels but rows is (4, 8); each label belongs to one of the first rows.");
            Refused(batch with { ClassWeights = scalar.Vector }, "There are 1 class weights for 2 classes; there must be one each, or none.");
            Refused(batch with { Temperature = 0.02f }, "The temperature is 0.02; these kernels need at least 0.03.");
            Refused(batch with { Temperature = float.NaN }, "The temperature is NaN; these kernels need at least 0.03.");
            Refused(batch with { Classes = 100_000 }, $"state has {memory.Length} elements; this batch needs {loss.StateLength(5, 3, 100_000)}.");
            Assert.That(
                () => loss.Backward(batch, memory.Vector, memory.Vector, scalar.Vector, rows.Matrix(4, 8)),
                Throws.ArgumentException.With.Message.EqualTo("gradients is (4, 8) but rows is (8, 8); both must have the same shape."));
        }

        void Refused(TensorCoreContrastiveBatch wrong, string message) => Assert.That(
            () => loss.Forward(wrong, memory.Vector, memory.Vector, scalar.Vector),
            Throws.ArgumentException.With.Message.EqualTo(message));
    }

    private static double ProductError(ContrastivePrecision precision, int width)
    {
        // Both factors are rounded once. Split in two they are rounded at the second part, and the product of both second parts is left out.
        var unit = Tolerance.BFloat16;
        var ofFactors = precision == ContrastivePrecision.BFloat16 ? (2 * unit) + (unit * unit) : (3 * unit * unit) + (2 * unit * unit * unit);
        return ofFactors + Tolerance.Sum(Tolerance.Single, (3 * width) + 2);
    }

    private static double FactorError(ContrastivePrecision precision) =>
        precision == ContrastivePrecision.BFloat16 ? Tolerance.BFloat16 : 2 * Tolerance.BFloat16 * Tolerance.BFloat16;

    private void CheckBoth(ContrastiveCase inputs, float scale = 1, int warps = 1)
    {
        var (rows, weights) = (inputs.RowsInDouble, inputs.WeightsInDouble);
        var expected = FusedContrastiveLossReference.Forward(rows, inputs.Width, inputs.Labels, inputs.Temperature, weights);
        var expectedGradient = FusedContrastiveLossReference.Backward(rows, inputs.Width, inputs.Labels, inputs.Temperature, weights);
        CheckBoth(inputs, expected, expectedGradient, scale, warps);
    }

    private void CheckBoth(ContrastiveCase inputs, double expected, double[] expectedGradient, float scale = 1, int warps = 1)
    {
        foreach (var precision in Enum.GetValues<ContrastivePrecision>())
        {
            var error = ProductError(precision, inputs.Width);
            var (loss, gradient) = Run(inputs, precision, scale, warps: warps);
            var bounds = inputs.GradientBounds(error, FactorError(precision));
            TestContext.Out.WriteLine(
                $"{precision}: loss {expected:G3} off by {Math.Abs(loss - expected):G2}, bound {inputs.LossBound(error):G2}; "
                + $"gradient off by {Distance(gradient, expectedGradient, scale):G2}");
            Assert.That(loss, Is.EqualTo(expected).Within(inputs.LossBound(error)));
            Tolerance.AssertWithin(gradient, [.. expectedGradient.Select(value => scale * value)], [.. bounds.Select(bound => scale * bound)], 1);
        }
    }

    // In the Euclidean norm, relative to the gradient.
    private static double Distance(float[] actual, double[] expected, float scale) =>
        Math.Sqrt(expected.Zip(actual, (right, value) => Math.Pow(right - (value / scale), 2)).Sum() / expected.Sum(value => value * value));

    private (float Loss, float[] Gradient) Run(ContrastiveCase inputs, ContrastivePrecision precision, float scale = 1, int gap = 0, int warps = 1)
    {
        var (rows, width, stride) = (inputs.Count, inputs.Width, inputs.Width + gap);
        var outliers = rows - inputs.Anchors;
        using var loss = new TensorCoreContrastiveLoss(Device, width, precision, warps);
        using var input = Device.Allocate<float>([.. inputs.Rows.Chunk(width).SelectMany(row => row.Concat(new float[gap]))]);
        using var labels = Device.Allocate<int>(inputs.Labels);
        using var weights = Device.Allocate<float>(inputs.Weights);
        using var upstream = Device.Allocate<float>([scale]);

        // Poison: nothing may be read that was not written before.
        using var state = Device.Allocate<uint>(Poison(loss.StateLength(inputs.Anchors, outliers, inputs.Classes)));
        using var workspace = Device.Allocate<uint>(Poison(loss.WorkspaceLength(inputs.Anchors, outliers)));
        using var result = new GuardedBuffer<float>(Device, 1);
        var matrix = new DeviceMatrix<float>(input.Vector.Address, rows, width, stride);
        var batch = new TensorCoreContrastiveBatch(matrix, labels.Vector, weights.Vector, inputs.Classes, inputs.Temperature);
        loss.Forward(batch, state.Vector, workspace.Vector, result.Vector);
        workspace.CopyFrom(Poison(workspace.Length));
        if (gap > 0)
        {
            using var spread = Device.Allocate<float>(new float[rows * stride]);
            loss.Backward(batch, state.Vector, workspace.Vector, upstream.Vector, new(spread.Vector.Address, rows, width, stride));
            var all = spread.ToArray().Chunk(stride).ToArray();
            Assert.That(all.SelectMany(row => row[width..]), Is.All.Zero);
            return (result.Read()[0], [.. all.SelectMany(row => row[..width])]);
        }

        using var gradients = new GuardedBuffer<float>(Device, rows * width);
        loss.Backward(batch, state.Vector, workspace.Vector, upstream.Vector, gradients.Matrix(rows, width));
        return (result.Read()[0], gradients.Read());
    }

    private static uint[] Poison(long length) => [.. Enumerable.Repeat(0x7FC0_7FC0u, (int)length)];
}
