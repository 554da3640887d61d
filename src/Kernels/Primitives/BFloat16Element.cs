namespace Pascl.Kernels;

/// <summary>Tensors of <see cref="BFloat16"/>.</summary>
public readonly struct BFloat16Element : IElement<BFloat16>
{
    /// <inheritdoc/>
    public static float ToSingle(BFloat16 value) => value;

    /// <inheritdoc/>
    public static BFloat16 FromSingle(float value) => (BFloat16)value;
}
