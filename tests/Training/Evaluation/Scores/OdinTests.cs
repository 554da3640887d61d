using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Evaluation.Scores;

public sealed class OdinTests
{
    private readonly DualBranchResNet model = new(ResNetDepth.ResNet18, classCount: 3, width: 2, seed: 8);

    private readonly ImageSet training = new("training", NoiseImages.Block(7), [0, 0, 0, 0, 1, 1, 2], ["a", "b", "c"]);

    [OneTimeTearDown]
    public void Free() => model.Dispose();

    [TestCase(2, 0, 0.421051)]
    [TestCase(2, 0.1, 0.439511)]
    [TestCase(1000, 0, 0.333500)]
    [TestCase(1000, 0.1, 0.333533)]
    public void the_step_raises_the_largest_probability_as_in_the_definition(double temperature, double epsilon, double expected)
    {
        using var scope = NewDisposeScope();
        var matrix = tensor(new double[] { 1, 0, 0, 1, -1, -1 }, [3, 2]);
        var image = tensor(new double[] { 0.5, -0.2 }, [1, 2]);
        var perturbed = InputPerturbation.Apply(x => x.matmul(matrix.t()), image, temperature, epsilon);
        var probabilities = nn.functional.softmax(perturbed.matmul(matrix.t()) / temperature, 1);
        Assert.Multiple(() =>
        {
            Assert.That(perturbed.data<double>().ToArray(), Is.EqualTo((double[])[0.5 + epsilon, -0.2 - epsilon]).Within(1e-12));
            Assert.That(probabilities.max().item<double>(), Is.EqualTo(expected).Within(1e-6));
        });
    }

    [Test]
    public void a_pixel_without_gradient_stays()
    {
        using var scope = NewDisposeScope();
        var perturbed = InputPerturbation.Apply(x => cat([x.narrow(1, 0, 1), zeros(1, 1)], 1), tensor(new float[] { 1, 5 }, [1, 2]), 1, 0.25);
        Assert.That(perturbed.data<float>().ToArray(), Is.EqualTo((float[])[1.25f, 5]));
    }

    [Test]
    public void each_image_has_the_score_that_it_has_alone([Values(1.0, 1000.0)] double temperature)
    {
        const double epsilon = 0.0014;
        var scores = Scores($"odin:temperature={temperature}");
        var expected = Enumerable.Range(0, training.Count).Select(image =>
        {
            using var scope = NewDisposeScope();
            using var batch = EvaluationBatches.Of(training.Select([image]), 1).Single();
            model.eval();
            var x = batch.Images.clone().requires_grad_(true);
            var z = model.forward(x, Branch.Main).Logits[0] / temperature;
            var loss = z.logsumexp(0) - z.max();
            loss.backward();
            var moved = (x.detach() - (epsilon * x.grad!.sign())).detach();
            var p = nn.functional.softmax((model.forward(moved, Branch.Main).Logits[0] / temperature).to(float64), 0);
            return 1 - p.max().item<double>();
        }).ToArray();
        Assert.That(scores, Is.EqualTo(expected).Within(1e-5));
        Assert.That(scores, Is.Not.EqualTo(Scores($"odin:temperature={temperature}:epsilon=0")).Within(1e-9));
    }

    [Test]
    public void the_prior_form_weighs_the_confidence_by_how_unlike_the_prior_the_prediction_is()
    {
        double[] prior = [4 / 7.0, 2 / 7.0, 1 / 7.0];
        var pass = FeaturePass.Of(model, training);
        var odin = Scores("odin:temperature=10:epsilon=0.01");
        var expected = odin.Select((score, i) =>
        {
            var exponentials = pass.Predictions.Main[i].ToArray().Select(z => Math.Exp(z)).ToArray();
            var p = exponentials.Select(e => e / exponentials.Sum()).ToArray();
            var cosine = p.Zip(prior, (a, b) => a * b).Sum() / Math.Sqrt(p.Sum(a => a * a) * prior.Sum(a => a * a));
            return -(1 - score) * (1 - cosine);
        });
        Assert.That(Scores("odin-prior:temperature=10:epsilon=0.01"), Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void the_model_is_left_as_it_was_and_the_result_repeats_bit_for_bit([Values] bool isTraining)
    {
        model.train(isTraining);
        var before = Weights();
        var (first, second) = (Scores("odin"), Scores("odin"));
        Assert.Multiple(() =>
        {
            Assert.That(model.training, Is.EqualTo(isTraining));
            Assert.That(second, Is.EqualTo(first));
            Assert.That(Weights(), Is.EqualTo(before));
        });
    }

    private float[] Weights() =>
        [.. model.state_dict().Values.Where(value => value.is_floating_point()).SelectMany(value => value.detach().data<float>().ToArray())];

    private double[] Scores(string score) =>
        ScoreSpec.Parse(score).Fit(new ScoreFitting(model, training)).Of(FeaturePass.Of(model, training));
}
