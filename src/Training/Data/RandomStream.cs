namespace Pascl.Training.Data;

/// <summary>The independent streams of random numbers that one seed has, so that no two uses draw the same numbers.</summary>
internal static class RandomStream
{
    /// <summary>Augmentation of the first view; the second view has the next number.</summary>
    public const int FirstView = 0;

    /// <summary>Augmentation of the outliers.</summary>
    public const int Outlier = 2;

    /// <summary>Order of the in-distribution images.</summary>
    public const int TrainingOrder = 3;

    /// <summary>Order of the outliers.</summary>
    public const int OutlierOrder = 4;

    /// <summary>Which training images are held out.</summary>
    public const int HoldOut = 5;

    /// <summary>Which head images outliers are pushed away from.</summary>
    public const int HeadImages = 6;

    /// <summary>The box of tail images that are pasted onto head images.</summary>
    public const int BoxOnHead = 7;

    /// <summary>The box of tail images that are pasted onto outliers.</summary>
    public const int BoxOnOutliers = 8;

    /// <summary>First of the streams of synthetic images.</summary>
    public const int Synthetic = 16;

    /// <summary>First of the streams of the built-in sets of noise.</summary>
    public const int Noise = 24;
}
