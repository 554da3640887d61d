using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Tests.Training.Evaluation;

public sealed class PredictionsTests
{
    private readonly DualBranchResNet model = new(ResNetDepth.ResNet18, classCount: 3, width: 2);
    private readonly ImageSet images = NoiseImages.Set(count: 7);

    [OneTimeSetUp]
    public void GiveTheBranchesDifferentClassifiers()
    {
        using var frozen = torch.no_grad();
        model.named_parameters().Single(p => p.name == "auxiliary_linear.bias").parameter.copy_(torch.tensor(new float[] { 1, 2, 3 }));
    }

    [OneTimeTearDown]
    public void Free() => model.Dispose();

    [Test]
    public void rows_are_the_model_s_logits_for_the_bytes_divided_by_255()
    {
        using var scope = torch.NewDisposeScope();
        var predictions = Predictions.Of(model, images);
        var bytes = Enumerable.Range(0, images.Count).SelectMany(i => images.Pixels(i).ToArray()).ToArray();
        var pixels = torch.tensor(bytes, [images.Count, 8, 8, 3], dtype: torch.float32) / 255;
        var output = model.Predict(pixels.permute(0, 3, 1, 2));
        Assert.Multiple(() =>
        {
            Assert.That(Values(predictions.Main), Is.EqualTo(output.MainLogits.data<float>().ToArray()).Within(1e-5f));
            Assert.That(Values(predictions[Branch.Auxiliary]), Is.EqualTo(output.AuxiliaryLogits.data<float>().ToArray()).Within(1e-5f));
            Assert.That(Values(predictions[Branch.Main]), Is.Not.EqualTo(Values(predictions.Auxiliary)));
        });
    }

    [Test]
    public void the_batch_size_does_not_matter_even_when_the_last_batch_is_smaller() =>
        Assert.That(
            Values(Predictions.Of(model, images, batchSize: 3).Main),
            Is.EqualTo(Values(Predictions.Of(model, images).Main)).Within(1e-5f));

    [TestCase(true)]
    [TestCase(false)]
    public void the_model_stays_in_its_mode_and_keeps_its_statistics(bool training)
    {
        model.train(training);
        var before = Statistics();
        Predictions.Of(model, images);
        Assert.Multiple(() =>
        {
            Assert.That(model.training, Is.EqualTo(training));
            Assert.That(Statistics(), Is.EqualTo(before));
        });
    }

    [Test]
    public void a_cancelled_evaluation_stops() =>
        Assert.That(
            () => Predictions.Of(model, images, cancellation: new CancellationToken(canceled: true)),
            Throws.TypeOf<OperationCanceledException>());

    [Test]
    public void an_empty_set_has_no_predictions() =>
        Assert.That(() => Predictions.Of(model, NoiseImages.Set(count: 0)), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void a_model_is_evaluated_end_to_end()
    {
        var test = new ImageSet("test", NoiseImages.Block(6), [0, 0, 1, 1, 2, 2], ["a", "b", "c"]);
        var report = Evaluator.Evaluate(set => Predictions.Of(model, set), test, [images], EvaluationSamples.Protocol);
        Assert.Multiple(() =>
        {
            Assert.That(
                report.Deployed.Average!.Metrics.Auroc,
                Is.EqualTo(NaiveMetrics.Auroc(Predictions.Of(model, images).Scores(Branch.Main), Predictions.Of(model, test).Scores(Branch.Main))).Within(1e-12));
            Assert.That(report.Deployed.Sets.Single().OutOfDistributionImages, Is.EqualTo(7));
            Assert.That(report.Deployed.Classification.PerClassAccuracy, Is.EqualTo(report.Auxiliary.Classification.PerClassAccuracy));
        });
    }

    private static float[] Values(Logits logits) => [.. Enumerable.Range(0, logits.Count).SelectMany(i => logits[i].ToArray())];

    private float[] Statistics() =>
    [
        .. model.named_buffers()
            .Where(buffer => buffer.name.Contains("running", StringComparison.Ordinal))
            .SelectMany(buffer => buffer.buffer.data<float>().ToArray()),
    ];
}
