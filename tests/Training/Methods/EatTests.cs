using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

[TestFixture(ScalarType.Float64)]
[TestFixture(ScalarType.Float32)]
public sealed class EatTests(ScalarType type)
{
    // Three classes and two abstention columns; two heads side by side.
    private static readonly double[,] First = { { 1, 0, -1, 0.5, 0.2 } };
    private static readonly double[,] Both = { { 1, 0, -1, 0.5, 0.2, 0, 2, 0, -1, 1 } };

    private static readonly double[] MeanProbabilities = [0.235463, 0.368027, 0.066522];

    private readonly double tolerance = BaselineFixture.Tolerance(type);

    [Test]
    public void the_virtual_label_is_the_highest_abstention_column_of_the_head()
    {
        using var scope = NewDisposeScope();
        Assert.That((double)new AbstentionHeads(1, 3).Virtual(BaselineFixture.Tensor(First, type)), Is.EqualTo(1.439646).Within(tolerance));
    }

    [Test]
    public void heads_choose_their_virtual_labels_by_themselves_and_their_losses_are_added()
    {
        using var scope = NewDisposeScope();
        var both = BaselineFixture.Tensor(Both, type);
        var second = both.narrow(1, 5, 5);
        var expected = 1.439646 + (double)(second.logsumexp(1) - 1).sum();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)new AbstentionHeads(2, 3).Virtual(both), Is.EqualTo(expected).Within(tolerance));
            Assert.That(
                (double)new AbstentionHeads(2, 3).Labelled(both, tensor([1L])),
                Is.EqualTo((double)(both.narrow(1, 0, 5).logsumexp(1) - 0 + second.logsumexp(1) - 2).sum()).Within(tolerance));
        }
    }

    [Test]
    public void score_and_class_are_the_means_over_the_heads()
    {
        var outputs = Array.ConvertAll(Both.Cast<double>().ToArray(), value => (float)value);
        var logits = new float[3];
        var readout = new AbstentionReadout(2, 3);
        readout.ClassLogits(outputs, Branch.Auxiliary, logits);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(readout.Score(outputs, Branch.Auxiliary), Is.EqualTo(0.329989).Within(1e-6));
            Assert.That(new AbstentionReadout(1, 3).Score(outputs.AsSpan(0, 5), Branch.Auxiliary), Is.EqualTo(0.412594).Within(1e-6));
            Assert.That(new AbstentionReadout(1, 3).Score(outputs.AsSpan(5, 5), Branch.Auxiliary), Is.EqualTo(0.247383).Within(1e-6));
            Assert.That(logits.Select(logit => Math.Exp(logit)), Is.EqualTo(MeanProbabilities).Within(1e-6));
            Assert.That(new Logits(logits, 3).Classes().Single(), Is.EqualTo(1));
        }
    }

    [Test]
    public void outputs_far_apart_have_a_finite_reading()
    {
        var logits = new float[2];
        new AbstentionReadout(1, 2).ClassLogits([5000, -5000, 0], Branch.Main, logits);
        Assert.That(logits, Is.EqualTo(new[] { 0f, -10000f }));
    }

    [TestCase(10.0, 4.879062)]
    [TestCase(0.0, 3.979479)]
    public void the_second_phase_adjusts_by_the_prior_with_or_without_the_abstention_columns(double count, double expected)
    {
        var recipe = TinyTraining.Recipe with
        {
            Method = Method.Eat,
            Baselines = new BaselinesRecipe { Eat = new EatRecipe { Heads = 1, AbstentionColumns = 2, AbstentionCount = count } },
        };
        using var scope = NewDisposeScope();
        using var objective = new EatSecondObjective(new AbstentionHeads(1, 3), EatMethod.Adjustment(recipe, [6, 3, 1]), CPU);
        var terms = objective.Terms(BaselineFixture.Output(BaselineFixture.Tensor(First, type)), BaselineFixture.Batch([2], outliers: 0));
        Assert.That((double)terms.Total, Is.EqualTo(expected).Within(tolerance));
    }

    [Test]
    public void gradients_are_those_of_central_differences()
    {
        var heads = new AbstentionHeads(2, 3);
        Gradients.Check(inputs => heads.Labelled(inputs[0], tensor([0L, 2L, 1L])), Gradients.Values(3, 10, seed: 1));
        Gradients.Check(inputs => heads.Virtual(inputs[0]), Gradients.Values(3, 10, seed: 2));
        Gradients.Check(inputs => heads.Adjusted(inputs[0], tensor([0L, 2L, 1L]), tensor(new[] { -0.5, -1, -2 })), Gradients.Values(3, 10, seed: 3));
    }

    [Test]
    public void the_objective_is_the_weighted_sum_of_its_terms()
    {
        using var scope = NewDisposeScope();
        var settings = new EatRecipe { Heads = 2, AbstentionColumns = 2, MixedWeight = 0.3, OutlierWeight = 0.2 };
        using var objective = new EatObjective(settings, new AbstentionHeads(2, 3), new([], [], seed: 0));
        var batch = BaselineFixture.Batch([0, 2], outliers: 3, views: 2) with { MixedLabels = tensor([2L, 2L]) };
        var outputs = BaselineFixture.Tensor(Gradients.Values(9, 10, seed: 4), type);
        var named = objective.Named([.. objective.Terms(
            BaselineFixture.Output(outputs), batch with { Images = empty(9, 3, 1, 1) }).InOrder().Select(term => (double)term)]);
        var heads = new AbstentionHeads(2, 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named["mixed"], Is.EqualTo((double)heads.Labelled(outputs.narrow(0, 7, 2), tensor([2L, 2L]))).Within(tolerance));
            Assert.That(named["outliers"], Is.EqualTo((double)heads.Virtual(outputs.narrow(0, 4, 3))).Within(tolerance));
            Assert.That(named["total"], Is.EqualTo(
                named["in-distribution"] + (0.3 * named["mixed"]) + (0.2 * named["outliers"])).Within(2 * tolerance));
        }
    }
}
