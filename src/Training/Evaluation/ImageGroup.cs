namespace Pascl.Training.Evaluation;

/// <summary>Images by what the long tail and the detection make of them.</summary>
public enum ImageGroup
{
    /// <summary>Test images of the head classes.</summary>
    Head,

    /// <summary>Test images of the tail classes.</summary>
    Tail,

    /// <summary>Images of none of the classes.</summary>
    OutOfDistribution,
}
