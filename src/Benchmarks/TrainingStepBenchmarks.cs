using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Optimisation;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Benchmarks;

/// <summary>
/// One step of the first phase (forward, three losses, backward, Adam) on 32x32 images: a plain TorchSharp loop against channels-last weights and images, in
/// float32 and in bfloat16. Bars at width 64 with 64 + 64 + 64 images: 1.08 times the images per second in float32, 1.8 times in bfloat16 where the CPU has it.
/// On a GPU that torch can use, the latter two compute BatchNorm and the contrastive loss by kernels.
/// </summary>
[Config(typeof(FewStepsInProcess))]
public class TrainingStepBenchmarks : IDisposable
{
    private static readonly bool[] IsTail = [.. Enumerable.Range(0, 10).Select(label => label >= 6)];

    private Step plain = null!;
    private Step single = null!;
    private Step brain = null!;

    /// <summary>Channels of the first stage and N: the step sees N images in two views and N outliers.</summary>
    [ParamsSource(nameof(Workloads))]
    public (int Width, int Images) Workload { get; set; }

    /// <summary>The paper's network at a batch that fits a CPU, the network and batch of the CPU presets, and the paper's network and batch.</summary>
    public static IReadOnlyList<(int Width, int Images)> All { get; } = [(64, 64), (16, 256), Paper];

    /// <summary>Those that this machine does in reasonable time.</summary>
    public static IEnumerable<(int Width, int Images)> Workloads =>
        All.Where(workload => workload != Paper || BenchmarkMachine.Torch.type == DeviceType.CUDA);

    private static (int Width, int Images) Paper => (64, 256);

    /// <summary>Builds the three loops from one seed and compares their first losses.</summary>
    [GlobalSetup]
    public void Setup()
    {
        plain = new Step(Workload, Precision.Float32, channelsLast: false);
        single = new Step(Workload, Precision.Float32, channelsLast: true);
        brain = new Step(Workload, Precision.BFloat16, channelsLast: true);
        var expected = plain.Run();
        Compare(nameof(single), single.Run(), expected, allowed: 1e-4);
        Compare(nameof(brain), brain.Run(), expected, allowed: 2e-2);
    }

    /// <summary>Frees the three loops.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        plain.Dispose();
        single.Dispose();
        brain.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The plain loop.</summary>
    [Benchmark(Baseline = true)]
    public float Plain() => plain.Run();

    /// <summary>Channels last, float32.</summary>
    [Benchmark]
    public float Float32() => single.Run();

    /// <summary>Channels last, bfloat16.</summary>
    [Benchmark]
    public float BFloat16() => brain.Run();

    private static void Compare(string name, float actual, float expected, double allowed)
    {
        if (!(Math.Abs(actual - expected) <= allowed * expected))
        {
            throw new InvalidOperationException($"The first loss of {name} is {actual}, that of the plain loop {expected}; they may differ by {allowed:P}.");
        }
    }

    private sealed class Step : IDisposable
    {
        private readonly DualBranchResNet model;
        private readonly PasclLoss contrastive;
        private readonly OutlierExposureLoss outlierExposure = new();
        private readonly Optimiser optimiser;
        private readonly Tensor images;
        private readonly Tensor labels;

        public Step((int Width, int Images) workload, Precision precision, bool channelsLast)
        {
            var device = BenchmarkMachine.Torch;
            var kernels = channelsLast && device.type == DeviceType.CUDA ? BenchmarkMachine.Kernels : null;
            images = Draw(workload.Images, channelsLast).to(device, disposeAfter: true); // (2N + K, 3, 32, 32)
            labels = arange(workload.Images, device: device).remainder_(10); // (N)
            contrastive = new PasclLoss(IsTail, temperature: 0.07, device: kernels);
            contrastive.to(device);
            model = new DualBranchResNet(ResNetDepth.ResNet18, 10, workload.Width, seed: 1, precision, kernels);
            model.to(device);
            if (channelsLast)
            {
                ChannelsLast.Convert(model);
            }

            optimiser = new Optimiser(new OptimiserSettings(OptimiserKind.Adam, LearningRate: 1e-4, WeightDecay: 5e-4), model.MakeTrainable(TrainableParameters.MainBranch));
        }

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

        private static Tensor Draw(int images, bool channelsLast)
        {
            using var scope = NewDisposeScope();
            using var random = new Generator(1);
            var drawn = rand(3 * images, 3, 32, 32, generator: random);
            return (channelsLast ? ChannelsLast.Of(drawn) : drawn).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            optimiser.Dispose();
            outlierExposure.Dispose();
            contrastive.Dispose();
            model.Dispose();
            images.Dispose();
            labels.Dispose();
        }
    }

    // A step takes a second, so a few runs are enough; in this process, because a generated project would not find libtorch.
    private sealed class FewStepsInProcess : ManualConfig
    {
        public FewStepsInProcess() => AddJob(Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithStrategy(RunStrategy.Monitoring)
            .WithWarmupCount(1)
            .WithIterationCount(8));
    }
}
