using Pascl.Training.Devices;
using Pascl.Training.Methods;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

[TestFixture(ScalarType.Float64)]
[TestFixture(ScalarType.Float32)]
public sealed class RnaTests(ScalarType type)
{
    private static readonly double[,] Projections = { { 1, 0 }, { 0, 3 } };
    private static readonly int[] Counts = [6, 3, 1];

    private readonly double tolerance = BaselineFixture.Tolerance(type);

    [Test]
    public void the_term_has_the_value_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        Assert.That((double)NormGain.Of(BaselineFixture.Tensor(Projections, type)), Is.EqualTo(-1.039721).Within(tolerance));
    }

    [Test]
    public void its_gradients_are_those_of_central_differences() =>
        Gradients.Check(inputs => NormGain.Of(inputs[0]), Gradients.Values(4, 5, seed: 1, scale: 3));

    [Test]
    public void a_projection_of_length_0_has_no_slope_and_no_nan()
    {
        using var scope = NewDisposeScope();
        var rows = BaselineFixture.Tensor(new double[,] { { 0, 0 }, { 3, 4 } }, type, needsGradient: true);
        NormGain.Of(rows).backward();
        Assert.That(rows.grad!.to(ScalarType.Float64).data<double>().ToArray(), Is.EqualTo(new[] { 0, 0, -0.05, -1 / 15.0 }).Within(tolerance));
    }

    [Test]
    public void the_objective_is_the_logit_adjusted_cross_entropy_and_the_term_and_outliers_have_gradients_of_exactly_0()
    {
        using var scope = NewDisposeScope();
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var objective = new RnaObjective(new RnaRecipe(), Counts, device);
        var logits = BaselineFixture.Tensor(BaselineFixture.Logits, type, needsGradient: true);
        var projection = BaselineFixture.Tensor(new double[,] { { 1, 0 }, { 0, 3 }, { 5, 0 }, { 0, 9 } }, type, needsGradient: true);
        var terms = objective.Terms(BaselineFixture.Output(logits) with { Projection = projection }, BaselineFixture.Batch([0, 1], outliers: 2));
        var named = objective.Named([.. terms.InOrder().Select(term => (double)term)]);
        terms.Total.backward();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named["in-distribution"], Is.EqualTo(0.353045).Within(tolerance));
            Assert.That(named["norm-gain"], Is.EqualTo(-1.039721).Within(tolerance));
            Assert.That(named["total"], Is.EqualTo(0.353045 - (0.5 * 1.039721)).Within(2 * tolerance));
            Assert.That((double)logits.grad!.narrow(0, 2, 2).abs().max(), Is.Zero);
            Assert.That((double)projection.grad!.narrow(0, 2, 2).abs().max(), Is.Zero);
            Assert.That((double)projection.grad!.narrow(0, 0, 2).abs().max(), Is.Positive);
        }
    }
}
