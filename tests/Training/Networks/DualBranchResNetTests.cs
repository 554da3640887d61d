using Google.Protobuf;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Devices;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Networks;

public sealed class DualBranchResNetTests
{
    private DisposeScope scope = null!;

    [SetUp]
    public void SetUp()
    {
        scope = NewDisposeScope();
        random.manual_seed(1);
    }

    [TearDown]
    public void TearDown() => scope.Dispose();

    [TestCase(32, 32)]
    [TestCase(33, 17)]
    [TestCase(128, 96)]
    [TestCase(1, 1)]
    public void images_of_any_size_give_logits_features_and_unit_projections(int height, int width)
    {
        using var model = Small();
        var output = model.forward(rand(3, 3, height, width), Branch.Main);
        Assert.Multiple(() =>
        {
            Assert.That(output.Logits.shape, Is.EqualTo(new long[] { 3, 5 }));
            Assert.That(output.Features.shape, Is.EqualTo(new long[] { 3, 32 }));
            Assert.That(output.Projection.shape, Is.EqualTo(new long[] { 3, 128 }));
            Assert.That(output.Projection.norm(1).sub(1).abs().max().item<float>(), Is.LessThan(1e-5));
        });
    }

    [TestCase(ResNetDepth.ResNet18, 20)]
    [TestCase(ResNetDepth.ResNet34, 36)]
    public void the_depths_have_as_many_convolutions_as_published_and_projected_shortcuts(ResNetDepth depth, int convolutions)
    {
        using var model = new DualBranchResNet(depth, 10, width: 2);
        Assert.That(model.parameters().Count(parameter => parameter.dim() == 4), Is.EqualTo(convolutions));
    }

    [Test]
    public void weights_depend_on_the_seed_alone_and_spread_as_torchs_own()
    {
        using var first = Small(seed: 7);
        random.manual_seed(99);
        using var second = Small(seed: 7);
        using var other = Small(seed: 8);
        var bound = 1 / Math.Sqrt(4 * 9);
        var weight = first.state_dict()["layer1.0.conv1.weight"];
        Assert.Multiple(() =>
        {
            Assert.That(first.state_dict().All(entry => second.state_dict()[entry.Key].eq(entry.Value).all().item<bool>()));
            Assert.That(weight.eq(other.state_dict()["layer1.0.conv1.weight"]).any().item<bool>(), Is.False);
            Assert.That(weight.abs().max().item<float>(), Is.InRange(0.9 * bound, bound));
        });
    }

    [Test]
    public void prediction_is_both_branches_in_evaluation_and_keeps_the_mode()
    {
        using var model = Small();
        var images = rand(4, 3, 16, 16);
        model.forward(images, Branch.Auxiliary);
        var predicted = model.Predict(images);
        Assert.That(model.training);

        model.eval();
        var (main, auxiliary) = (model.forward(images, Branch.Main), model.forward(images, Branch.Auxiliary));
        Assert.Multiple(() =>
        {
            Assert.That(predicted.MainLogits.eq(main.Logits).all().item<bool>());
            Assert.That(predicted.AuxiliaryLogits.eq(auxiliary.Logits).all().item<bool>());
            Assert.That(predicted.Features.eq(main.Features).all().item<bool>());
            Assert.That(predicted.Projection.eq(main.Projection).all().item<bool>());
            Assert.That(predicted.MainLogits.eq(predicted.AuxiliaryLogits).any().item<bool>(), Is.False);
            Assert.That(predicted.MainLogits.requires_grad, Is.False);
        });
    }

    [TestCase(TrainableParameters.All, Branch.Main)]
    [TestCase(TrainableParameters.BatchNormAndClassifier, Branch.Main)]
    [TestCase(TrainableParameters.BatchNorm, Branch.Main)]
    [TestCase(TrainableParameters.Classifier, Branch.Main)]
    [TestCase(TrainableParameters.BatchNormAndClassifier, Branch.Auxiliary)]
    [TestCase(TrainableParameters.BatchNorm, Branch.Auxiliary)]
    [TestCase(TrainableParameters.Classifier, Branch.Auxiliary)]
    public void a_phase_changes_its_own_state_and_nothing_else(TrainableParameters trainable, Branch branch)
    {
        using var model = Small();
        var before = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        var chosen = model.MakeTrainable(trainable, branch);
        using var optimiser = optim.SGD(chosen.Select(entry => entry.Parameter), 0.1);
        var output = model.forward(rand(6, 3, 16, 16), branch);
        (output.Logits.square().mean() + output.Projection[.., 0].mean()).backward();
        optimiser.step();

        var changed = model.state_dict().Where(entry => entry.Value.ne(before[entry.Key]).any().item<bool>()).Select(entry => entry.Key);
        var expected = before.Keys.Where(name => name.Contains("auxiliary", StringComparison.Ordinal) == (branch == Branch.Auxiliary) && trainable switch
        {
            TrainableParameters.All => true,
            TrainableParameters.BatchNorm => !DualBranchNetwork.IsInHead(name) && IsOfBatchNorm(name),
            TrainableParameters.Classifier => DualBranchNetwork.IsInHead(name),
            _ => DualBranchNetwork.IsInHead(name) || IsOfBatchNorm(name),
        });
        Assert.That(changed, Is.EquivalentTo(expected));

        // A convolution's weight has four dimensions; what else is before the features is BatchNorm's.
        bool IsOfBatchNorm(string name) => before[name].dim() < 4;
    }

    [Test]
    public void the_auxiliary_branch_has_no_convolutions_that_could_be_trained()
    {
        using var model = Small();
        Assert.That(() => model.MakeTrainable(TrainableParameters.All, Branch.Auxiliary), Throws.ArgumentException);
    }

