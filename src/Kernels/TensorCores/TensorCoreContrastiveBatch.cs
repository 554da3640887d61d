using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>A batch for the contrastive loss, in a device's memory.</summary>
/// <param name="Rows">(M + K, width): M anchors, then K outliers. Rows have unit length.</param>
/// <param name="Labels">(M): the class of each anchor, from 0 to <paramref name="Classes"/> - 1. This is not checked.</param>
/// <param name="ClassWeights">(classes): what an anchor's loss is multiplied by; empty for 1 each.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Temperature">Divides the similarities.</param>
public readonly record struct TensorCoreContrastiveBatch(
    DeviceMatrix<float> Rows,
    DeviceVector<int> Labels,
    DeviceVector<float> ClassWeights,
    int Classes,
    float Temperature);
