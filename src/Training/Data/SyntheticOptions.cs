namespace Pascl.Training.Data;

/// <summary>How many synthetic images there are and how hard they are to tell apart.</summary>
public sealed record SyntheticOptions
{
    /// <summary>Rows and columns of every image.</summary>
    public int Size { get; init; } = 16;

    /// <summary>Training images of the most frequent class.</summary>
    public int LargestClass { get; init; } = 600;

    /// <summary>Images of the rarest class over those of the most frequent.</summary>
    public double ImbalanceRatio { get; init; } = 0.03;

    /// <summary>Test images of every class.</summary>
    public int TestPerClass { get; init; } = 60;

    /// <summary>Outlier images for training.</summary>
    public int OutlierCount { get; init; } = 2000;

    /// <summary>Images in each out-of-distribution test set.</summary>
    public int OutOfDistributionCount { get; init; } = 600;

    /// <summary>Difference of the two colours of a texture; smaller is harder.</summary>
    public float Contrast { get; init; } = 0.7f;

    /// <summary>Standard deviation of the noise of every pixel, where the range of a colour is 1; larger is harder.</summary>
    public float Noise { get; init; } = 0.05f;
}
