namespace Pascl.Kernels;

/// <summary>How a kernel reads and writes elements of one type: it computes in <see cref="float"/> whatever the tensors hold.</summary>
/// <typeparam name="T">What the tensors hold.</typeparam>
public interface IElement<T>
    where T : unmanaged
{
    /// <summary>The same number.</summary>
    static abstract float ToSingle(T value);

    /// <summary>The nearest number of the type.</summary>
    static abstract T FromSingle(float value);
}
