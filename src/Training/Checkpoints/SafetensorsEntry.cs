using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>What the header of a safetensors file says of one tensor.</summary>
/// <param name="Type">Type of the elements.</param>
/// <param name="Shape">Length of every dimension; empty for a scalar.</param>
/// <param name="Offset">Position of the first byte in the file.</param>
/// <param name="ByteCount">Bytes of all elements.</param>
public sealed record SafetensorsEntry(torch.ScalarType Type, IReadOnlyList<long> Shape, long Offset, long ByteCount)
{
    /// <summary>Type and shape as messages show them: <c>Float32 (64, 3, 3, 3)</c>.</summary>
    internal static string Describe(torch.ScalarType type, IReadOnlyList<long> shape) => $"{type} ({string.Join(", ", shape)})";
}
