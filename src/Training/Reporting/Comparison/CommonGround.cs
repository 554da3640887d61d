using Pascl.Training.Evaluation;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>What runs can be compared by.</summary>
/// <param name="Sets">Out-of-distribution sets that every run was evaluated on, in the order of the first run.</param>
/// <param name="Metrics">Numbers that mean the same in every run.</param>
/// <param name="Notes">A sentence on everything that is left out, and why.</param>
public sealed record CommonGround(IReadOnlyList<string> Sets, IReadOnlyList<ComparedMetric> Metrics, IReadOnlyList<string> Notes)
{
    /// <summary>Finds it.</summary>
    /// <exception cref="InputException">The runs were tested on other classes or images, so that nothing can be compared.</exception>
    public static CommonGround Of(IReadOnlyList<ComparedRun> runs)
    {
        var first = runs[0];
        foreach (var run in runs)
        {
            CheckTestSet(first, run);
        }

        var notes = new List<string>();
        string[] sets = [.. first.Report.Deployed.Sets.Where(set => runs.All(run => Has(run, set))).Select(set => set.Name)];
        string[] leftOut = [.. runs.SelectMany(run => run.Report.Deployed.Sets).Select(set => set.Name).Distinct().Except(sets)];
        if (leftOut.Length > 0)
        {
            notes.Add(
                $"Left out, because not every run was evaluated on the same images of them: {string.Join(", ", leftOut)}. Averages are over the rest.");
        }

        if (sets.Length == 0)
        {
            notes.Add("No out-of-distribution set is common to all runs, so only classification is compared.");
        }

        var metrics = ComparedMetric.All.Where(metric => metric.OfDetection is null || sets.Length > 0).ToList();
        LeaveOut(ComparedMetric.TailAuroc, report => report.TailClasses, "their tail classes differ");
        LeaveOut(ComparedMetric.FewShotAccuracy, report => report.ShotGroups, "their shot groups differ");
        if (!AllEqual(report => report.TrainingCounts))
        {
            notes.Add("The runs were trained on different numbers of images per class.");
        }

        return new(sets, metrics, notes);

        bool AllEqual<T>(Func<EvaluationReport, IReadOnlyList<T>> of) => runs.All(run => of(run.Report).SequenceEqual(of(first.Report)));

        void LeaveOut<T>(ComparedMetric metric, Func<EvaluationReport, IReadOnlyList<T>> of, string reason)
        {
            if (!AllEqual(of) && metrics.Remove(metric))
            {
                notes.Add($"{metric.Title} is left out, because the runs cannot be compared by it: {reason}.");
            }
        }
    }

    private static void CheckTestSet(ComparedRun first, ComparedRun other)
    {
        if (!other.Report.ClassNames.SequenceEqual(first.Report.ClassNames))
        {
            throw new InputException(
                $"{first.Folder} and {other.Folder} know different classes ({first.Report.ClassNames.Count} and {other.Report.ClassNames.Count}), " +
                "so they cannot be compared.");
        }

        if (other.Report.TestImages != first.Report.TestImages)
        {
            throw new InputException(
                $"{first.Folder} was tested on {first.Report.TestImages} images and {other.Folder} on {other.Report.TestImages}, " +
                "so they cannot be compared.");
        }
    }

    private static bool Has(ComparedRun run, OodSetReport set) => run.Report.Deployed.Sets.Any(other =>
        (other.Name, other.OutOfDistributionImages, other.InDistributionImages)
            == (set.Name, set.OutOfDistributionImages, set.InDistributionImages));
}
