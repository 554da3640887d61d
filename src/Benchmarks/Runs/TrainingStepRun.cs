using Pascl.Benchmarks.Measuring;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Optimisation;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks.Runs;

/// <summary>A step of the first phase on random 32x32 images: forward, three losses, backward, Adam. N images in two views and N outliers.</summary>
internal sealed class TrainingStepRun : IDisposable
{
    private const double TailShare = 0.4;

    private readonly DualBranchResNet model;
    private readonly PasclLoss contrastive;
    private readonly OutlierExposureLoss outlierExposure = new();
    private readonly Optimiser optimiser;
    private readonly Tensor images;
    private readonly Tensor labels;

    /// <summary>Builds the network and draws the images.</summary>
    /// <param name="width">Channels of the first stage.</param>
    /// <param name="imageCount">N.</param>
    /// <param name="precision">Of the convolutions.</param>
    /// <param name="isOurs">Whether images and weights are stored channels last, and on a GPU losses and BatchNorm are kernels; else it is plain TorchSharp.</param>
    /// <param name="classes">C, of which the last four tenths are the tail.</param>
    public TrainingStepRun(int width, int imageCount, Precision precision, bool isOurs, int classes = 10)
    {
        var device = BenchmarkMachine.Torch;
        var kernels = isOurs && device.type == DeviceType.CUDA ? BenchmarkMachine.Kernels : null;
        images = Draw(imageCount, isOurs).to(device, disposeAfter: true); // (2N + K, 3, 32, 32)
        labels = tensor([.. Enumerable.Range(0, imageCount).Select(image => Label(image, imageCount, classes))]).to(device, disposeAfter: true); // (N)
        bool[] isTail = [.. Enumerable.Range(0, classes).Select(label => label >= (1 - TailShare) * classes)];
        contrastive = new PasclLoss(isTail, temperature: 0.07, device: kernels);
        contrastive.to(device);
        model = new DualBranchResNet(ResNetDepth.ResNet18, classes, width, seed: 1, precision, kernels);
        model.to(device);
        if (isOurs)
        {
            ChannelsLast.Convert(model);
        }

        optimiser = new Optimiser(new OptimiserSettings(OptimiserKind.Adam, LearningRate: 1e-4, WeightDecay: 5e-4), model.MakeTrainable(TrainableParameters.MainBranch));
    }

    /// <summary>Takes a step and returns its loss.</summary>
    public float Run()
    {
        using var scope = NewDisposeScope();
        var classified = 2 * labels.shape[0];
        var output = model.forward(images, Branch.Main);
        var loss = functional.cross_entropy(output.Logits.narrow(0, 0, classified), cat([labels, labels]))
            + (0.5 * outlierExposure.forward(output.Logits.narrow(0, classified, labels.shape[0])))
            + (0.1 * contrastive.forward(output.Projection, labels));
        optimiser.ZeroGradients();
        KernelGradients.Backward(loss);
        optimiser.Step();
        return loss.item<float>();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        optimiser.Dispose();
        outlierExposure.Dispose();
        contrastive.Dispose();
        model.Dispose();
        images.Dispose();
        labels.Dispose();
    }

    // All classes in turn, or as many as there are images, spread over all: the same share is of the tail.
    private static long Label(int image, int images, int classes) => classes <= images ? image % classes : (long)image * classes / images;

    private static Tensor Draw(int images, bool channelsLast)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var drawn = rand(3 * images, 3, 32, 32, generator: random);
        return (channelsLast ? ChannelsLast.Of(drawn) : drawn).MoveToOuterDisposeScope();
    }
}
