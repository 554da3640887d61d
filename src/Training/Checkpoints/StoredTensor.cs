using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>What a file says of a tensor.</summary>
/// <param name="Type">Type of the elements.</param>
/// <param name="Shape">Length of every dimension; empty for a scalar.</param>
internal sealed record StoredTensor(torch.ScalarType Type, IReadOnlyList<long> Shape)
{
    /// <summary>Whether a tensor has this type and shape.</summary>
    public bool Fits(torch.Tensor tensor) => tensor.dtype == Type && tensor.shape.SequenceEqual(Shape);

    /// <inheritdoc/>
    public override string ToString() => SafetensorsEntry.Describe(Type, Shape);
}
