using System.Text.Json.Serialization;

namespace Pascl.Training.Model;

/// <summary>The depths of ResNet that consist of basic blocks (He et al. 2016, table 1).</summary>
public enum ResNetDepth
{
    /// <summary>2 + 2 + 2 + 2 blocks.</summary>
    [JsonStringEnumMemberName("resnet18")]
    ResNet18,

    /// <summary>3 + 4 + 6 + 3 blocks.</summary>
    [JsonStringEnumMemberName("resnet34")]
    ResNet34,
}
