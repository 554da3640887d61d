using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

[TestFixture(ScalarType.Float64)]
[TestFixture(ScalarType.Float32)]
public sealed class CoclTests(ScalarType type)
{
    private static readonly double[,] Prototypes = { { 1, 0, 0, 1 }, { 0, 1, 1, 0 } };
    private static readonly double[,] Outliers = { { 0, 0 }, { 3, 4 }, { 0, 1 } };
    private static readonly double[,] Drawn = { { 1, 0 }, { 0, 0 }, { 0, 3 } };

    private readonly double tolerance = BaselineFixture.Tolerance(type);

    [Test]
    public void the_tail_loss_has_the_value_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        var loss = PrototypeLoss.Of(Of(new double[,] { { 3, 4, 0, 2 } }), tensor([0L]), Of(Prototypes), Of(new double[,] { { -1, 0, 0, 1 } }), 0.5);
        Assert.That((double)loss, Is.EqualTo(0.256667).Within(tolerance));
    }

    [Test]
    public void the_head_loss_has_the_value_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        Assert.That((double)OutlierTripletLoss.Of(Of(Outliers), Of(Drawn), margin: 1), Is.EqualTo(3.080880).Within(tolerance));
    }

    [TestCase(1, 0.080618, 2)]
    [TestCase(0, 0.220223, 0)]
    public void calibration_has_the_values_computed_by_hand(double tau, double score, int label)
    {
        var readout = new OutlierColumnReadout([.. BaselineFixture.Prior.Select(share => tau * Math.Log(share))], calibratesAuxiliary: false);
        float[] outputs = [2, 1, 0.5f, 1.2f];
        var (main, auxiliary) = (new float[3], new float[3]);
        readout.ClassLogits(outputs, Branch.Main, main);
        readout.ClassLogits(outputs, Branch.Auxiliary, auxiliary);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(readout.Score(outputs, Branch.Main), Is.EqualTo(score).Within(1e-6));
            Assert.That(new Logits(main, 3).Classes(), Is.EqualTo(new[] { label }));
            Assert.That(auxiliary, Is.EqualTo(outputs[..3]), "a branch that was finetuned with logit adjustment");
            Assert.That(readout.Score(outputs, Branch.Auxiliary), Is.EqualTo(0.220223).Within(1e-6));
        }
    }

    [Test]
    public void gradients_are_those_of_central_differences()
    {
        Gradients.Check(
            inputs => PrototypeLoss.Of(inputs[0], tensor([1L, 0L, 1L]), inputs[1], inputs[2], 0.5),
            Gradients.Values(3, 4, seed: 1), Gradients.Values(2, 4, seed: 2), Gradients.Values(5, 4, seed: 3));
        Gradients.Check(inputs => OutlierTripletLoss.Of(inputs[0], inputs[1], 1), Gradients.Values(4, 6, seed: 4), Gradients.Values(4, 6, seed: 5));
    }

    [Test]
    public void one_outlier_is_its_own_farthest_and_is_still_pushed_away()
    {
        using var scope = NewDisposeScope();
        var outlier = BaselineFixture.Tensor(new double[,] { { 0.3, 0.4 } }, type, needsGradient: true);
        var loss = OutlierTripletLoss.Of(outlier, Of(new double[,] { { 0, 0 } }), margin: 1);
        loss.backward();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)loss, Is.EqualTo(0.5).Within(tolerance));
            Assert.That(outlier.grad!.to(ScalarType.Float64).data<double>().ToArray(), Is.EqualTo(new[] { -0.6, -0.8 }).Within(tolerance));
        }
    }

    [Test]
    public void the_objective_is_the_weighted_sum_of_its_terms()
    {
        using var scope = NewDisposeScope();
        using var objective = Objective(out _);
        var (logits, features) = (Of(Gradients.Values(7, 5, seed: 6)), Of(Gradients.Values(7, 4, seed: 7)));
        var terms = objective.Terms(BaselineFixture.Output(logits, features), BaselineFixture.Batch([0, 3, 1, 2], outliers: 3));
        var named = objective.Named([.. terms.InOrder().Select(term => (double)term)]);
        var outliers = (logits.logsumexp(1) - logits.select(1, 4)).narrow(0, 4, 3).mean();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named["outliers"], Is.EqualTo((double)outliers).Within(tolerance));
            Assert.That(named["tail"], Is.Positive);
            Assert.That(named["head"], Is.Positive);
            Assert.That(named["total"], Is.EqualTo(
                named["in-distribution"] + (0.05 * named["outliers"]) + (0.05 * named["tail"]) + (0.1 * named["head"])).Within(tolerance));
        }
    }

    [TestCase(new[] { 0, 0, 1 }, "tail")]
    [TestCase(new[] { 3, 2, 2 }, "head")]
    public void a_batch_without_such_images_has_the_term_0_and_gradients_everywhere(int[] classes, string missing)
    {
        using var scope = NewDisposeScope();
        using var objective = Objective(out var prototypes);
        var logits = BaselineFixture.Tensor(Gradients.Values(4, 5, seed: 8), type, needsGradient: true);
        var features = BaselineFixture.Tensor(Gradients.Values(4, 4, seed: 9), type, needsGradient: true);
        var terms = objective.Terms(BaselineFixture.Output(logits, features), BaselineFixture.Batch(classes, outliers: 1));
        terms.Total.backward();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(objective.Named([.. terms.InOrder().Select(term => (double)term)])[missing], Is.Zero);
            Assert.That(features.grad, Is.Not.Null);
            Assert.That(prototypes.grad, Is.Not.Null);
            Assert.That((double)prototypes.grad!.abs().max(), missing == "tail" ? Is.Zero : Is.Positive);
        }
    }

    [Test]
    public void the_images_that_outliers_are_kept_from_are_those_of_the_head()
    {
        using var scope = NewDisposeScope();
        using var objective = Objective(out _);

        // Head images lie 0.25 from the outliers, which are all alike, and tail images 9: relu(0 - 0.25 + 1).
        int[] classes = [0, 2, 1, 3, 3, 2];
        var features = zeros(9, 4, dtype: type);
        foreach (var (row, label) in classes.Index())
        {
            features[row, 0] = label < 2 ? 0.25 : 9;
        }

        var terms = objective.Terms(BaselineFixture.Output(Of(Gradients.Values(9, 5, seed: 13)), features), BaselineFixture.Batch(classes, outliers: 3));
        Assert.That((double)terms.Further![1], Is.EqualTo(0.75).Within(1e-5));
    }

    [Test]
    public void head_images_are_drawn_anew_in_every_step_and_alike_in_a_repeated_one()
    {
        using var scope = NewDisposeScope();
        using var objective = Objective(out _);
        var (logits, features) = (Of(Gradients.Values(44, 5, seed: 10)), Of(Gradients.Values(44, 4, seed: 11)));
        int[] classes = [.. Enumerable.Range(0, 40).Select(row => row % 4)];
        double Head(int step) => (double)objective.Terms(
            BaselineFixture.Output(logits, features), BaselineFixture.Batch(classes, outliers: 4, position: new BatchPosition(1, step, 9))).Further![1];
        double[] first = [.. Enumerable.Range(0, 5).Select(Head)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(first.Distinct().Count(), Is.EqualTo(first.Length));
            Assert.That(Enumerable.Range(0, 5).Select(Head), Is.EqualTo(first));
        }
    }

    [TestCase(TailRule.FewestImages, 0, "23")]
    [TestCase(TailRule.FewestImages, 1, "123")]
    [TestCase(TailRule.HighestIndex, 0, "01")]
    public void the_head_are_the_classes_with_the_most_images_and_one_more_on_request(TailRule rule, int further, string expected) =>
        Assert.That(string.Concat(HeadClasses.Flags([5, 50, 500, 5000, 1], 0.4, rule, further).Index().Where(flag => flag.Item).Select(flag => flag.Index)), Is.EqualTo(expected));

    // Four classes: 0 and 1 are the head, 2 and 3 the tail.
    private CoclObjective Objective(out Parameter prototypes)
    {
        prototypes = new Parameter(Of(Gradients.Values(2, 4, seed: 12)));
        return new CoclObjective(new CoclRecipe(), prototypes, [false, false, true, true], [true, true, false, false], seed: 1);
    }

    private Tensor Of(double[,] values) => BaselineFixture.Tensor(values, type);
}
