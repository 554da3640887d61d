using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Training.Networks;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks.Baselines;

/// <summary>
/// The baseline of a training step: the same network and losses as one writes them in TorchSharp, by torch's operations, autograd and Adam, images and weights
/// stored channels first, in float32, every convolution by libtorch's own.
/// </summary>
internal sealed class PlainTrainingStep : IDisposable
{
    private readonly DualBranchNetwork model;
    private readonly CleanContrastiveLoss contrastive;
    private readonly optim.Optimizer adam;
    private readonly Tensor images;
    private readonly Tensor labels;

    /// <summary>Builds the network and draws the images.</summary>
    public PlainTrainingStep(StepWorkload workload)
    {
        var device = BenchmarkMachine.Torch;
        images = workload.Draw().to(device, disposeAfter: true); // (2N + K, 3, size, size)
        labels = tensor([.. workload.Labels.Select(label => (long)label)]).to(device, disposeAfter: true); // (N)
        contrastive = new CleanContrastiveLoss(
            [.. Enumerable.Range(0, workload.Classes).Select(label => label >= (1 - StepWorkload.TailShare) * workload.Classes)], temperature: 0.07);
        model = NetworkDefinition.Find(workload.Network).Create(new NetworkSettings(new NetworkHead(workload.Classes), workload.Width, StepWorkload.Seed));
        ComputePointwiseByLibrary(model);
        model.to(device);
        adam = optim.Adam(
            model.MakeTrainable(TrainableParameters.All, Branch.Main).Select(chosen => chosen.Parameter), StepWorkload.LearningRate, weight_decay: 5e-4);
    }

    /// <summary>What this machine's libtorch makes of its convolutions, whose layout is not that of <c>train</c>.</summary>
    public ConvolutionReport JudgeConvolutions() =>
        ConvolutionCheck.Judge(model, images.shape[2], images.shape[3], new ConvolutionUse("plain", images.shape[0], InputGradient: true, WeightGradient: true));

    /// <summary>
    /// Computes strided 1x1 convolutions, which the network makes matrix products of, by libtorch's convolution, except of fewer than 16 channels: oneDNN up to 3.7 writes outside
    /// its memory there (github.com/uxlfoundation/oneDNN/issues/6035).
    /// </summary>
    public static void ComputePointwiseByLibrary(DualBranchNetwork model)
    {
        foreach (var convolution in model.modules().OfType<Convolution>().Where(convolution => convolution.Shape is { Kernel: 1, Stride: > 1, InputChannels: >= 16 }))
        {
            convolution.Compute = (_, input, weights) => functional.conv2d(input, weights, strides: [convolution.Shape.Stride, convolution.Shape.Stride]);
        }
    }

    /// <summary>Takes a step and returns the loss before it.</summary>
    public float Run()
    {
        using var scope = NewDisposeScope();
        var classified = 2 * labels.shape[0];
        var output = model.forward(images, Branch.Main);
        var outliers = output.Logits.narrow(0, classified, images.shape[0] - classified);
        var loss = functional.cross_entropy(output.Logits.narrow(0, 0, classified), cat([labels, labels]))
            + (0.5 * (outliers.logsumexp(1) - outliers.mean([1])).mean())
            + (0.1 * contrastive.Forward(output.Projection, labels));
        adam.zero_grad();
        loss.backward();
        adam.step();
        return loss.item<float>();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        adam.Dispose();
        model.Dispose();
        images.Dispose();
        labels.Dispose();
    }
}
