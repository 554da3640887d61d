using Pascl.Training.Devices;
using Pascl.Training.Losses;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using static TorchSharp.torch;
using Trainer = Pascl.Training.Trainer;

namespace Pascl.Tests.Training.Methods;

[TestFixture(ScalarType.Float64)]
[TestFixture(ScalarType.Float32)]
public sealed class TsclTests(ScalarType type)
{
    private static readonly double[,] Anchors = { { 1, 0 }, { 0, 1 }, { 0.6, 0.8 } };
    private static readonly double[,] Outliers = { { -1, 0 } };

    private readonly double tolerance = BaselineFixture.Tolerance(type);

    [Test]
    public void the_contrast_has_the_value_computed_by_hand()
    {
        // An image (1, 0) and the prototype (0.6, 0.8) of its class, and the prototype (0, 1) of a class without an image, at temperature 0.5; the outlier is (-1, 0).
        using var scope = NewDisposeScope();
        var loss = PrototypeContrast.Of(Of(Anchors), tensor([4L, 7L, 4L]), Of(Outliers), 0.5);
        var image = Math.Log(Math.Exp(0) + Math.Exp(1.2) + Math.Exp(-2)) - 1.2;
        var prototype = Math.Log(Math.Exp(1.2) + Math.Exp(1.6) + Math.Exp(-1.2)) - 1.2;
        Assert.That((double)loss, Is.EqualTo((image + prototype) / 3).Within(tolerance));
    }

    [Test]
    public void it_is_pascls_loss_where_the_anchors_are_two_views_of_images()
    {
        using var scope = NewDisposeScope();
        using var pascl = new PasclLoss([true, true], temperature: 0.1);
        var rows = nn.functional.normalize(Of(Gradients.Values(11, 6, seed: 1)));
        var loss = PrototypeContrast.Of(rows.narrow(0, 0, 8), tensor([0L, 1, 1, 0, 0, 1, 1, 0]), rows.narrow(0, 8, 3), 0.1);
        Assert.That((double)loss, Is.EqualTo((double)pascl.forward(rows, tensor([0L, 1, 1, 0]))).Within(20 * tolerance));
    }

    [Test]
    public void gradients_are_those_of_central_differences() => Gradients.Check(
        inputs => PrototypeContrast.Of(inputs[0], tensor([0L, 1, 0, 1, 2]), inputs[1], 0.5), Gradients.Values(5, 4, seed: 2), Gradients.Values(3, 4, seed: 3));

    [Test]
    public void prototypes_alone_lose_nothing()
    {
        using var scope = NewDisposeScope();
        var anchors = BaselineFixture.Tensor(Anchors, type, needsGradient: true);
        var loss = PrototypeContrast.Of(anchors, tensor([0L, 1, 2]), Of(Outliers), 0.1);
        loss.backward();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)loss, Is.Zero);
            Assert.That((double)anchors.grad!.abs().max(), Is.Zero);
        }
    }

    [Test]
    public void the_objective_is_the_weighted_sum_of_its_terms_and_contrasts_the_tail_of_both_views_with_its_prototypes()
    {
        using var scope = NewDisposeScope();
        long[] asked = [];
        var prototypes = nn.functional.normalize(Of(Gradients.Values(2, 4, seed: 4)));
        using var objective = new TsclObjective(new TsclRecipe(), [false, true, false, true], classes =>
        {
            asked = classes.data<long>().ToArray();
            return prototypes;
        });
        var (logits, projection) = (Of(Gradients.Values(8, 5, seed: 5)), nn.functional.normalize(Of(Gradients.Values(8, 4, seed: 6))));
        var terms = objective.Terms(BaselineFixture.Output(logits) with { Projection = projection }, BaselineFixture.Batch([0, 3, 2], outliers: 2, views: 2));
        var named = objective.Named([.. terms.InOrder().Select(term => (double)term)]);
        var anchors = cat([projection.index_select(0, tensor([1L, 4])), prototypes]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(asked, Is.EqualTo([1L, 3]));
            Assert.That(named["contrastive"], Is.EqualTo((double)PrototypeContrast.Of(anchors, tensor([3L, 3, 1, 3]), projection.narrow(0, 6, 2), 0.1)).Within(tolerance));
            Assert.That(named["outliers"], Is.EqualTo((double)(logits.logsumexp(1) - logits.select(1, 4)).narrow(0, 6, 2).mean()).Within(tolerance));
            Assert.That(named["total"], Is.EqualTo(named["in-distribution"] + named["outliers"] + (0.1 * named["contrastive"])).Within(tolerance));
        }
    }

    [Test]
    public void prototypes_are_the_projections_of_the_classifiers_rows_and_carry_gradients_into_both()
    {
        using var scope = NewDisposeScope();
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        var recipe = MethodDefinition.Change(TinyTraining.Recipe, Method.Tscl);
        using var model = Trainer.CreateModel(recipe, classCount: 10, device);
        var state = model.state_dict();
        var prototypes = model.ClassPrototypes(tensor([2L, 9]));
        var hidden = state["linear.weight"].index_select(0, tensor([2L, 9])).mm(state["projection.0.weight"].t()).add(state["projection.0.bias"]).relu();
        var expected = nn.functional.normalize(hidden.mm(state["projection.2.weight"].t()).add(state["projection.2.bias"]));
        prototypes.sum().backward();
        var gradients = model.named_parameters().Where(entry => entry.parameter.grad is not null).Select(entry => entry.name);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)(prototypes - expected).abs().max(), Is.LessThan(1e-6));
            Assert.That(gradients, Is.EquivalentTo(["linear.weight", "projection.0.weight", "projection.0.bias", "projection.2.weight", "projection.2.bias"]));
            Assert.That(model.Head.Columns, Is.EqualTo(11));
        }
    }

    [Test]
    public void the_score_is_the_probability_of_the_outlier_column_and_says_nothing_of_a_prior()
    {
        var readout = MethodDefinition.Find(Method.Tscl).Head(TinyTraining.Recipe, 3).Readout([]);
        float[] outputs = [2, 1, 0.5f, 1.2f];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(readout.Score(outputs, Branch.Main), Is.EqualTo(0.220223).Within(1e-6));
            Assert.That(readout.Meaning, Does.StartWith("Softmax probability of the outlier column").And.Not.Contain("prior"));
            Assert.That(readout.ScoreBranch, Is.EqualTo(Branch.Main));
        }
    }

    private Tensor Of(double[,] values) => BaselineFixture.Tensor(values, type);
}
