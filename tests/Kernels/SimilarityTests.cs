using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class SimilarityTests(string name)
{
    private const float Temperature = 0.07f;

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void products_and_gradients_are_those_of_the_reference(
        [Values] SimilarityVariant variant, [Values("64 64 16", "1 1 1", "2 3 127", "70 65 18", "8 132 4", "3 1 33")] string shape)
    {
        var sizes = shape.Split(' ').Select(int.Parse).ToArray();
        Check(variant, new(sizes[0], sizes[1], sizes[2], 0, 0));
    }

    [Test]
    public void rows_may_begin_anywhere([Values] SimilarityVariant variant, [Values("0 1", "4 0", "4 2", "1 0")] string layout)
    {
        var gapAndOffset = layout.Split(' ').Select(int.Parse).ToArray();
        Check(variant, new(5, 12, 8, gapAndOffset[0], gapAndOffset[1]));
    }

    [Test]
    public void ragged_shapes([Values] SimilarityVariant variant) =>
        Gen.Select(Gen.Int[1, 10], Gen.Int[1, 70], Gen.Int[1, 20], Gen.Int[0, 4], Gen.Int[0, 3])
            .Select((rows, columns, width, gap, offset) => new Case(rows, columns, width, gap, offset))
            .Sample(shape => Check(variant, shape), iter: Device.IsSimulator ? 10 : 50, threads: 1);

    [Test]
    public void without_anchors_the_contrasts_have_no_gradient([Values] SimilarityVariant variant)
    {
        using var contrasts = new MatrixBuffer(Device, 5, 3, GoldenInputs.Sequence(1, 15));
        using var gradient = new MatrixBuffer(Device, 5, 3);
        var none = new DeviceMatrix<float>(0, 0, 3);
        var similarity = new Similarity(Device, variant);
        similarity.Forward(none, contrasts.Matrix, Temperature, new DeviceMatrix<float>(0, 0, 5));
        similarity.Backward(new DeviceMatrix<float>(0, 0, 5), none, contrasts.Matrix, Temperature, none, gradient.Matrix);
        Assert.That(gradient.Read(), Is.All.Zero);
    }

    [Test]
    public void two_runs_agree_in_every_bit([Values] SimilarityVariant variant)
    {
        var first = Run(variant, new(9, 20, 40, 0, 0));
        Assert.That(Run(variant, new(9, 20, 40, 0, 0)), Is.EqualTo(first));
    }

    [Test]
    public void shapes_that_do_not_fit_are_refused()
    {
        var similarity = new Similarity(Device);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                () => similarity.Forward(Empty(4, 8), Empty(4, 9), 1, Empty(4, 4)),
                Throws.ArgumentException.With.Message.EqualTo("contrasts is (4, 9) but anchors is (4, 8); both must have the same width."));
            Assert.That(
                () => similarity.Forward(Empty(4, 8), Empty(5, 8), 1, Empty(5, 4)),
                Throws.ArgumentException.With.Message.EqualTo("similarity is (5, 4) but anchors is (4, 8) and contrasts is (5, 8); it must be (4, 5)."));
            Assert.That(
                () => similarity.Backward(Empty(4, 5), Empty(4, 8), Empty(5, 8), 1, Empty(4, 8), Empty(4, 8)),
                Throws.ArgumentException.With.Message.EqualTo("contrastsGradient is (4, 8) but contrasts is (5, 8); both must have the same shape."));
            Assert.That(
                () => similarity.Forward(Empty(4, 8), Empty(4, 8), float.NaN, Empty(4, 4)),
                Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("The temperature must be above 0."));
            Assert.That(() => new Similarity(Device, (SimilarityVariant)7), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void the_references_gradients_are_its_slopes()
    {
        const int Width = 3;
        var (anchors, contrasts, weights) = (GoldenInputs.Sequence(1, 2 * Width), GoldenInputs.Sequence(2, 4 * Width), GoldenInputs.Sequence(3, 8));
        var (anchorsGradient, contrastsGradient) = SimilarityReference.Backward(weights, anchors, contrasts, Width, 0.5);
        double Loss(double[] a, double[] b) => SimilarityReference.Forward(a, b, Width, 0.5).Zip(weights, (s, w) => s * w).Sum();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(anchorsGradient, Is.EqualTo(Slopes.Of(at => Loss(at, contrasts), anchors)).Within(Slopes.Error));
            Assert.That(contrastsGradient, Is.EqualTo(Slopes.Of(at => Loss(anchors, at), contrasts)).Within(Slopes.Error));
        }
    }

    private static DeviceMatrix<float> Empty(int rows, int columns) => new(0, rows, columns);

    private void Check(SimilarityVariant variant, Case shape)
    {
        var (anchors, contrasts, gradient) = shape.Inputs();
        var (actual, actualAnchors, actualContrasts) = Run(variant, shape);
        Tolerance.AssertWithin(
            actual,
            SimilarityReference.Forward(anchors, contrasts, shape.Width, Temperature),
            SimilarityReference.Forward(Magnitudes(anchors), Magnitudes(contrasts), shape.Width, Temperature),
            Error(shape.Width));
        var expected = SimilarityReference.Backward(gradient, anchors, contrasts, shape.Width, Temperature);
        var scales = SimilarityReference.Backward(Magnitudes(gradient), Magnitudes(anchors), Magnitudes(contrasts), shape.Width, Temperature);
        Tolerance.AssertWithin(actualAnchors, expected.Anchors, scales.Anchors, Error(shape.Columns));
        Tolerance.AssertWithin(actualContrasts, expected.Contrasts, scales.Contrasts, Error(shape.Rows));

        // A product and a sum per term, the reciprocal of the temperature and the multiplication by it.
        static double Error(int terms) => Tolerance.Sum(Tolerance.Single, terms + 3);
    }

    private (float[] Similarity, float[] Anchors, float[] Contrasts) Run(SimilarityVariant variant, Case shape)
    {
        var (rows, columns, width, gap, offset) = shape;
        var (anchors, contrasts, gradient) = shape.Inputs();
        using var left = new MatrixBuffer(Device, rows, width, anchors, gap, offset);
        using var right = new MatrixBuffer(Device, columns, width, contrasts, 0, offset);
        using var upstream = new MatrixBuffer(Device, rows, columns, gradient, gap, 0);
        using var output = new MatrixBuffer(Device, rows, columns, null, gap, offset);
        using var leftGradient = new MatrixBuffer(Device, rows, width, null, 0, offset);
        using var rightGradient = new MatrixBuffer(Device, columns, width, null, gap, 0);
        var similarity = new Similarity(Device, variant);
        similarity.Forward(left.Matrix, right.Matrix, Temperature, output.Matrix);
        similarity.Backward(upstream.Matrix, left.Matrix, right.Matrix, Temperature, leftGradient.Matrix, rightGradient.Matrix);
        return (output.Read(), leftGradient.Read(), rightGradient.Read());
    }

    private static double[] Magnitudes(double[] values) => Array.ConvertAll(values, Math.Abs);

    private sealed record Case(int Rows, int Columns, int Width, int Gap, int Offset)
    {
        public (double[] Anchors, double[] Contrasts, double[] Gradient) Inputs() =>
            (Values(1, Rows * Width), Values(2, Columns * Width), Values(3, Rows * Columns));

        // As floats have them, so that the reference sees the same numbers.
        private static double[] Values(uint seed, int count) => Array.ConvertAll(GoldenInputs.Sequence(seed, count), value => (double)(float)value);
    }
}
