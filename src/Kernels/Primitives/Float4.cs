using System.Runtime.InteropServices;
using ILGPU;

namespace Pascl.Kernels;

/// <summary>Four numbers that the GPU reads or writes at once, at an address that is a multiple of 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal readonly struct Float4(float x, float y, float z, float w)
{
    public readonly float X = x;
    public readonly float Y = y;
    public readonly float Z = z;
    public readonly float W = w;

    /// <summary>this + factor * other.</summary>
    public Float4 Plus(float factor, Float4 other) => new(X + (factor * other.X), Y + (factor * other.Y), Z + (factor * other.Z), W + (factor * other.W));

    /// <summary>Reads four elements; those from <paramref name="count"/> on are 0 and are not touched.</summary>
    /// <param name="view">Where the elements are.</param>
    /// <param name="start">The first.</param>
    /// <param name="count">Elements that exist; may be negative.</param>
    /// <param name="isAligned">Whether the first lies at a multiple of 16 bytes, so that one instruction can read all.</param>
    public static Float4 Read(ArrayView<float> view, long start, int count, bool isAligned)
    {
        if (isAligned && count >= 4)
        {
            return view.Cast<Float4>()[start / 4];
        }

        return new(count > 0 ? view[start] : 0, count > 1 ? view[start + 1] : 0, count > 2 ? view[start + 2] : 0, count > 3 ? view[start + 3] : 0);
    }

    /// <summary>Writes the first <paramref name="count"/> of the four numbers; the other arguments are those of <see cref="Read"/>.</summary>
    public void Write(ArrayView<float> view, long start, int count, bool isAligned)
    {
        if (isAligned && count >= 4)
        {
            view.Cast<Float4>()[start / 4] = this;
            return;
        }

        if (count > 0)
        {
            view[start] = X;
        }

        if (count > 1)
        {
            view[start + 1] = Y;
        }

        if (count > 2)
        {
            view[start + 2] = Z;
        }

        if (count > 3)
        {
            view[start + 3] = W;
        }
    }
}
