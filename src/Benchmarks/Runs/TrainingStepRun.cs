using Pascl.Benchmarks.Baselines;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Runs;

/// <summary>A step of the first phase as <c>train</c> takes it, by <see cref="TrainingSteps"/>: on a GPU with losses and BatchNorm by kernels.</summary>
internal sealed class TrainingStepRun : IDisposable
{
    private readonly ComputeDevice device = ComputeDevice.Open(BenchmarkMachine.Torch.type == DeviceType.CUDA ? "cuda:0" : "cpu", Backend.Auto);
    private readonly DualBranchNetwork model;
    private readonly TrainingSteps steps;
    private readonly LossSums sums;
    private readonly Batch batch;
    private int taken;

    /// <summary>Builds the network and enters the phase.</summary>
    /// <param name="workload">Sizes.</param>
    /// <param name="precision">Of the convolutions.</param>
    /// <param name="pointwiseByLibrary">Computes strided 1x1 convolutions, which are matrix products in <c>train</c>, by libtorch's convolution.</param>
    public TrainingStepRun(StepWorkload workload, Precision precision, bool pointwiseByLibrary = false)
    {
        var recipe = Recipe(workload, precision);
        int[] counts = [.. Enumerable.Repeat((workload.Images + workload.Classes - 1) / workload.Classes, workload.Classes)];
        var data = TrainingData.OfCounts(counts, outliers: workload.Images);
        var phase = TrainingPhase.Representation(recipe, data, device);
        model = Trainer.CreateModel(recipe, workload.Classes, device);
        phase.Enter(model);
        if (pointwiseByLibrary)
        {
            PlainTrainingStep.ComputePointwiseByLibrary(model);
        }

        ConvolutionCheck.Run(model, workload.Size, workload.Size, phase.Convolutions); // as train does
        steps = new TrainingSteps(phase, model, data, device);
        sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        batch = MakeBatch(workload, data.Training, device.Torch);
        model.train();
    }

    /// <summary>Takes a step and returns the loss before it, read as training reads it.</summary>
    public float Run()
    {
        steps.Take(batch, sums);
        return (float)sums.MeansSinceReport(++taken)[0];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        batch.Dispose();
        sums.Dispose();
        steps.Dispose();
        model.Dispose();
        device.Dispose();
    }

    private static Recipe Recipe(StepWorkload workload, Precision precision)
    {
        var recipe = Presets.Find("cifar10-lt-code").Recipe;
        return recipe with
        {
            Network = workload.Network,
            Width = workload.Width,
            Seed = StepWorkload.Seed,
            Precision = precision,
            OutlierBatchSize = workload.Images,
            Loss = recipe.Loss with { TailFraction = StepWorkload.TailShare },
            Representation = recipe.Representation with
            {
                BatchSize = workload.Images,
                Optimiser = recipe.Representation.Optimiser with { LearningRate = StepWorkload.LearningRate },
            },
        };
    }

    private static Batch MakeBatch(StepWorkload workload, ImageSet training, Device device)
    {
        using var scope = NewDisposeScope();
        var pixels = workload.Draw().permute(0, 2, 3, 1).contiguous().to(device); // (3N, size, size, 3)
        int[] chosen = [.. workload.Labels.Select(label => training.Labels.IndexOf(label))];
        return Batch.FromPixels(pixels, training, chosen, views: 2);
    }
}
