namespace Pascl.Training.Evaluation;

/// <summary>Everything an evaluation found, each number with its convention: the content of <c>report.json</c>.</summary>
public sealed record EvaluationReport
{
    /// <summary>
    /// The layout that this program writes and reads: raised with every change after which an earlier file cannot be read as a report.
    /// </summary>
    public const int CurrentLayout = 2;

    /// <summary>The layout of this report.</summary>
    public int Layout { get; init; } = CurrentLayout;

    /// <summary>What each number means, in words, by the name of its property.</summary>
    public IReadOnlyDictionary<string, string> Conventions { get; init; } = ReportConventions.For(LogitReadout.MaximumSoftmax);

    /// <summary>Class names in label order.</summary>
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>Training images of each class.</summary>
    public required IReadOnlyList<int> TrainingCounts { get; init; }

    /// <summary>The rule behind <see cref="ShotGroups"/>.</summary>
    public required ShotRule ShotRule { get; init; }

    /// <summary>The shot group of each class.</summary>
    public required IReadOnlyList<ShotGroup> ShotGroups { get; init; }

    /// <summary>Labels of the tail classes.</summary>
    public required IReadOnlyList<int> TailClasses { get; init; }

    /// <summary>In-distribution test images.</summary>
    public required int TestImages { get; init; }

    /// <summary>Name of the out-of-distribution score, for example <c>msp</c>.</summary>
    public string Score { get; init; } = LogitReadout.MaximumSoftmax.ScoreName;

    /// <summary>The main branch alone.</summary>
    public required ReadingReport Main { get; init; }

    /// <summary>The auxiliary branch alone.</summary>
    public required ReadingReport Auxiliary { get; init; }

    /// <summary>The method as it is deployed: class of the auxiliary branch, score of the branch that the method takes it from.</summary>
    public required ReadingReport Deployed { get; init; }

    /// <summary>The images that the deployed score gets most wrong.</summary>
    public required WorstImages Worst { get; init; }

    /// <summary>Reads a report that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, not a report, or of another layout.</exception>
    public static EvaluationReport Read(string path) => ReportJson.Read<EvaluationReport>(
        path, new("report", "an evaluation report", "deployed", "it has no evaluation of a deployed model.", CurrentLayout));

    /// <summary>Writes the report as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => ReportJson.Write(path, this);
}
