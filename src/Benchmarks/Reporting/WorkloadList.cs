using System.Text.Encodings.Web;
using System.Text.Json;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;

namespace Pascl.Benchmarks.Reporting;

/// <summary>The workloads as JSON, for the Python peers: one list for both.</summary>
internal static class WorkloadList
{
    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Where the peers read it, from the root of the repository.</summary>
    public static string File => Path.Combine("src", "Benchmarks", "peers", "workloads.json");

    /// <summary>The list.</summary>
    public static string Json() => JsonSerializer.Serialize(
        new
        {
            Loss = LossWorkload.All.Select(workload => new
            {
                workload.Name,
                workload.Images,
                workload.TailImages,
                workload.Outliers,
                workload.Classes,
                workload.TailClasses,
                workload.Width,
                workload.Temperature,
                Loss = Loss(workload),
            }),
            BatchNorm = BatchNormWorkload.All.Select(workload => new { workload.Name, workload.Images, workload.Channels, workload.Size }),
            TrainingStep = TrainingStepBenchmarks.All.Where(workload => workload.Network == "resnet18").Select(workload => new { Name = workload.ToString(), workload.Width, workload.Images }),
        },
        Readable) + "\n";

    // Two programs that find the same loss drew the same numbers.
    private static double? Loss(LossWorkload workload)
    {
        if (workload.Anchors > LossBatch.LargestForReference)
        {
            return null;
        }

        using var batch = new LossBatch(workload);
        return Math.Round(
            FusedContrastiveLossReference.ForwardOfBatch(
                Array.ConvertAll(batch.Values, value => (double)value),
                workload.Width,
                Array.ConvertAll(batch.Classes, label => (int)label),
                workload.IsTailClass,
                workload.Temperature),
            7);
    }
}
