using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>One way of using the two branches.</summary>
public sealed record ReadingReport
{
    /// <summary>The branch that gives the out-of-distribution score.</summary>
    public required Branch ScoreBranch { get; init; }

    /// <summary>The branch that gives the class.</summary>
    public required Branch ClassBranch { get; init; }

    /// <summary>Classification of the test images.</summary>
    public required LongTailMetrics Classification { get; init; }

    /// <summary>Number of test images of each class (outer list) by predicted class (inner).</summary>
    public required IReadOnlyList<int[]> Confusion { get; init; }

    /// <summary>Calibration of the class branch's probabilities on the test images.</summary>
    public required ReliabilityByGroup Reliability { get; init; }

    /// <summary>How well the score puts wrongly classified test images behind the others.</summary>
    public required SelectiveRisk Risk { get; init; }

    /// <summary>The curve behind <see cref="Risk"/>.</summary>
    public required RiskCoverageCurve RiskCoverage { get; init; }

    /// <summary>Detection of each out-of-distribution set.</summary>
    public required IReadOnlyList<OodSetReport> Sets { get; init; }

    /// <summary>The mean over the sets, or null where there are none.</summary>
    public required OodResult? Average { get; init; }

    /// <summary>The tail classes, those taken for out-of-distribution most first; empty without out-of-distribution sets.</summary>
    public required IReadOnlyList<ClassRejection> TailRejections { get; init; }
}
