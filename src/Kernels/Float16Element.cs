using Half = ILGPU.Half;

namespace Pascl.Kernels;

/// <summary>Tensors of IEEE half precision.</summary>
public readonly struct Float16Element : IElement<Half>
{
    /// <inheritdoc/>
    public static float ToSingle(Half value) => value;

    /// <inheritdoc/>
    public static Half FromSingle(float value) => (Half)value;
}
