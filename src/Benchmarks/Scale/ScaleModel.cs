using System.Globalization;
using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Benchmarks.Scale;

/// <summary>
/// What a step of R ranks comes to, by the messages that it sends and a rate of images: <c>-- scale</c>. Sizes are counted from the shipped network and recipe; rate,
/// latency and bandwidth are given, not measured, and printed with the table.
/// </summary>
/// <param name="Name">What is trained.</param>
/// <param name="Classes">C.</param>
/// <param name="Images">Images of a rank's share of the batch, N / R, each in two views.</param>
/// <param name="Outliers">Outliers of it, K / R.</param>
/// <param name="TailShare">Of the images, those of tail classes: counted for CIFAR10-LT, assumed for ImageNet-LT.</param>
/// <param name="RowsPerSecond">Rows that a GPU trains in a second: on an A100, of a plain ResNet-18 (KellerJordan/cifar10-airbench) and of NVIDIA's ResNet-50 (NGC, resnet_mxnet).</param>
internal sealed record ScaleModel(string Name, int Classes, int Images, int Outliers, double TailShare, double RowsPerSecond)
{
    private const double KernelFlops = 20e12;

    /// <summary>Trained parameters of the main branch.</summary>
    public required long Parameters { get; init; }

    /// <summary>BatchNorm layers.</summary>
    public required int BatchNorms { get; init; }

    /// <summary>Their channels, all together.</summary>
    public required long Channels { get; init; }

    /// <summary>The paper's CIFAR10-LT and ImageNet-LT, a GPU having their whole batch as its share, so that 1,024 GPUs contrast 262,144 images and as many outliers.</summary>
    public static IEnumerable<ScaleModel> Known() =>
    [
        Of("CIFAR10-LT, ResNet-18 of 32 pixels", "cifar10-lt-paper", 10, tailShare: 0.04, rowsPerSecond: 23_000),
        Of("ImageNet-LT, ResNet-50 of 224 pixels", "imagenet-lt-paper", 1000, tailShare: 0.2, rowsPerSecond: 3_660),
    ];

    /// <summary>Milliseconds of the parts of a step, the longest wait for others left out.</summary>
    /// <param name="ranks">R.</param>
    /// <param name="latency">Seconds of a message.</param>
    /// <param name="bandwidth">Bytes of a rank in a second.</param>
    public (double Compute, double BatchNorm, double Outputs, double Contrast, double Gradients) Milliseconds(int ranks, double latency, double bandwidth)
    {
        var rows = (2 * Images) + Outliers;
        var (allRows, participants) = ((double)rows * ranks, ranks * ((2 * Images * TailShare) + Outliers));
        var anchors = ranks * 2 * Images * TailShare;
        var rounds = Math.Log2(ranks);

        // Forward every rank receives the partials of all, backward the sums: 8 bytes each.
        var statistics = ranks == 1 ? 0 : (2 * BatchNorms * latency * rounds) + (((2 * Channels * 8.0 * (ranks - 1)) + Sum(2 * Channels * 8.0, 0)) / bandwidth);
        var outputs = ranks == 1 ? 0 : (2 * latency * rounds) + (allRows * (Classes + DualBranchNetwork.ProjectionWidth) * 4 / bandwidth);

        // Of the anchors a rank computes its own: their products with all participants forward and again backward, and their gradient; for the gradient of the others both once
        // more. The loss and the gradient of all rows are summed.
        var own = anchors / ranks;
        var products = own * ((5 * participants) - (2 * own));
        var contrast = (2 * products * DualBranchNetwork.ProjectionWidth / KernelFlops)
            + (ranks == 1 ? 0 : Sum(allRows * DualBranchNetwork.ProjectionWidth * 4, 2 * latency * rounds) / bandwidth);
        var gradients = ranks == 1 ? 0 : Sum(Parameters * 4.0, latency * rounds * Math.Ceiling(Parameters / 1e6)) / bandwidth;
        return (1e3 * rows / RowsPerSecond, 1e3 * statistics, 1e3 * outputs, 1e3 * contrast, 1e3 * gradients);

        double Sum(double bytes, double seconds) => (2.0 * (ranks - 1) / ranks * bytes) + (seconds * bandwidth);
    }

    /// <summary>Prints a table for each.</summary>
    public static void Print(double latency, double bandwidth, Action<string> write)
    {
        write(string.Create(CultureInfo.InvariantCulture, $"A model, not a measurement: {1e6 * latency:0.#} us and {bandwidth / 1e9:0.#} GB/s between GPUs, losses at {KernelFlops / 1e12:0} TFLOP/s, nothing overlapped."));
        foreach (var model in Known())
        {
            write("");
            write(string.Create(CultureInfo.InvariantCulture, $"{model.Name}: {model.Parameters / 1e6:0.0} million parameters, {model.BatchNorms} BatchNorms of {model.Channels:N0} channels, {model.Images} + {model.Outliers} images of a GPU, {100 * model.TailShare:0} % of them of tail classes, {model.RowsPerSecond:N0} rows/s"));
            write("| GPUs | compute ms | BatchNorm ms | outputs ms | contrast ms | gradients ms | of one GPU's speed each | most of the exchange |");
            write("|---|---|---|---|---|---|---|---|");
            foreach (var ranks in new[] { 1, 2, 4, 8, 64, 256, 1024 })
            {
                var parts = model.Milliseconds(ranks, latency, bandwidth);
                var (alone, total) = (Total(model.Milliseconds(1, latency, bandwidth)), Total(parts));
                var (most, _) = new[] { ("BatchNorm", parts.BatchNorm), ("outputs", parts.Outputs), ("contrast", parts.Contrast), ("gradients", parts.Gradients) }.MaxBy(part => part.Item2);
                write(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {ranks:N0} | {parts.Compute:0.0} | {parts.BatchNorm:0.00} | {parts.Outputs:0.00} | {parts.Contrast:0.00} | {parts.Gradients:0.00} | {100 * alone / total:0} % | {(ranks == 1 ? "-" : most)} |"));
            }
        }

        static double Total((double Compute, double BatchNorm, double Outputs, double Contrast, double Gradients) parts) =>
            parts.Compute + parts.BatchNorm + parts.Outputs + parts.Contrast + parts.Gradients;
    }

    private static ScaleModel Of(string name, string preset, int classes, double tailShare, double rowsPerSecond)
    {
        var recipe = Presets.Find(preset).Recipe;
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var network = Trainer.CreateModel(recipe, classes, device);
        var trained = network.MakeTrainable(TrainableParameters.All, Branch.Main);
        var normalisations = network.modules().OfType<DualBranchBatchNorm2d>().ToArray();
        return new ScaleModel(name, classes, recipe.Representation.BatchSize, recipe.OutlierBatchSize, tailShare, rowsPerSecond)
        {
            Parameters = trained.Sum(pair => pair.Parameter.numel()),
            BatchNorms = normalisations.Length,
            Channels = normalisations.Sum(layer => layer.state_dict()["weight"].shape[0]),
        };
    }
}
