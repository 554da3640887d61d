using System.Text.Json.Serialization;

namespace Pascl.Training.Recipes;

/// <summary>What a network is trained with and how its outputs are read; <c>Methods/</c> defines each.</summary>
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

    /// <summary>Cross entropy and squared hinges of the energy (Liu et al., NeurIPS 2020).</summary>
    [JsonStringEnumMemberName("energy-oe")]
    EnergyOutlierExposure,

    /// <summary>Balanced energy regularisation (Choi et al., CVPR 2023).</summary>
    [JsonStringEnumMemberName("berl")]
    Berl,

    /// <summary>Calibrated outlier class learning (Miao et al., AAAI 2024).</summary>
    [JsonStringEnumMemberName("cocl")]
    Cocl,

    /// <summary>Dynamic outlier class learning with tail CutMix (Wei et al., AAAI 2024).</summary>
    [JsonStringEnumMemberName("eat")]
    Eat,
}
