using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Engines;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Pascl.Benchmarks.Baselines;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Training.Devices;
using TorchSharp;

namespace Pascl.Benchmarks;

/// <summary>
/// One step of the first phase (forward, three losses, backward, Adam): a plain TorchSharp loop against the step that <c>train</c> takes, in float32 and in bfloat16,
/// on 32x32 images and with ResNet-50 on photographs. Bars at width 64: 1.4 times the images per second in float32, 1.8 times in bfloat16 where the CPU has it.
/// On a GPU that torch can use, the latter two compute BatchNorm and the contrastive loss by kernels. On a CPU without fast bfloat16 that one is left out: it would take
/// minutes for a step and say nothing.
/// </summary>
[Config(typeof(FewStepsInProcess))]
public class TrainingStepBenchmarks : IDisposable
{
    private PlainTrainingStep plain = null!;
    private TrainingStepRun single = null!;
    private TrainingStepRun pointwiseByLibrary = null!;
    private TrainingStepRun? brain;

    /// <summary>Channels of the first stage and N: the step sees N images in two views and N outliers.</summary>
    [ParamsSource(nameof(Workloads))]
    public StepWorkload Workload { get; set; } = null!;

    /// <summary>
    /// The paper's network at a batch that fits a CPU, the network and batch of the CPU presets, ResNet-50 on photographs, and the paper's network and batch.
    /// </summary>
    public static IReadOnlyList<StepWorkload> All { get; } = [new(64, 64), new(16, 256), new(64, 4, Network: "resnet50", Size: 224), Paper];

    /// <summary>Those that this machine does in reasonable time.</summary>
    public static IEnumerable<StepWorkload> Workloads =>
        All.Where(workload => workload != Paper || BenchmarkMachine.Torch.type == DeviceType.CUDA);

    private static StepWorkload Paper => new(64, 256);

    private static bool HasBFloat16 => CpuFeatures.IsFastInBFloat16 || BenchmarkMachine.Torch.type == DeviceType.CUDA;

    /// <summary>Builds the loops from one seed and compares their first losses.</summary>
    [GlobalSetup(Targets = [nameof(Float32), nameof(PointwiseByLibrary), nameof(BFloat16)])]
    public void Setup()
    {
        plain = new PlainTrainingStep(Workload);
        single = new TrainingStepRun(Workload, Precision.Float32);
        pointwiseByLibrary = new TrainingStepRun(Workload, Precision.Float32, pointwiseByLibrary: true);
        brain = HasBFloat16 ? new TrainingStepRun(Workload, Precision.BFloat16) : null;
        var (ofPlain, expected) = (plain.Run(), single.Run());
        if (plain.JudgeConvolutions().Finding is { } finding)
        {
            Console.WriteLine($"The plain loop, the baseline, is wrong on this machine: its time is that of wrong numbers. {finding}");
        }
        else
        {
            Compare(nameof(plain), ofPlain, expected, allowed: 1e-4);
        }

        Compare(nameof(pointwiseByLibrary), pointwiseByLibrary.Run(), expected, allowed: 1e-4);
        if (brain is not null)
        {
            Compare(nameof(brain), brain.Run(), expected, allowed: 2e-2);
        }
    }

    /// <summary>The same, and memory as a program of TorchSharp's has it by itself: ours keeps what a step frees.</summary>
    [GlobalSetup(Target = nameof(Plain))]
    public void SetupPlain()
    {
        Setup();
        if (OperatingSystem.IsLinux())
        {
            ResidentMemory.GiveFreedBlocksBack();
        }
    }

    /// <summary>Frees the loops.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        plain.Dispose();
        single.Dispose();
        pointwiseByLibrary.Dispose();
        brain?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The plain loop.</summary>
    [Benchmark(Baseline = true)]
    public float Plain() => plain.Run();

    /// <summary>The step of <c>train</c> in float32.</summary>
    [Benchmark]
    public float Float32() => single.Run();

    /// <summary>The same with strided 1x1 convolutions (shortcuts) by libtorch's convolution instead of matrix products: what the product costs or brings.</summary>
    [Benchmark]
    public float PointwiseByLibrary() => pointwiseByLibrary.Run();

    /// <summary>The step of <c>train</c> in bfloat16.</summary>
    [Benchmark]
    public float BFloat16() => brain!.Run();

    private static void Compare(string name, float actual, float expected, double allowed)
    {
        if (!(Math.Abs(actual - expected) <= allowed * expected))
        {
            throw new InvalidOperationException($"The first loss of {name} is {actual}, that of {nameof(Float32)} {expected}; they may differ by {allowed:P}.");
        }
    }

    // A step takes a second, so a few runs are enough; in this process, because a generated project would not find libtorch.
    private sealed class FewStepsInProcess : ManualConfig
    {
        public FewStepsInProcess()
        {
            AddJob(Job.Default
                .WithToolchain(InProcessEmitToolchain.Instance)
                .WithStrategy(RunStrategy.Monitoring)
                .WithWarmupCount(1)
                .WithIterationCount(8));
            AddFilter(new SimpleFilter(benchmark => HasBFloat16 || benchmark.Descriptor.WorkloadMethod.Name != nameof(BFloat16)));
        }
    }
}
