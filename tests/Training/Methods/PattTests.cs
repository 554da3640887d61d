using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

public sealed class PattTests
{
    private static readonly double[] expectedLogits = [1.252648, 0.097068];
    private static readonly double[] expectedKappas = [2.666667, 18.947368];
    private static readonly double[] expectedScale = [2, 0];
    private static readonly int[] twoCounts = [9, 1];
    private static readonly double[] startingLengths = [0.9, 0.9];

    [TestCase(0.5, 2.0, 0.716003, 1e-6)]
    [TestCase(255, 300, 193.159918, 1e-6)]
    [TestCase(255, 2425.263158, 2407.051221, 1e-5)]
    public void the_logarithm_of_the_bessel_function_has_the_known_values(double order, double x, double expected, double error)
    {
        using var scope = NewDisposeScope();
        Assert.That(LogBessel.Of(order, tensor(x)).item<double>() + (order * Math.Log(x)), Is.EqualTo(expected).Within(error));
    }

    [Test]
    public void the_ratio_of_two_orders_has_the_known_value()
    {
        using var scope = NewDisposeScope();
        Assert.That(LogBessel.ValueAndRatio(255, tensor(300.0)).Ratio.item<double>(), Is.EqualTo(0.461474).Within(1e-6));
    }

    // I_nu(x) = sum_k (x / 2)^(2k + nu) / (k! Gamma(k + nu + 1)), whose terms are positive.
    [Test]
    public void it_is_the_power_series(
        [Values(0, 0.5, 1, 7, 29, 30, 31, 255)] double order, [Values(1e-9, 0.01, 1, 10, 100)] double x)
    {
        using var scope = NewDisposeScope();
        var (logarithm, next) = (Series(order, x), Series(order + 1, x));
        var (value, ratio) = LogBessel.ValueAndRatio(order, tensor(x));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(value.item<double>(), Is.EqualTo(logarithm).Within(1e-10 * Math.Max(1, Math.Abs(logarithm))));
            Assert.That(ratio.item<double>(), Is.EqualTo(x * Math.Exp(next - logarithm)).Within(1e-6), "below 1e-6 the slope of 1e-6");
        }
    }

    [Test]
    public void large_arguments_have_the_limit_of_the_function()
    {
        // I_1/2(x) = sqrt(2 / (pi x)) sinh x.
        using var scope = NewDisposeScope();
        const double X = 1e5;
        Assert.That(
            LogBessel.Of(0.5, tensor(X)).item<double>(), Is.EqualTo(X - Math.Log(2) + (0.5 * Math.Log(2 / Math.PI)) - Math.Log(X)).Within(1e-9 * X));
    }

    [Test]
    public void the_logits_of_classes_have_the_values_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        var directions = Directions(0.5, out _, out _);
        var features = tensor(new double[,] { { 1, 0, 0, 0 } }).requires_grad_();
        var logits = directions.Logits(directions.Prepared(features));
        var loss = nn.functional.cross_entropy(logits + tensor(new[] { Math.Log(0.9), Math.Log(0.1) }), tensor([0L]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(directions.Concentrated().Kappa.data<double>().ToArray(), Is.EqualTo(expectedKappas).Within(1e-6));
            Assert.That(logits.data<double>().ToArray(), Is.EqualTo(expectedLogits).Within(1e-6));
            Assert.That(loss.item<double>(), Is.EqualTo(0.034388).Within(1e-6));
            Assert.That(LogBessel.ValueAndRatio(1, tensor(4.666667)).Ratio.item<double>(), Is.EqualTo(0.701331).Within(1e-6));
        }
    }

    [Test]
    public void gradients_are_those_of_central_differences([Values] bool normalises)
    {
        using var means = tensor(Gradients.Values(3, 6, seed: 1, scale: 0.3));
        using var counts = ones(3, ScalarType.Float64);
        var directions = new ClassDirections(means, counts, 0.5, normalises);
        Gradients.Check(
            inputs => nn.functional.cross_entropy(directions.Logits(directions.Prepared(inputs[0])), tensor([0L, 2, 1, 1])), Gradients.Values(4, 6, seed: 2));
    }

    [Test]
    public void the_means_are_of_all_features_alike_and_the_first_replaces_what_was_there()
    {
        using var scope = NewDisposeScope();
        var directions = Directions(0.5, out var means, out var counts, seen: 2);
        directions.Follow(tensor(new double[,] { { 0, 1, 0, 0 }, { 0, 0, 1, 0 } }), [1, 0]);
        directions.Follow(tensor(new double[,] { { 0, 0, 1, 0 }, { 1, 0, 0, 0 } }), [0, 0]);
        using (Assert.EnterMultipleScope())
        {
            // Class 0: (2 (0.5, 0, 0, 0) + (0, 0, 1, 0) + (0, 0, 1, 0) + (1, 0, 0, 0)) / 5. Class 1 was not seen before.
            Assert.That(means.data<double>().ToArray(), Is.EqualTo(new[] { 0.4, 0, 0.4, 0, 0, 1, 0, 0 }).Within(1e-12));
            Assert.That(counts.data<double>().ToArray(), Is.EqualTo(new[] { 5.0, 1 }));
            Assert.That(directions.Concentrated().Kappa[1].item<double>(), Is.EqualTo(1e5), "the mean of one unit vector has the length 1");
            Assert.That(directions.Logits(eye(4, dtype: ScalarType.Float64)).isfinite().all().item<bool>());
        }
    }

    [Test]
    public void the_objective_is_the_weighted_sum_of_its_terms_over_its_views()
    {
        using var scope = NewDisposeScope();
        var directions = Directions(0.1, out _, out _);
        using var objective = new PattObjective(new PattRecipe(), twoCounts, directions, CPU);
        var (logits, features) = (tensor(Gradients.Values(8, 2, seed: 3)), tensor(Gradients.Values(8, 4, seed: 4)));
        var terms = objective.Terms(BaselineFixture.Output(logits, features), BaselineFixture.Batch([0, 1], outliers: 2, views: 3));
        var named = objective.Named([.. terms.InOrder().Select(term => (double)term)]);
        var prior = tensor(new[] { Math.Log(0.9), Math.Log(0.1) });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(named["in-distribution"], Is.EqualTo((double)nn.functional.cross_entropy((logits.narrow(0, 0, 2) / 0.9) + prior, tensor([0L, 1]))).Within(1e-12), "the first view alone");
            Assert.That(named["outliers"], Is.EqualTo((double)(logits.logsumexp(1) - logits.mean([1])).narrow(0, 6, 2).mean()).Within(1e-12));
            Assert.That(named["total"], Is.EqualTo(named["contrastive"] + (0.5 * named["in-distribution"]) + (0.1 * named["outliers"])).Within(1e-12));
        }
    }

    [Test]
    public void the_cross_entropy_of_the_fixture_has_the_value_computed_by_hand()
    {
        using var scope = NewDisposeScope();
        using var objective = new PattObjective(new PattRecipe(), [6, 3, 1], new ClassDirections(zeros(3, 3, ScalarType.Float64), zeros(3, ScalarType.Float64), 0.1, true), CPU);
        var images = BaselineFixture.InDistribution(ScalarType.Float64);
        var logits = cat([images, images, images, BaselineFixture.Outliers(ScalarType.Float64)]);
        var terms = objective.Terms(BaselineFixture.Output(logits), BaselineFixture.Batch([0, 1], outliers: 2, views: 3));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((double)terms.InDistribution, Is.EqualTo(0.319835).Within(1e-6));
            Assert.That((double)terms.Outliers!, Is.EqualTo(1.206720).Within(1e-6));
        }
    }

    [Test]
    public void the_calibration_has_the_values_computed_by_hand()
    {
        // d = C = 2, W = ((1, 0), (1, 2)), pi = (0.8, 0.2); images (1, 2) of class 0 and (2, 1) of class 1; an outlier (1, 1), which is taken for class 1.
        double[] inside = [0.5, 1, 1, 0.5];
        double[] outside = [0, 0, 1, 1];
        var scale = FeatureCalibration.Scale(inside, outside, [1, 0, 1, 2], [0.8, 0.2]);
        double[] scaled = [3 * scale[0], 4 * scale[1]];
        float[] calibrated = [(float)scaled[0], (float)(scaled[0] + (2 * scaled[1]))]; // W f
        using (Assert.EnterMultipleScope())
        {
            Assert.That(scale, Is.EqualTo(expectedScale));
            Assert.That(calibrated, Is.All.EqualTo(6));
            Assert.That(Softmax.Energy(calibrated, 1), Is.EqualTo(-6.693147).Within(1e-6));
            Assert.That(FeatureCalibration.Scale(inside, inside, [1, 0, 1, 2], [0.8, 0.2]), Is.All.EqualTo(1), "nothing tells the entries apart");
        }
    }

    [Test]
    public void a_run_ends_with_the_calibrated_classifier_and_calibrates_it_once()
    {
        using var parent = new TemporaryFolder();
        var recipe = MethodDefinition.Change(TinyTraining.Recipe, Method.Patt);
        recipe = recipe with { Representation = recipe.Representation with { Epochs = 1 } };
        using var plain = TinyTraining.Run(recipe with { Baselines = recipe.Baselines with { Patt = new PattRecipe { Calibration = false } } }, parent, "plain");
        using var run = TinyTraining.Run(recipe, parent, "run");
        var before = TinyTraining.Tensors(run);
        TinyTraining.Resume(run);
        using var scope = NewDisposeScope();
        using var first = Pascl.Training.Run.Open(plain.Root);
        using var second = Pascl.Training.Run.Open(run.Root);
        var scale = FeatureCalibration.Scale(first.Network, TinyTraining.Few.Training, TinyTraining.Few.Outliers!);
        var expected = first.Network.state_dict()["linear.weight"] * tensor(scale);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((scale.Min(), scale.Max()), Is.EqualTo((0.0, 2.0)));
            Assert.That(second.Network.Method!.FeatureScale!.data<double>().ToArray(), Is.EqualTo(scale).Within(1e-12));
            Assert.That((double)(second.Network.state_dict()["linear.weight"] - expected).abs().max(), Is.LessThan(1e-6));
            Assert.That(TinyTraining.Tensors(run), Is.EqualTo(before), "a finished run that is resumed");
            Assert.That(Predictions.Of(second.Network, TinyTraining.Few.Test).Readout.ScoreName, Is.EqualTo("energy"));
        }
    }

    [Test]
    public void classes_begin_with_directions_of_the_seed_and_the_length_of_the_release()
    {
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        double[] Lengths(int seed, out double[] values)
        {
            var recipe = MethodDefinition.Change(TinyTraining.Recipe, Method.Patt) with { Seed = seed };
            using var scope = NewDisposeScope();
            using var model = Trainer.CreateModel(recipe, classCount: 2, device);
            MethodDefinition.Find(Method.Patt).Begin(recipe, model, TinyTraining.Few);
            values = model.Method!.FeatureMeans!.data<double>().ToArray();
            return model.Method!.FeatureMeans!.norm(1).data<double>().ToArray();
        }

        var lengths = Lengths(0, out var first);
        _ = Lengths(0, out var again);
        _ = Lengths(1, out var other);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(lengths, Is.EqualTo(startingLengths).Within(1e-12));
            Assert.That(again, Is.EqualTo(first));
            Assert.That(other, Is.Not.EqualTo(first));
        }
    }

    private static double Series(double order, double x)
    {
        var x0 = Math.Max(x, 1e-6);
        double[] logs = [.. Enumerable.Range(0, 400).Select(k => (2 * k * Math.Log(x0 / 2)) - LogGamma(k + 1) - LogGamma(k + order + 1))];
        var top = logs.Max();
        return top + Math.Log(logs.Sum(value => Math.Exp(value - top))) - (order * Math.Log(2));
    }

    private static double LogGamma(double x)
    {
        using var scope = NewDisposeScope();
        return lgamma(tensor(x)).item<double>();
    }

    // d = 4: the means (0.5, 0, 0, 0) and (0, 0.9, 0, 0).
    private static ClassDirections Directions(double temperature, out Tensor means, out Tensor counts, double seen = 1)
    {
        means = tensor(new double[,] { { 0.5, 0, 0, 0 }, { 0, 0.9, 0, 0 } });
        counts = tensor(new[] { seen, 0 });
        return new ClassDirections(means, counts, temperature, normalises: true);
    }
}
