using System.Text.Json.Serialization;

namespace Pascl.Training.Recipes;

/// <summary>What the first phase is trained with; the second phase is the same for all.</summary>
public enum Method
{
    /// <summary>Cross entropy of the in-distribution images alone; no outliers.</summary>
    [JsonStringEnumMemberName("ce")]
    CrossEntropy,

    /// <summary>Cross entropy and outlier exposure (Hendrycks et al., ICLR 2019).</summary>
    [JsonStringEnumMemberName("oe")]
    OutlierExposure,

    /// <summary>Cross entropy, outlier exposure and the partial asymmetric contrastive loss (Wang et al., ICML 2022).</summary>
    [JsonStringEnumMemberName("pascl")]
    Pascl,
}
