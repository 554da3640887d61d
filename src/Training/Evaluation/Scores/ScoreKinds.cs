namespace Pascl.Training.Evaluation.Scores;

/// <summary>Every out-of-distribution score, by name.</summary>
public static class ScoreKinds
{
    /// <summary>All scores, in the order in which tables show them.</summary>
    public static IReadOnlyList<ScoreKind> All { get; } =
    [
        new MaximumSoftmaxScore(),
        new MaximumLogitScore(),
        new EnergyScore(),
        new EntropyScore(),
        new OdinScore(),
        new MahalanobisScore(normalised: false),
        new MahalanobisScore(normalised: true),
        new NearestNeighbourScore(),
        new GradNormScore(),
        new MaximumSoftmaxPriorScore(),
        new MaximumLogitPriorScore(),
        new EnergyPriorScore(),
        new EntropyPriorScore(),
        new OdinPriorScore(),
        new GradNormPriorScore(),
        new MaximumSoftmaxImbalanceScore(),
        new EnergyImbalanceScore(),
        new FeatureImbalanceScore(new MahalanobisScore(normalised: false), strength: 0.01),
        new FeatureImbalanceScore(new GradNormScore(), strength: 10),
    ];

    /// <summary>Those that a deployed model computes, see <see cref="ScoreKind.IsOfLogits"/>.</summary>
    public static IEnumerable<ScoreKind> OfLogits => All.Where(kind => kind.IsOfLogits);

    /// <summary>The score of a name.</summary>
    /// <exception cref="InputException">There is none; the message lists the names.</exception>
    public static ScoreKind Find(string name) =>
        All.FirstOrDefault(kind => kind.Name == name)
        ?? throw new InputException($"There is no score '{name}'; the scores are {string.Join(", ", All.Select(kind => kind.Name))}.");
}
