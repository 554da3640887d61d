using Google.Protobuf;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using TorchSharp;

namespace Pascl.Tests.Training.Networks;

/// <summary>A second, really different network through everything that asks a network something.</summary>
public sealed class DualBranchResNet50Tests
{
    // torchvision's documentation of ResNet50_Weights: num_params 25557032.
    [Test]
    public void the_main_branch_has_as_many_parameters_as_torchvisions_and_its_names()
    {
        using var network = new DualBranchResNet50(new NetworkSettings(new NetworkHead(1000)));
        var main = network.named_parameters().Where(entry =>
            !entry.name.Contains("auxiliary", StringComparison.Ordinal) && !entry.name.StartsWith("projection", StringComparison.Ordinal)).ToList();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(main.Sum(entry => entry.parameter.numel()), Is.EqualTo(25_557_032));
            Assert.That(main, Has.Count.EqualTo(161));
            Assert.That(
                main.Select(entry => entry.name),
                Is.SupersetOf(["conv1.weight", "bn1.bias", "layer1.0.conv3.weight", "layer1.0.downsample.0.weight", "layer1.0.downsample.1.weight", "layer4.2.bn3.bias"]));
            Assert.That(network.FeatureWidth, Is.EqualTo(2048));
        }
    }

    [TestCase(224, 7)]
    [TestCase(33, 2)]
    public void the_visited_sizes_are_those_of_the_stages(int size, int last)
    {
        using var network = Small();
        var places = network.Convolutions(size, size).ToList();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(places, Has.Count.EqualTo(53));
            Assert.That((places[^1].Height, places[^1].Width), Is.EqualTo((last, last)));
        }
    }

    [Test]
    public void images_are_normalised_inside_and_the_constants_are_not_stored()
    {
        using var network = Small();
        using var scope = torch.NewDisposeScope();
        var means = torch.tensor([0.485f, 0.456f, 0.406f]).reshape(1, 3, 1, 1).expand(1, 3, 32, 32);
        network.eval();
        var features = network.forward(means, Branch.Main).Features;
        using (torch.no_grad())
        {
            network.state_dict()["conv1.weight"].mul_(-3);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(network.forward(means, Branch.Main).Features.eq(features).all().item<bool>(), "an image of the means is black for the first convolution");
            Assert.That(network.state_dict().Keys, Has.None.EqualTo("mean"));
        }
    }

    [Test]
    public void a_phase_trains_the_parameters_of_its_branch_alone()
    {
        using var network = Small();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(network.MakeTrainable(TrainableParameters.BatchNormAndClassifier), Has.Count.EqualTo((2 * 53) + 2));
            Assert.That(network.MakeTrainable(TrainableParameters.MainBranch), Has.Count.EqualTo(161 + 4));
        }
    }

    [Test]
    public void an_exported_model_agrees_with_torch()
    {
        OnnxLibrary.Require();
        using var network = SmallNetworks.Create(2, network: "resnet50");
        var deployed = SmallNetworks.Deployed(network);
        var agreement = OnnxVerification.Compare(OnnxModel.Create(deployed, PixelType.UInt8).ToByteArray(), deployed, PixelType.UInt8, SmallNetworks.Images(3, 40, 40));
        Assert.That(agreement.Largest, Is.LessThan(OnnxAgreement.Allowed));
    }

    [Test]
    public void a_run_of_it_is_trained_and_resumed_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        var recipe = TinyTraining.Recipe with
        {
            Network = "resnet50",
            Width = 1,
            Representation = TinyTraining.Recipe.Representation with { Epochs = 1 },
        };
        var whole = TinyTraining.Run(recipe, folder, "whole");
        using var cancellation = new CancellationTokenSource();
        Assert.That(
            () => TinyTraining.Run(recipe, folder, "stopped", new CancelAtReport(cancellation), cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        var stopped = RunFolder.Open(Path.Combine(folder.Path, "stopped"));
        TinyTraining.Resume(stopped);
        Assert.That(TinyTraining.Tensors(stopped), Is.EqualTo(TinyTraining.Tensors(whole)));
    }

    private sealed class CancelAtReport(CancellationTokenSource cancellation) : IProgress<StepReport>
    {
        public void Report(StepReport value) => cancellation.Cancel();
    }

    private static DualBranchResNet50 Small() => new(new NetworkSettings(new NetworkHead(3), Width: 2));
}
