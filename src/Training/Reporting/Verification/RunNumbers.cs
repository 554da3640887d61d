using System.Globalization;
using Pascl.Training.Checkpoints;
using Pascl.Training.Evaluation;

namespace Pascl.Training.Reporting.Verification;

/// <summary>
/// The numbers by which a finished run is compared with others, in the order in which a training comes to them: the losses epoch by epoch, what BatchNorm has counted, and
/// the metrics of the evaluation. A name is a path: <c>representation/epoch 3/contrastive</c>, <c>BatchNorm/running_var/model.bn1</c>, <c>metric/deployed/auroc</c>.
/// </summary>
internal static class RunNumbers
{
    private const string BatchNorm = "BatchNorm";
    private const string Metric = "metric";
    private const string Loss = "loss";

    // Eight numbers of three seeds have sixteen degrees of freedom, or some fewer: epochs are not independent.
    private const int FewestOfKind = 8;

    private static readonly string[] statistics = ["running_mean", "running_var"];

    /// <summary>Reads them from the folder of a run.</summary>
    /// <exception cref="InputException">The run is not finished or was not evaluated.</exception>
    public static OrderedDictionary<string, double> Of(RunFolder folder)
    {
        using var file = SafetensorsFile.Open(RunFolder.Open(folder.Root).Checkpoint);
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        if (!File.Exists(folder.Report))
        {
            throw new InputException($"{folder.Root} has no report.json: the run was not finished, or not evaluated. Do that with: pascl train --resume {folder.Root}");
        }

        var numbers = new OrderedDictionary<string, double>();
        foreach (var epoch in RunHistory.FromJson(checkpoint.Info.History, folder.Checkpoint).Epochs)
        {
            foreach (var (term, loss) in epoch.Losses)
            {
                numbers.Add(string.Create(CultureInfo.InvariantCulture, $"{epoch.Phase}/epoch {epoch.Epoch}/{term}"), loss);
            }
        }

        foreach (var name in file.Entries.Keys.Order(StringComparer.Ordinal))
        {
            if (statistics.FirstOrDefault(statistic => name.EndsWith($".{statistic}", StringComparison.Ordinal)) is { } statistic)
            {
                using var values = file.Read(name);
                numbers.Add($"{BatchNorm}/{statistic}/{name[..^(statistic.Length + 1)]}", values.to(TorchSharp.torch.float64).sum().item<double>());
            }
        }

        var report = EvaluationReport.Read(folder.Report);
        foreach (var (reading, of) in (IEnumerable<(string, ReadingReport)>)[("deployed", report.Deployed), ("main", report.Main), ("auxiliary", report.Auxiliary)])
        {
            foreach (var (metric, value) in Metrics(of))
            {
                numbers.Add($"{Metric}/{reading}/{metric}", value);
            }
        }

        return numbers;
    }

    /// <summary>
    /// Numbers of one kind vary alike from seed to seed: a term of a phase's loss over its epochs, one statistic of BatchNorm over the layers, and the metrics. Terms of
    /// fewer epochs than say how far seeds are apart are one kind with all losses.
    /// </summary>
    /// <param name="names">All numbers of the run.</param>
    public static IReadOnlyDictionary<string, string> Kinds(IEnumerable<string> names)
    {
        var kinds = names.GroupBy(KindOf).ToArray();
        var few = kinds.Where(kind => kind.Count() < FewestOfKind && !IsOfNetworkOrMetric(kind.Key)).Select(kind => kind.Key).ToHashSet();
        return kinds.SelectMany(kind => kind.Select(name => KeyValuePair.Create(name, few.Contains(kind.Key) ? Loss : kind.Key))).ToDictionary();
    }

    /// <summary>Whether a number is one of those by which the spread of a kind is measured.</summary>
    /// <param name="name">The number.</param>
    /// <param name="kind">One of <see cref="Kinds"/>.</param>
    public static bool IsOf(string name, string kind) => kind == Loss ? !IsOfNetworkOrMetric(KindOf(name)) : KindOf(name) == kind;

    private static bool IsOfNetworkOrMetric(string kind) => kind == Metric || kind.StartsWith(BatchNorm, StringComparison.Ordinal);

    private static string KindOf(string name) => name.Split('/') switch
    {
        [BatchNorm, var statistic, ..] => $"{BatchNorm}/{statistic}",
        [Metric, ..] => Metric,
        [var phase, _, var term] => $"{phase}/{term}",
        _ => name,
    };

    /// <summary>Whether numbers of a kind vary in proportion to their size: losses and variances do, means about 0 and shares do not.</summary>
    public static bool VariesInProportion(string kind) => kind is not ($"{BatchNorm}/running_mean" or Metric);

    private static IEnumerable<(string Name, double Value)> Metrics(ReadingReport reading)
    {
        var accuracy = reading.Classification.Accuracy;
        if (reading.Average is { } average)
        {
            yield return ("auroc", average.Metrics.Auroc);
            yield return ("auprOut", average.Metrics.AuprOut);
            yield return ("fpr95", average.Metrics.Fpr95);
            yield return ("tail auroc", average.Groups.Tail.Auroc);
        }

        yield return ("accuracy", accuracy.Overall);
        yield return ("many-shot accuracy", accuracy.Many);
        yield return ("medium-shot accuracy", accuracy.Medium);
        yield return ("few-shot accuracy", accuracy.Few);
    }
}