    [Test]
    public void the_second_phase_starts_from_the_main_branch()
    {
        using var model = Small();
        var images = rand(4, 3, 16, 16);
        using (no_grad())
        {
            model.state_dict()["linear.weight"].add_(1);
            model.forward(images, Branch.Main);
        }

        model.CopyMainToAuxiliary();
        var predicted = model.Predict(images);
        Assert.That(predicted.MainLogits.eq(predicted.AuxiliaryLogits).all().item<bool>());
    }

    [Test]
    public void brain_float_gives_float32_results_and_gradients_close_to_float32()
    {
        using var single = Small();
        using var brain = Small(precision: Precision.BFloat16);
        var images = rand(8, 3, 16, 16);
        var (expected, actual) = (single.forward(images, Branch.Main), brain.forward(images, Branch.Main));
        actual.Logits.sum().backward();

        // On each of 17 layers input, weight, product and normalised output are rounded to 8 bits, an error of at most 2^-9 each.
        const double Allowed = 17 * 4 / 512.0;
        Assert.Multiple(() =>
        {
            Assert.That(new[] { actual.Logits.dtype, actual.Features.dtype, actual.Projection.dtype }, Is.All.EqualTo(ScalarType.Float32));
            Assert.That(brain.parameters().Where(parameter => parameter.grad is not null).Select(parameter => parameter.grad!.dtype), Is.All.EqualTo(ScalarType.Float32));
            Assert.That(((actual.Features - expected.Features).norm() / expected.Features.norm()).item<float>(), Is.GreaterThan(0).And.LessThan(Allowed));
        });
    }

    [Test]
    public void channels_last_gives_the_same_numbers()
    {
        using var model = Small();
        var images = rand(4, 3, 16, 16);
        var expected = model.Predict(images).MainLogits;
        ChannelsLast.Convert(model);
        var actual = model.Predict(ChannelsLast.Of(images)).MainLogits;
        Assert.That(((actual - expected).norm() / expected.norm()).item<float>(), Is.LessThan(1e-5));
    }

    [Test]
    public void a_step_leaves_no_tensor_behind()
    {
        using var model = Small();
        var images = rand(4, 3, 16, 16);
        Step(model, images);
        var before = Tensor.TotalCount;
        for (var i = 0; i < 3; i++)
        {
            Step(model, images);
        }

        Assert.That(Tensor.TotalCount, Is.AtMost(before));
    }

    private static void Step(DualBranchResNet model, Tensor images)
    {
        using var step = NewDisposeScope();
        model.forward(images, Branch.Main).Logits.sum().backward();
        model.Predict(images);
    }

    private static DualBranchResNet Small(ulong seed = 0, Precision precision = Precision.Float32) => new(ResNetDepth.ResNet18, 5, width: 4, seed, precision);
}

/// <summary>The ResNets for photographs through everything that asks a network something.</summary>
public sealed class PhotographResNetTests
{
    // torchvision's documentation of ResNet18_Weights, ResNet34_Weights and ResNet50_Weights: num_params.
    [TestCase(ResNetDepth.ResNet18, 11_689_512, 62, 512)]
    [TestCase(ResNetDepth.ResNet34, 21_797_672, 110, 512)]
    [TestCase(ResNetDepth.ResNet50, 25_557_032, 161, 2048)]
    public void the_main_branch_has_as_many_parameters_as_torchvisions(ResNetDepth depth, int values, int parameters, int features)
    {
        using var network = new DualBranchResNet(depth, ResNetStem.ImageNet, new NetworkSettings(new NetworkHead(1000)));
        var main = network.named_parameters().Where(entry =>
            !entry.name.Contains("auxiliary", StringComparison.Ordinal) && !entry.name.StartsWith("projection", StringComparison.Ordinal)).ToList();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(main.Sum(entry => entry.parameter.numel()), Is.EqualTo(values));
            Assert.That(main, Has.Count.EqualTo(parameters));
            Assert.That(network.FeatureWidth, Is.EqualTo(features));
        }
    }

    [Test]
    public void convolutions_start_normal_with_the_variance_of_torchvisions()
    {
        using var network = new DualBranchResNet(ResNetDepth.ResNet18, ResNetStem.ImageNet, new NetworkSettings(new NetworkHead(3), Width: 16));
        using var scope = NewDisposeScope();
        var weight = network.state_dict()["layer4.1.conv2.weight"]; // (128, 128, 3, 3)
        using (Assert.EnterMultipleScope())
        {
            Assert.That(weight.std().item<float>(), Is.EqualTo(Math.Sqrt(2.0 / (128 * 9))).Within(1).Percent);
            Assert.That(weight.abs().max().item<float>() / weight.std().item<float>(), Is.GreaterThan(4), "a uniform distribution ends at 1.7 standard deviations");
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
            Assert.That(network.MakeTrainable(TrainableParameters.BatchNormAndClassifier, Branch.Auxiliary), Has.Count.EqualTo((2 * 53) + 2));
            Assert.That(network.MakeTrainable(TrainableParameters.All, Branch.Main), Has.Count.EqualTo(161 + 4));
        }
    }

    [TestCase("resnet18-imagenet")]
    [TestCase("resnet34-imagenet")]
    [TestCase("resnet50")]
    public void an_exported_model_agrees_with_torch(string kind)
    {
        OnnxLibrary.Require();
        using var network = SmallNetworks.Create(2, network: kind);
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

    private static DualBranchResNet Small() => new(ResNetDepth.ResNet50, ResNetStem.ImageNet, new NetworkSettings(new NetworkHead(3), Width: 2));
}
