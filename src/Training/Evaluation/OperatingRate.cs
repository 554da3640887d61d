namespace Pascl.Training.Evaluation;

/// <summary>The rate by which a threshold is chosen; out-of-distribution is positive.</summary>
public enum OperatingRate
{
    /// <summary>Share of in-distribution images called out-of-distribution.</summary>
    FalsePositive,

    /// <summary>Share of out-of-distribution images called so.</summary>
    TruePositive,
}
