using System.Text.Json;
using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class ObjectiveLossTests(string name)
{
    // With respect to L, L_in and L_out.
    private static readonly float[] Upstream = [0.75f, -0.5f, 2];

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void losses_and_gradient_are_those_of_the_reference()
    {
        using (Assert.EnterMultipleScope())
        {
            Check(new([3, 0, 9, 9], 3, 10, true)); // ten classes
            Check(new([3, 0], 1, 10, false)); // without adjustment
            Check(new([31, 0], 1, 32, true)); // a class per thread of the warp
            Check(new([998, 32], 2, 999, true)); // many classes
            Check(new([0, 0, 0], 2, 1, true)); // one class: every loss is 0
            Check(new([1, 2], 0, 3, false)); // no outlier
            Check(new([], 2, 3, true)); // no in-distribution row
            Check(new([], 0, 3, true)); // no row
        }
    }

    [Test]
    public void several_rows_may_share_a_block() => Check(new([0, 2, 1, 0], 3, 3, true), 128);

    [Test]
    public void ragged_shapes() =>
        Gen.Select(Gen.Int[1, 70], Gen.Int[0, 4], Gen.Int[0, 4], Gen.Bool, Gen.Int[0, 3], Gen.Double[1, 100])
            .Select((classes, rows, outliers, isAdjusted, gap, largest) =>
                new Case([.. Enumerable.Range(7, rows).Select(row => row * row % classes)], outliers, classes, isAdjusted)
                {
                    Gap = gap,
                    Offset = (gap + 1) % 4,
                    Largest = largest,
                })
            .Sample(shape => Check(shape), iter: Device.IsSimulator ? 20 : 100, threads: 1);

    [Test]
    public void everything_may_begin_at_any_element([Values(1, 2, 3)] int offset) => Check(new([3, 0, 9, 9], 3, 12, true) { Offset = offset });

    [Test]
    public void two_batches_may_be_in_flight()
    {
        Case[] batches = [new([3, 0, 9], 3, 40, false), new([1, 2, 1], 3, 40, false) { Seed = 21 }];
        using var door = new ObjectiveLoss(Device, 32);
        using var upstream = Device.Allocate<float>(Upstream);
        var passes = batches.Select(batch => (
            Logits: new MatrixBuffer(Device, 6, 40, batch.Logits()),
            Labels: Device.Allocate<long>(batch.Labels),
            State: new GuardedBuffer<float>(Device, ObjectiveLoss.StateLength(6)),
            Losses: new GuardedBuffer<float>(Device, ObjectiveLoss.Losses),
            Gradient: new MatrixBuffer(Device, 6, 40))).ToArray();
        foreach (var pass in passes)
        {
            door.Forward(pass.Logits.Matrix, pass.Labels.Vector, default, 0.5f, pass.State.Vector, pass.Losses.Vector);
        }

        foreach (var (pass, batch) in passes.Zip(batches))
        {
            door.Backward(pass.Logits.Matrix, pass.Labels.Vector, default, 0.5f, pass.State.Vector, upstream.Vector, pass.Gradient.Matrix);
            Assert.That((pass.Losses.Read(), pass.Gradient.Read()), Is.EqualTo(Run(batch, 32)));
            Array.ForEach<IDisposable>([pass.Logits, pass.Labels, pass.State, pass.Losses, pass.Gradient], memory => memory.Dispose());
        }
    }

    [Test]
    public void two_runs_agree_in_every_bit()
    {
        var shape = new Case([3, 0, 9], 3, 40, true);
        var first = Run(shape, 32);
        Assert.That(Run(shape, 32), Is.EqualTo(first));
    }

    [TestCase(-1)]
    [TestCase(3)]
    [TestCase(long.MinValue)]
    [TestCase(1L << 32)]
    public void a_label_that_is_no_class_gives_nan_and_reads_nothing_outside(long label)
    {
        var (losses, gradient) = Run(new([1, label], 1, 3, true), 32);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(losses.Select(float.IsNaN), Is.EqualTo([true, true, false]));
            Assert.That(gradient.Chunk(3).Select(row => row.All(float.IsNaN)), Is.EqualTo([false, true, false]));
        }
    }

    [Test]
    public void outlier_exposure_agrees_with_the_authors_code()
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Golden, LossGolden.FileName)));
        foreach (var item in golden.RootElement.GetProperty("outlierExposure").EnumerateArray().ToArray())
        {
            double Number(string property) => item.GetProperty(property).GetDouble();
            var shape = new Case([], (int)Number("rows"), (int)Number("classes"), false)
            {
                Seed = (uint)Number("seed"),
                Largest = Number("scale") / 2,
                OutlierWeight = 1,
            };
            var (losses, gradient) = Run(shape, 32);
            var probe = Difference(gradient, GoldenInputs.Sequence(shape.Seed + 9, gradient.Length));
            Tolerance.AssertWithin([losses[2]], [Number("loss")], [1], shape.LossError);

            // The gradient of L and L_out. Its error, per element, is relative to (p + 1/C) / K.
            var expected = Number("gradProbe") * (Upstream[0] + Upstream[2]);
            Tolerance.AssertWithin([probe], [expected], [shape.GradientScales().Sum()], shape.GradientError);
        }

        static float Difference(float[] gradient, double[] direction) => (float)gradient.Zip(direction, (slope, by) => slope * by).Sum();
    }

    [Test]
    public void shapes_that_do_not_fit_are_refused()
    {
        using var loss = new ObjectiveLoss(Device);
        var (three, state) = (new DeviceVector<float>(0, 3), new DeviceVector<float>(0, 4));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => loss.Forward(new(0, 2, 0), new(0, 2), default, 1, state, three),
                Throws.ArgumentException.With.Message.EqualTo("logits is (2, 0); there must be at least one class."));
            Assert.That(
                () => loss.Forward(new(0, 2, 5), new(0, 3), default, 1, state, three),
                Throws.ArgumentException.With.Message.EqualTo("logits is (2, 5) but there are 3 labels; there must be a row for each label."));
            Assert.That(
                () => loss.Forward(new(0, 2, 5), new(0, 2), new(0, 4), 1, state, three),
                Throws.ArgumentException.With.Message.EqualTo("adjustment has 4 elements but logits is (2, 5); there must be one per class, or none."));
            Assert.That(
                () => loss.Forward(new(0, 2, 5), new(0, 2), default, 1, three, three),
                Throws.ArgumentException.With.Message.EqualTo("state has 3 elements but logits is (2, 5); there must be 4."));
            Assert.That(
                () => loss.Backward(new(0, 2, 5), new(0, 2), default, 1, state, state, new(0, 2, 5)),
                Throws.ArgumentException.With.Message.StartsWith("lossesGradient has 4 elements; there must be 3"));
            Assert.That(
                () => loss.Backward(new(0, 2, 5), new(0, 2), default, 1, state, three, new(0, 3, 5)),
                Throws.ArgumentException.With.Message.EqualTo("logitsGradient is (3, 5) but logits is (2, 5); both must have the same shape."));
        }
    }

    [Test]
    public void the_references_gradient_is_its_slope([Values(0, 2)] int rows, [Values(0, 2)] int outliers)
    {
        long[] labels = [.. Enumerable.Range(0, rows).Select(row => 2L - row)];
        var (logits, adjustment) = (GoldenInputs.Sequence(6, (rows + outliers) * 3), GoldenInputs.Sequence(7, 3));
        var gradient = ObjectiveLossReference.Backward(logits, 3, labels, 0.5, adjustment);
        Assert.That(gradient, Is.EqualTo(Slopes.Of(at => ObjectiveLossReference.Forward(at, 3, labels, 0.5, adjustment).Total, logits)).Within(Slopes.Error));
    }

    private void Check(Case shape, int threads = 32)
    {
        var (losses, gradient) = Run(shape, threads);
        var expected = ObjectiveLossReference.Forward(shape.Logits(), shape.Classes, shape.Labels, shape.OutlierWeight, shape.Adjustment());
        Tolerance.AssertWithin(losses, [expected.Total, expected.InDistribution, expected.Outliers], [1 + shape.OutlierWeight, 1, 1], shape.LossError);

        // The reference's gradient is that of L; the kernel is also given slopes of L_in and L_out.
        var inDistribution = shape.Labels.Length * shape.Classes;
        var slopes = ObjectiveLossReference.Backward(shape.Logits(), shape.Classes, shape.Labels, shape.OutlierWeight, shape.Adjustment())
            .Select((slope, i) => slope * (Upstream[0] + (i < inDistribution ? Upstream[1] : Upstream[2] / shape.OutlierWeight)));
        Tolerance.AssertWithin(gradient, [.. slopes], shape.GradientScales(), shape.GradientError);
    }

    private (float[] Losses, float[] Gradient) Run(Case shape, int threads)
    {
        var rows = shape.Rows;
        using var logits = new MatrixBuffer(Device, rows, shape.Classes, shape.Logits(), shape.Gap, shape.Offset);
        using var labels = new GuardedBuffer<long>(Device, shape.Labels, shape.Offset);
        using var adjustment = new GuardedBuffer<float>(Device, [.. shape.Adjustment().Select(value => (float)value)], shape.Offset);
        using var upstream = new GuardedBuffer<float>(Device, Upstream, shape.Offset);
        using var state = new GuardedBuffer<float>(Device, ObjectiveLoss.StateLength(rows), shape.Offset);
        using var losses = new GuardedBuffer<float>(Device, ObjectiveLoss.Losses, shape.Offset);
        using var gradient = new MatrixBuffer(Device, rows, shape.Classes, null, shape.Gap + 1, shape.Offset);
        using var door = new ObjectiveLoss(Device, threads);
        var weight = (float)shape.OutlierWeight;
        door.Forward(logits.Matrix, labels.Vector, adjustment.Vector, weight, state.Vector, losses.Vector);
        door.Backward(logits.Matrix, labels.Vector, adjustment.Vector, weight, state.Vector, upstream.Vector, gradient.Matrix);
        state.Read();
        return (losses.Read(), gradient.Read());
    }

    private sealed record Case(long[] Labels, int Outliers, int Classes, bool IsAdjusted)
    {
        public int Gap { get; init; }

        // Elements by which everything misses an alignment of 256 bytes.
        public int Offset { get; init; }

        public double Largest { get; init; } = 10;

        public uint Seed { get; init; } = 8;

        // Exact in a float.
        public double OutlierWeight { get; init; } = 0.5;

        public int Rows => Labels.Length + Outliers;

        // Rounding of the adjusted logits; a row's loss; the mean over the rows, whose losses are at most largest - mean + log C; weight and sum of the two.
        public double LossError =>
            (2 * Tolerance.Single * LargestLogit)
            + Tolerance.RowLoss(Tolerance.Single, Classes, LargestLogit)
            + (((2 * LargestLogit) + Math.Log(Classes)) * Tolerance.Sum(Tolerance.Single, Rows + 3));

        // The logarithm's error, that of the exponential, and a rounding each of difference, target, division, product and, exact here, the upstream gradient's
        // weight and sum.
        public double GradientError =>
            (2 * Tolerance.Single * LargestLogit)
            + Tolerance.RowLoss(Tolerance.Single, Classes, LargestLogit)
            + Tolerance.Exponential(Tolerance.Single, 2 * LargestLogit)
            + Tolerance.Sum(Tolerance.Single, 6);

        private double LargestLogit => Largest + (IsAdjusted ? 0.5 : 0);

        public double[] Logits() => [.. GoldenInputs.Sequence(Seed, Rows * Classes).Select(value => (double)(float)(2 * Largest * value))];

        public double[] Adjustment() => IsAdjusted ? [.. GoldenInputs.Sequence(9, Classes).Select(value => (double)(float)value)] : [];

        // |slope| (p + target): the gradient is the difference of the two, so p is the gradient plus the target.
        public double[] GradientScales()
        {
            var gradient = ObjectiveLossReference.Backward(Logits(), Classes, Labels, 1, Adjustment());
            return [.. gradient.Select((value, i) => i / Classes < Labels.Length
                ? Math.Abs(Upstream[0] + Upstream[1]) * (Math.Abs(value) + (i % Classes == Labels[i / Classes] ? 2.0 / Labels.Length : 0))
                : Math.Abs((OutlierWeight * Upstream[0]) + Upstream[2]) * (Math.Abs(value) + (2.0 / Classes / Outliers)))];
        }
    }
}
