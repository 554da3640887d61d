namespace Pascl.Kernels;

/// <summary>Tensors of <see cref="float"/>.</summary>
public readonly struct SingleElement : IElement<float>
{
    /// <inheritdoc/>
    public static float ToSingle(float value) => value;

    /// <inheritdoc/>
    public static float FromSingle(float value) => value;
}
