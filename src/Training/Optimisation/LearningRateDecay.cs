namespace Pascl.Training.Optimisation;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>It does not.</summary>
    Constant,

    /// <summary>Along half a cosine to 0 at the end.</summary>
    Cosine,

    /// <summary>By a factor at every milestone.</summary>
    MultiStep,
}
