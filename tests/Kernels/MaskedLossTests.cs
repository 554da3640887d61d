using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class MaskedLossTests(string name)
{
    private const double Upstream = 0.75;

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void loss_and_gradient_are_those_of_the_reference([Values] MaskedLossVariant variant)
    {
        using (Assert.EnterMultipleScope())
        {
            Check(variant, new([0, 1, 0, 0, 2, 1], 70, [1, 0.5, 2])); // three readings of a row by 32 threads
            Check(variant, new([0, 0, 0, 0], 28, [])); // one class, one whole reading
            Check(variant, new([3, 1, 2, 0], 5, [])); // all distinct: no row has a positive
            Check(variant, new([4, 4], 0, [])); // no outlier
            Check(variant, new([1], 1, [1, 2])); // a lone anchor
            Check(variant, new([1], 0, [])); // and no contrast at all
            Check(variant, new([], 3, [])); // no anchor
            Check(variant, new([999, 5, 999], 1, [.. Enumerable.Repeat(0.25, 1000)])); // many classes
        }
    }

    [Test]
    public void more_warps_give_the_same([Values] MaskedLossVariant variant) => Check(variant, new([0, 1, 0], 130, []), 128);

    [Test]
    public void ragged_shapes([Values] MaskedLossVariant variant) =>
        Gen.Select(Gen.Int[0, 2].Array[0, 5], Gen.Int[0, 66], Gen.Double[0.1, 2].Array[3], Gen.Int[0, 3])
            .Select((labels, outliers, weights, gap) => new Case(labels, outliers, weights) { Gap = gap, Offset = (gap + 1) % 4 })
            .Sample(shape => Check(variant, shape), iter: Device.IsSimulator ? 15 : 75, threads: 1);

    [Test]
    public void everything_may_begin_at_any_element([Values] MaskedLossVariant variant, [Values(1, 2, 3)] int offset) =>
        Check(variant, new([0, 1, 0, 0, 2, 1], 34, [1, 0.5, 2]) { Offset = offset });

    [Test]
    public void two_batches_may_be_in_flight([Values] MaskedLossVariant variant)
    {
        Case[] batches = [new([0, 1, 0], 50, []), new([1, 1, 1], 50, [])];
        using var door = new MaskedLoss(Device, variant, 32);
        using var upstream = Device.Allocate<float>([(float)Upstream]);
        var passes = batches.Select(batch => (
            Similarity: new MatrixBuffer(Device, 3, 53, batch.Similarity()),
            Labels: Device.Allocate<int>(batch.Labels),
            State: new GuardedBuffer<float>(Device, MaskedLoss.StateLength(3)),
            Loss: new GuardedBuffer<float>(Device, 1),
            Gradient: new MatrixBuffer(Device, 3, 53))).ToArray();
        foreach (var pass in passes)
        {
            door.Forward(pass.Similarity.Matrix, pass.Labels.Vector, default, pass.State.Vector, pass.Loss.Vector);
        }

        foreach (var (pass, batch) in passes.Zip(batches))
        {
            door.Backward(pass.Similarity.Matrix, pass.Labels.Vector, default, pass.State.Vector, upstream.Vector, pass.Gradient.Matrix);
            Assert.That((pass.Loss.Read()[0], pass.Gradient.Read()), Is.EqualTo(Run(variant, batch, 32)));
            Array.ForEach<IDisposable>([pass.Similarity, pass.Labels, pass.State, pass.Loss, pass.Gradient], memory => memory.Dispose());
        }
    }

    [Test]
    public void large_similarities_do_not_overflow([Values] MaskedLossVariant variant) => Check(variant, new([0, 0, 1], 40, []) { Largest = 1000 });

    [Test]
    public void two_runs_agree_in_every_bit([Values] MaskedLossVariant variant)
    {
        var shape = new Case([0, 1, 0], 50, []);
        var first = Run(variant, shape, 32);
        Assert.That(Run(variant, shape, 32), Is.EqualTo(first));
    }

    [TestCase(-1)]
    [TestCase(2)]
    [TestCase(int.MinValue)]
    public void a_label_without_weight_gives_nan_and_reads_nothing_outside(int label)
    {
        var (loss, gradient) = Run(MaskedLossVariant.Online, new([label, 0, label, 0], 2, [1, 1]), 32);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(loss, Is.NaN);
            Assert.That(gradient.Chunk(6).Select(row => row.Any(float.IsNaN)), Is.EqualTo([true, false, true, false]));
        }
    }

    [Test]
    public void shapes_that_do_not_fit_are_refused()
    {
        using var loss = new MaskedLoss(Device);
        var (one, state) = (new DeviceVector<float>(0, 1), new DeviceVector<float>(0, 6));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => loss.Forward(new(0, 2, 1), new(0, 2), default, state, one),
                Throws.ArgumentException.With.Message.EqualTo(
                    "similarity is (2, 1); its first columns are the anchors, so there must be at least as many columns as rows."));
            Assert.That(
                () => loss.Forward(new(0, 2, 3), new(0, 3), default, state, one),
                Throws.ArgumentException.With.Message.EqualTo("labels has 3 elements but similarity is (2, 3); there must be one label per row."));
            Assert.That(
                () => loss.Forward(new(0, 2, 3), new(0, 2), default, one, one),
                Throws.ArgumentException.With.Message.EqualTo("state has 1 elements but similarity is (2, 3); there must be 6."));
            Assert.That(
                () => loss.Backward(new(0, 2, 3), new(0, 2), default, state, default, new(0, 2, 3)),
                Throws.ArgumentException.With.Message.EqualTo("lossGradient has 0 elements; there must be 1."));
            Assert.That(
                () => loss.Backward(new(0, 2, 3), new(0, 2), default, state, one, new(0, 2, 4)),
                Throws.ArgumentException.With.Message.EqualTo("similarityGradient is (2, 4) but similarity is (2, 3); both must have the same shape."));
            Assert.That(() => new MaskedLoss(Device, (MaskedLossVariant)7), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void the_references_gradient_is_its_slope()
    {
        int[] labels = [0, 1, 0, 0, 2];
        double[] weights = [1, 0.5, 2];
        var similarity = GoldenInputs.Sequence(4, 5 * 7);
        var gradient = MaskedLossReference.Backward(similarity, 7, labels, weights);
        Assert.That(gradient, Is.EqualTo(Slopes.Of(at => MaskedLossReference.Forward(at, 7, labels, weights), similarity)).Within(Slopes.Error));
    }

    private void Check(MaskedLossVariant variant, Case shape, int threads = 32)
    {
        var (loss, gradient) = Run(variant, shape, threads);
        var similarity = shape.Similarity();
        var (rows, columns) = (shape.Labels.Length, shape.Columns);

        // A row's loss, its weight, and the sum over the rows with a division; the mean of the weighted row losses is the loss.
        var error = Tolerance.RowLoss(Tolerance.Single, columns, shape.Largest);
        var expected = MaskedLossReference.Forward(similarity, columns, shape.Labels, shape.RoundedWeights);
        var weight = rows == 0 ? 0 : shape.Labels.Average(shape.Weight);
        Tolerance.AssertWithin([loss], [expected], [1], (weight * error) + (expected * Tolerance.Sum(Tolerance.Single, rows + 3)));

        // The logarithm's error, that of the exponential, and a rounding each of difference, weight, upstream gradient, division, target and product.
        var gradientError = error + Tolerance.Exponential(Tolerance.Single, 2 * shape.Largest) + Tolerance.Sum(Tolerance.Single, 6);
        var slopes = MaskedLossReference.Backward(similarity, columns, shape.Labels, shape.RoundedWeights).Select(slope => Upstream * slope);
        Tolerance.AssertWithin(gradient, [.. slopes], shape.GradientScales(), gradientError);
    }

    private (float Loss, float[] Gradient) Run(MaskedLossVariant variant, Case shape, int threads)
    {
        var (rows, columns) = (shape.Labels.Length, shape.Columns);
        using var similarity = new MatrixBuffer(Device, rows, columns, shape.Similarity(), shape.Gap, shape.Offset);
        using var labels = new GuardedBuffer<int>(Device, shape.Labels, shape.Offset);
        using var weights = new GuardedBuffer<float>(Device, [.. shape.Weights.Select(weight => (float)weight)], shape.Offset);
        using var upstream = new GuardedBuffer<float>(Device, [(float)Upstream], shape.Offset);
        using var state = new GuardedBuffer<float>(Device, MaskedLoss.StateLength(rows), shape.Offset);
        using var loss = new GuardedBuffer<float>(Device, 1, shape.Offset);
        using var gradient = new MatrixBuffer(Device, rows, columns, null, shape.Gap + 1, shape.Offset);
        using var door = new MaskedLoss(Device, variant, threads);
        door.Forward(similarity.Matrix, labels.Vector, weights.Vector, state.Vector, loss.Vector);
        door.Backward(similarity.Matrix, labels.Vector, weights.Vector, state.Vector, upstream.Vector, gradient.Matrix);
        state.Read();
        return (loss.Read()[0], gradient.Read());
    }

    private sealed record Case(int[] Labels, int Outliers, double[] Weights)
    {
        public int Gap { get; init; }

        // Elements by which everything misses an alignment of 256 bytes.
        public int Offset { get; init; }

        public double Largest { get; init; } = 14;

        public int Columns => Labels.Length + Outliers;

        // What a float holds of them.
        public double[] RoundedWeights => Array.ConvertAll(Weights, weight => (double)(float)weight);

        public double Weight(int label) => Weights.Length == 0 ? 1 : RoundedWeights[label];

        // An anchor's similarity to itself is not to be read.
        public double[] Similarity() =>
            [.. GoldenInputs.Sequence(5, Labels.Length * Columns).Select((value, i) => i / Columns == i % Columns ? double.NaN : (float)(2 * Largest * value))];

        // w/M (p + target): the gradient is the difference of the two, so p is the gradient plus the target.
        public double[] GradientScales()
        {
            var scales = MaskedLossReference.Backward(Similarity(), Columns, Labels, RoundedWeights);
            for (var i = 0; i < scales.Length; i++)
            {
                var (row, column) = (i / Columns, i % Columns);
                var positives = Labels.Count(label => label == Labels[row]) - 1;
                var isPositive = column != row && column < Labels.Length && Labels[column] == Labels[row];
                scales[i] = Upstream * (Math.Abs(scales[i]) + (isPositive ? 2 * Weight(Labels[row]) / Labels.Length / positives : 0));
            }

            return scales;
        }
    }
}
