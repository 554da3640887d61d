using Pascl.Benchmarks.Runs;
using Pascl.Benchmarks.Workloads;
using Pascl.Training.Devices;
using Pascl.Training.Losses;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Growth;

/// <summary>One quantity that grows while all others stay.</summary>
/// <param name="Name">The quantity.</param>
/// <param name="Description">What is measured.</param>
/// <param name="Sizes">Its values, rising.</param>
/// <param name="Prepare">Makes what is measured at a size: the call, and what it holds.</param>
/// <param name="LeastBytes">Memory that a size needs at least, to leave out what cannot fit.</param>
internal sealed record GrowthAxis(
    string Name, string Description, IReadOnlyList<int> Sizes, Func<int, (Action Call, IDisposable Held)> Prepare, Func<int, double> LeastBytes)
{
    private const int Images = 64;
    private const int Width = 16;

    /// <summary>All that is measured.</summary>
    public static IReadOnlyList<GrowthAxis> All { get; } =
    [
        new(
            "batch",
            $"a training step of N images in two views and N outliers, width {Width}, 10 classes",
            [64, 128, 256, 512, 1024],
            images => Step(Width, images, 10),
            _ => 0),
        new("classes", $"a training step of {Images} images, width {Width}", [10, 100, 1000], classes => Step(Width, Images, classes), _ => 0),
        new("width", $"a training step of {Images} images, 10 classes", [16, 32, 64], width => Step(width, Images, 10), _ => 0),
        new(
            "loss size",
            "the contrastive loss and its gradient: half of the rows are anchors, the others outliers, 128 columns",
            [1024, 2048, 4096, 8192, 16384, 32768],
            Loss,
            rows => 1.25 * sizeof(float) * rows * rows / 2),
    ];

    private static (Action Call, IDisposable Held) Step(int width, int images, int classes)
    {
        var step = new TrainingStepRun(new StepWorkload(width, images, classes), Precision.Auto);
        return (() => step.Run(), step);
    }

    private static (Action Call, IDisposable Held) Loss(int rows)
    {
        var workload = new LossWorkload("growth", "half anchors", rows / 4, rows / 4, rows / 2, 100, 40);
        var batch = new LossBatch(workload);
        var loss = new PasclLoss(workload.IsTailClass, workload.Temperature);
        return (
            () =>
            {
                using var scope = NewDisposeScope();
                autograd.grad([loss.forward(batch.Features, batch.Labels)], [batch.Features]);
            },
            batch);
    }
}
