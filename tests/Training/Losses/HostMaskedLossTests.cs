using System.Runtime.InteropServices;
using CsCheck;
using Pascl.Kernels;
using Pascl.Tests.Kernels;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Losses;

public sealed class HostMaskedLossTests
{
    private const double Temperature = 0.5;
    private static readonly double[] Weights = [1, 0.25, 3];

    [Test]
    public void losses_and_slopes_are_those_of_the_reference_at_any_shape() =>
        Gen.Select(Gen.Int[0, 2].Array[0, 40], Gen.Int[0, 40], Gen.Int).Sample(
            (classes, outliers, seed) =>
            {
                var random = new Random(seed);
                Check([.. Enumerable.Range(0, classes.Length * (classes.Length + outliers)).Select(_ => (2 * random.NextDouble()) - 1)], classes);
            },
            iter: 300,
            threads: 1);

    [Test]
    public void many_rows_on_several_threads_are_those_of_the_reference()
    {
        var random = new Random(1);
        int[] classes = [.. Enumerable.Range(0, 250).Select(anchor => anchor % 3)];
        Check([.. Enumerable.Range(0, 250 * 300).Select(_ => (2 * random.NextDouble()) - 1)], classes);
    }

    [TestCase(1e30)]
    [TestCase(-1e30)]
    public void enormous_similarities_stay_finite(double shift)
    {
        using var scope = NewDisposeScope();
        var slopes = tensor(new[] { 0, shift, 0, shift, 0, 0 }).reshape(2, 3);
        var loss = new HostMaskedLoss(Weights, Temperature).Replace(slopes, [1, 1]);
        Assert.Multiple(() =>
        {
            Assert.That(loss, Is.Not.NaN);
            Assert.That(slopes.isfinite().all().item<bool>());
        });
    }

    [Test]
    public void another_type_or_layout_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var loss = new HostMaskedLoss(Weights, Temperature);
        Assert.Multiple(() =>
        {
            Assert.That(() => loss.Replace(ones(1, 2, ScalarType.Int32), [1]), Throws.ArgumentException.With.Message.Contains("products is a Int32 tensor"));
            Assert.That(() => loss.Replace(ones(2, 2).t(), [1, 1]), Throws.ArgumentException.With.Message.Contains("contiguous"));
        });
    }

    private static void Check(double[] products, int[] classes)
    {
        using var scope = NewDisposeScope();
        var columns = classes.Length == 0 ? 1 : products.Length / classes.Length;
        double[] similarity = [.. products.Select(product => product / Temperature)];
        var expected = MaskedLossReference.Forward(similarity, columns, classes, Weights);
        double[] slopes = [.. MaskedLossReference.Backward(similarity, columns, classes, Weights).Select(slope => slope / Temperature)];
        foreach (var type in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            var matrix = tensor(products).reshape(classes.Length, columns).to(type);
            var loss = new HostMaskedLoss(Weights, Temperature).Replace(matrix, classes);

            // Exponents are at most 1 / temperature in size.
            var unit = type == ScalarType.Float64 ? Tolerance.Double : Tolerance.Single;
            var allowed = Tolerance.RowLoss(unit, columns, 1 / Temperature) * Weights.Max();
            Assert.That(loss, Is.EqualTo(expected).Within(allowed));
            Assert.That(MemoryMarshal.Cast<byte, double>(matrix.to(ScalarType.Float64).bytes).ToArray(), Is.EqualTo(slopes).Within(allowed / Temperature));
        }
    }
}
