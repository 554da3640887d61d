namespace Pascl.Training.Reporting.Comparison;

/// <summary>Which branch gives the score and which the class.</summary>
public enum Reading
{
    /// <summary>Score of the main branch, class of the auxiliary branch.</summary>
    Deployed,

    /// <summary>Both of the main branch.</summary>
    Main,

    /// <summary>Both of the auxiliary branch.</summary>
    Auxiliary,
}
