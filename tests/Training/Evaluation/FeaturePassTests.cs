using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Tests.Training.Evaluation;

public sealed class FeaturePassTests
{
    private readonly DualBranchResNet model = new(ResNetDepth.ResNet18, classCount: 3, width: 2, seed: 4);
    private readonly ImageSet images = NoiseImages.Set(count: 7);

    [OneTimeTearDown]
    public void Free() => model.Dispose();

    [Test]
    public void features_are_what_the_main_classifier_turns_into_logits()
    {
        using var scope = torch.NewDisposeScope();
        var pass = FeaturePass.Of(model, images, batchSize: 3);
        var weight = model.get_parameter("linear.weight")!;
        var logits = torch.tensor(pass.Features.Values(), [7, 16]).matmul(weight.t()) + model.get_parameter("linear.bias")!;
        Assert.Multiple(() =>
        {
            Assert.That((pass.Features.Count, pass.Features.Width), Is.EqualTo((7, 16)));
            Assert.That(pass.Predictions.Main.Values(), Is.EqualTo(logits.data<float>().ToArray()).Within(1e-5f));
            Assert.That(pass.Images, Is.SameAs(images));
        });
    }

    [Test]
    public void the_logits_are_those_of_the_ordinary_evaluation_bit_for_bit()
    {
        var (pass, predictions) = (FeaturePass.Of(model, images, batchSize: 4), Predictions.Of(model, images, batchSize: 4));
        Assert.Multiple(() =>
        {
            Assert.That(pass.Predictions.Main.Values(), Is.EqualTo(predictions.Main.Values()));
            Assert.That(pass.Predictions.Auxiliary.Values(), Is.EqualTo(predictions.Auxiliary.Values()));
        });
    }

    [Test]
    public void a_cancelled_pass_stops() => Assert.That(
        () => FeaturePass.Of(model, images, cancellation: new CancellationToken(canceled: true)), Throws.TypeOf<OperationCanceledException>());

    [Test]
    public void part_of_a_row_is_refused() =>
        Assert.That(() => new Features(new float[7], 3), Throws.ArgumentException.With.Message.Contains("7 features"));
}
