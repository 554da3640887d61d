namespace Pascl.Training.Evaluation.Scores;

/// <summary>The finite numbers that a parameter of a score may be.</summary>
public enum ScoreParameterRange
{
    /// <summary>Above 0.</summary>
    Positive,

    /// <summary>0 or more.</summary>
    NonNegative,

    /// <summary>1, 2, 3, ...</summary>
    PositiveInteger,

    /// <summary>0, 1, 2, ...</summary>
    NonNegativeInteger,
}
