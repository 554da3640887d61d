namespace Pascl.Training.Evaluation;

/// <summary>Where the lines between many, medium and few training images are drawn.</summary>
public enum ShotRule
{
    /// <summary>
    /// With the C training counts sorted descending: many = more images than the class at position floor(0.34 C), few = fewer than the one
    /// at floor(0.67 C), both from 0. The rule for CIFAR-LT (github.com/amazon-science/long-tailed-ood-detection,
    /// <c>utils/ltr_metrics.py</c>).
    /// </summary>
    Rank,

    /// <summary>Many = more than 100 training images, few = fewer than 20. The rule for ImageNet-LT.</summary>
    Count,
}
