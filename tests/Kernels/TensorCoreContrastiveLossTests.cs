using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[TestFixtureSource(typeof(Devices), nameof(Devices.OfGpuCode))]
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

        // Their temperature has more digits than a float.
        CheckBoth(new ContrastiveCase(item), item.Loss, item.Gradient, 1e-6);
    }

    [Test]
    public void any_shape_agrees_with_the_reference() =>
        Gen.Select(Gen.Int[10, 40], Gen.Int[0, 30], Gen.Int[1, 70], Gen.Int[1, 5]).Sample(
            (anchors, outliers, width, classes) => CheckBoth(new ContrastiveCase(anchors, outliers, width, Temperature, i => i % classes), everyRowCounts: false),
            iter: 3,
            threads: 1);

    [Test]
    public void blocks_of_several_warps_share_their_tiles() => CheckBoth(new ContrastiveCase(35, 5, 64, Temperature, i => i % 3), warps: 2);

    [Test]
    public void anchors_of_one_class_attract_one_another() => CheckBoth(new ContrastiveCase(20, 3, 16, Temperature, _ => 0));

    [Test]
    public void class_weights_scale_the_losses_of_their_anchors() => CheckBoth(new ContrastiveCase(18, 7, 16, 1, i => i % 3, [0.5f, 2, 1.25f]));

    [Long]
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

    // Two anchors of a class and no outlier: log Z is their product, and so is what their class sum gives in float32. The loss is the rounding of the rows alone,
    // which the bound is too narrow to hide where there is one product.
    [Test]
    public void a_product_is_as_exact_as_its_precision([Values] ContrastivePrecision precision)
    {
        var seen = 0;
        for (var seed = 0; seed < 3; seed++)
        {
            var inputs = new ContrastiveCase(2, 0, 64 - seed, 1, _ => 0);
            var rounded = new RoundedContrastiveLoss(inputs, precision);
            Assert.That(Run(inputs, precision).Loss, Is.EqualTo(rounded.Loss).Within(rounded.LossBound));
            seen += Math.Abs(rounded.Loss) > rounded.LossBound ? 1 : 0;
        }

        Assert.That(seen, precision == ContrastivePrecision.BFloat16 ? Is.Positive : Is.Zero, "losses that rounding the rows makes");
    }

    // At a high temperature exponentials hardly magnify the error of a product, so that the bounds are tight enough to miss any of its three parts.
    [Test]
    public void each_of_the_three_products_is_needed()
    {
        var inputs = new ContrastiveCase(18, 7, 16, 1, i => i % 3);
        var (_, gradient) = Run(inputs, ContrastivePrecision.BFloat16x3);
        var wrong = new RoundedContrastiveLoss(inputs, ContrastivePrecision.BFloat16x3, withoutRest: true);
        var rounded = new RoundedContrastiveLoss(inputs, ContrastivePrecision.BFloat16);
        double[] actual = [.. gradient.Select(value => (double)value)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tolerance.Refused(actual, wrong.Gradient, wrong.GradientBounds, 1), Is.Positive);
            Assert.That(Tolerance.Refused(actual, rounded.Gradient, rounded.GradientBounds, 1), Is.Positive);
        }
    }

    // What a large batch has on a large GPU. The simulator's blocks have sixteen rows, so that fewer are enough.
    [Long]
    [TestCase(64)]
    [TestCase(100)]
    [TestCase(200)]
    public void blocks_take_several_tiles(int width)
    {
        var inputs = new ContrastiveCase(130, 200, width, Temperature, i => i % 3);
        foreach (var precision in Enum.GetValues<ContrastivePrecision>())
        {
            using var loss = new TensorCoreContrastiveLoss(Device, width, precision, simulatedWarps: 1, multiprocessors: 1);
            var layout = loss.Layout(inputs.Anchors, inputs.Count, inputs.Classes);
            Assert.That(Math.Max(layout.ForwardSplits, layout.BackwardSplits), Is.LessThan((inputs.Count + 63) / 64), "blocks that share the tiles");
        }

        CheckBoth(inputs, multiprocessors: 1);
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
    public void everything_but_state_and_workspace_may_begin_at_any_element([Values(1, 2, 3)] int offset)
    {
        var inputs = new ContrastiveCase(9, 5, 16, Temperature, i => i % 2, [0.5f, 2]);
        Assert.That(Run(inputs, ContrastivePrecision.BFloat16x3, offset: offset), Is.EqualTo(Run(inputs, ContrastivePrecision.BFloat16x3)));
    }

    [Test]
    public void two_batches_in_flight_share_a_workspace()
    {
        ContrastiveCase[] inputs = [new(9, 5, 16, Temperature, i => i % 2), new(9, 5, 16, 0.2f, i => i % 3)];
        using var loss = new TensorCoreContrastiveLoss(Device, 16);
        using var first = new TensorCorePass(Device, loss, inputs[0]);
        using var second = new TensorCorePass(Device, loss, inputs[1]);
        using var workspace = Device.Allocate<uint>(Poison(first.WorkspaceLength));
        first.Forward(workspace.Vector);
        second.Forward(workspace.Vector);
        Assert.That(
            new[] { first.Backward(workspace.Vector), second.Backward(workspace.Vector) },
            Is.EqualTo(inputs.Select(batch => Run(batch, ContrastivePrecision.BFloat16x3))));
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

    private void CheckBoth(ContrastiveCase inputs, float scale = 1, int warps = 1, int? multiprocessors = null, bool everyRowCounts = true)
    {
        var (rows, weights) = (inputs.RowsInDouble, inputs.WeightsInDouble);
        var expected = FusedContrastiveLossReference.Forward(rows, inputs.Width, inputs.Labels, inputs.Temperature, weights);
        var expectedGradient = FusedContrastiveLossReference.Backward(rows, inputs.Width, inputs.Labels, inputs.Temperature, weights);
        CheckBoth(inputs, expected, expectedGradient, 1e-9, scale, warps, multiprocessors, everyRowCounts);
    }

    private void CheckBoth(
        ContrastiveCase inputs,
        double expected,
        double[] expectedGradient,
        double digits,
        float scale = 1,
        int warps = 1,
        int? multiprocessors = null,
        bool everyRowCounts = true)
    {
        // Without rounding the reference with rounding is the specification, but for the order of sums in double precision.
        var exact = new RoundedContrastiveLoss(inputs, precision: null);
        Assert.That(exact.Loss, Is.EqualTo(expected).Within(digits));
        Assert.That(exact.Gradient, Is.EqualTo(expectedGradient).Within(digits));
        foreach (var precision in Enum.GetValues<ContrastivePrecision>())
        {
            var rounded = new RoundedContrastiveLoss(inputs, precision);
            var (loss, gradient) = Run(inputs, precision, scale, warps: warps, multiprocessors: multiprocessors);
            TestContext.Out.WriteLine(
                $"{precision}: loss {expected:G3} off by {Math.Abs(loss - expected):G2}, of which {Math.Abs(loss - rounded.Loss):G2} are not rounding, bound "
                + $"{rounded.LossBound:G2}; gradient off by {Distance(gradient, expectedGradient, scale):G2}");
            Assert.That(loss, Is.EqualTo(rounded.Loss).Within(rounded.LossBound));
            var scales = rounded.GradientBounds.Select(bound => scale * bound).ToArray();
            Tolerance.AssertWithin(gradient, [.. rounded.Gradient.Select(value => scale * value)], scales, 1);
            AssertMistakesAreRefused(inputs, precision, rounded, everyRowCounts && inputs.Count > 2 && inputs.Temperature >= Temperature);
            if (expectedGradient.Any(value => value != 0))
            {
                // What rounding the inputs costs, which the bounds above leave out: as the operation's own table says.
                Assert.That(Distance(gradient, expectedGradient, scale), Is.LessThan(precision == ContrastivePrecision.BFloat16 ? 5e-2 : 1e-4));
            }
        }
    }

    // A gradient of zeros, one of the opposite sign, and one that leaves out a row, of which the last is the one that a wrong end of a loop leaves out. At low
    // temperatures, and at random in short rows, a row that is like no other has next to nothing to add.
    private static void AssertMistakesAreRefused(ContrastiveCase inputs, ContrastivePrecision precision, RoundedContrastiveLoss rounded, bool everyRowCounts)
    {
        if (!rounded.Gradient.Any(value => value != 0))
        {
            return;
        }

        Tolerance.AssertRefusesNothingAndTheOpposite(rounded.Gradient, rounded.GradientBounds, 1);
        for (var row = inputs.Count - 1; everyRowCounts && row >= 0; row -= 1 + (inputs.Count / 4))
        {
            var wrong = new RoundedContrastiveLoss(inputs, precision, missing: row);
            Assert.That(Tolerance.Refused(wrong.Gradient, rounded.Gradient, rounded.GradientBounds, 1), Is.Positive, $"without row {row}");
        }
    }

    // In the Euclidean norm, relative to the gradient.
    private static double Distance(float[] actual, double[] expected, float scale) =>
        Math.Sqrt(expected.Zip(actual, (right, value) => Math.Pow(right - (value / scale), 2)).Sum() / expected.Sum(value => value * value));

    private (float Loss, float[] Gradient) Run(
        ContrastiveCase inputs, ContrastivePrecision precision, float scale = 1, int gap = 0, int warps = 1, int? multiprocessors = null, int offset = 0)
    {
        using var loss = new TensorCoreContrastiveLoss(Device, inputs.Width, precision, warps, multiprocessors ?? Device.Multiprocessors);
        using var pass = new TensorCorePass(Device, loss, inputs, scale, gap, offset);
        using var workspace = Device.Allocate<uint>(Poison(pass.WorkspaceLength));
        pass.Forward(workspace.Vector);
        workspace.CopyFrom(Poison(pass.WorkspaceLength));
        return pass.Backward(workspace.Vector);
    }

    private static uint[] Poison(long length) => [.. Enumerable.Repeat(TensorCorePass.Poison, (int)length)];
}

/// <summary>The simulator exchanges every register of a product between threads of the CPU, so it gets one shape of each kind; GPU code runs them all.</summary>
[SimulatesGpu]
public sealed class SimulatedTensorCoreContrastiveLossTests
{
    private readonly TensorCoreContrastiveLossTests tests = new("simulator");

    [Test]
    public void loss_and_gradient_are_those_of_the_reference() => tests.loss_and_gradient_are_those_of_the_reference(17, 0, 7);

    [Test]
    public void blocks_of_several_warps_share_their_tiles() => tests.blocks_of_several_warps_share_their_tiles();
}
