using Pascl.Training.Data;
using Pascl.Training.Methods;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

[TestFixture(ScalarType.Float64)]
[TestFixture(ScalarType.Float32)]
public sealed class EnergyHingeTests(ScalarType type)
{
    private static readonly EnergyRecipe Margins = new() { InDistributionMargin = -3, OutlierMargin = -1, WarmUp = 0 };

    private static readonly double[] Shares = [0.7, 0.2, 0.1];
    private static readonly double[] Never = [1, 0, 0];

    private readonly double tolerance = BaselineFixture.Tolerance(type);

    [Test]
    public void the_hinges_of_the_fixture_have_the_values_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        var (inside, _) = EnergyHinge.InDistribution(BaselineFixture.InDistribution(type), margin: -3);
        var (outside, _) = EnergyHinge.Outliers(BaselineFixture.Outliers(type), margin: -1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)inside, Is.EqualTo(1.338302).Within(tolerance));
            Assert.That((double)outside, Is.EqualTo(0.523563).Within(tolerance));
        }
    }

    [TestCase(false, 0.581681)]
    [TestCase(true, 0.728732)]
    public void the_losses_of_the_fixture_have_the_values_computed_by_hand(bool isBalanced, double expected)
    {
        using var scope = NewDisposeScope();
        using var objective = new EnergyObjective(Margins, epochs: 1, isBalanced ? Balanced() : null);
        var terms = objective.Terms(BaselineFixture.Output(BaselineFixture.Tensor(BaselineFixture.Logits, type)), BaselineFixture.Batch([0, 1], outliers: 2));
        var named = objective.Named([.. terms.InOrder().Select(term => (double)term)]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named["total"], Is.EqualTo(expected).Within(tolerance));
            Assert.That(named["in-distribution"], Is.EqualTo(0.395495).Within(tolerance));
            Assert.That(named["outlier-hinge"], Is.EqualTo(isBalanced ? 1.994069 : 0.523563).Within(tolerance));
        }
    }

    [Test]
    public void the_active_shares_count_the_rows_that_a_hinge_still_moves()
    {
        using var scope = NewDisposeScope();

        // Energies are -2.24 and -1.55 in distribution, -1.55 and -1.86 for the outliers.
        var (_, inside) = EnergyHinge.InDistribution(BaselineFixture.InDistribution(type), margin: -2);
        var (_, outside) = EnergyHinge.Outliers(BaselineFixture.Outliers(type), margin: -1.7);
        var (none, noneActive) = EnergyHinge.Outliers(BaselineFixture.Outliers(type), margin: -5);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)inside, Is.EqualTo(0.5));
            Assert.That((double)outside, Is.EqualTo(0.5));
            Assert.That((double)none, Is.Zero);
            Assert.That((double)noneActive, Is.Zero);
        }
    }

    [TestCase(0, 0, 0.5, 0.02)]
    [TestCase(2, 4, 0.5, 0.1)]
    [TestCase(9, 4, 0.5, 0.1)]
    [TestCase(0, 0, 0.0, 0.1)]
    public void the_weight_rises_over_the_share_of_the_phase_that_the_warm_up_takes(int epoch, int step, double warmUp, double expected)
    {
        using var objective = new EnergyObjective(Margins with { WarmUp = warmUp }, epochs: 2);
        Assert.That(objective.Weight(new BatchPosition(epoch, step, StepsPerEpoch: 5)), Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void the_balanced_hinge_of_one_outlier_is_its_own_hinge()
    {
        using var scope = NewDisposeScope();
        using var hinge = Balanced();
        Assert.That((double)hinge.Terms(BaselineFixture.Outliers(type).narrow(0, 1, 1)).Loss, Is.EqualTo(2.563570).Within(tolerance));
    }

    [Test]
    public void a_class_without_share_in_the_prior_is_no_problem()
    {
        using var scope = NewDisposeScope();
        using var hinge = new BalancedOutlierHinge(tensor(Never), 0.75, 0.75, margin: -1, slope: 2, detaches: false);
        Assert.That((double)hinge.Terms(BaselineFixture.Outliers(type)).Loss, Is.Positive.And.Not.NaN);
    }

    [Test]
    public void gradients_are_those_of_central_differences()
    {
        using var hinge = Balanced();
        Gradients.Check(inputs => EnergyHinge.InDistribution(inputs[0], -3).Loss + EnergyHinge.Outliers(inputs[0], -1).Loss, BaselineFixture.Logits);
        Gradients.Check(inputs => hinge.Terms(inputs[0]).Loss, BaselineFixture.Logits);
    }

    [Test]
    public void a_detached_prior_changes_the_gradient_and_not_the_loss()
    {
        using var scope = NewDisposeScope();
        using var through = Balanced();
        using var detached = Balanced(detaches: true);
        var (first, second) = (BaselineFixture.Tensor(BaselineFixture.Logits, type, true), BaselineFixture.Tensor(BaselineFixture.Logits, type, true));
        var (loss, same) = (through.Terms(first).Loss, detached.Terms(second).Loss);
        loss.backward();
        same.backward();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)same, Is.EqualTo((double)loss).Within(tolerance));
            Assert.That((double)(first.grad! - second.grad!).abs().max(), Is.GreaterThan(0.01));
        }
    }

    private static BalancedOutlierHinge Balanced(bool detaches = false) =>
        new(tensor(Shares), marginExponent: 0.5, weightExponent: 0.5, margin: -1, slope: 2, detaches);
}
