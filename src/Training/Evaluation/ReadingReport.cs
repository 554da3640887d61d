using Pascl.Training.Model;

namespace Pascl.Training.Evaluation;

/// <summary>One way of using the two branches.</summary>
/// <param name="ScoreBranch">The branch that gives the out-of-distribution score.</param>
/// <param name="ClassBranch">The branch that gives the class.</param>
/// <param name="Classification">Classification of the test images.</param>
/// <param name="Sets">Detection of each out-of-distribution set.</param>
/// <param name="Average">The mean over the sets, or null where there are none.</param>
public sealed record ReadingReport(
    Branch ScoreBranch, Branch ClassBranch, LongTailMetrics Classification, IReadOnlyList<OodSetReport> Sets, OodResult? Average);
