namespace Pascl.Training.Evaluation;

/// <summary>Classes by their number of training images.</summary>
public enum ShotGroup
{
    /// <summary>The head of the distribution.</summary>
    Many,

    /// <summary>Between head and tail.</summary>
    Medium,

    /// <summary>The tail of the distribution.</summary>
    Few,
}
