using ILGPU;
using ILGPU.Util;

namespace Pascl.Kernels.Vectors;

/// <summary>Four numbers: 16 bytes of singles.</summary>
internal readonly struct Four(float x, float y, float z, float w) : ILanes<Four>
{
    public readonly float X = x;
    public readonly float Y = y;
    public readonly float Z = z;
    public readonly float W = w;

    public static int Width => 4;

    public static Four operator +(Four left, Four right) => new(left.X + right.X, left.Y + right.Y, left.Z + right.Z, left.W + right.W);

    public static Four operator -(Four left, Four right) => new(left.X - right.X, left.Y - right.Y, left.Z - right.Z, left.W - right.W);

    public static Four operator *(Four left, Four right) => new(left.X * right.X, left.Y * right.Y, left.Z * right.Z, left.W * right.W);

    public static Four operator *(Four left, float right) => new(left.X * right, left.Y * right, left.Z * right, left.W * right);

    public static Four Fill(float value) => new(value, value, value, value);

    public static Four Gather(ArrayView<float> values, int first, int step) =>
        new(values[first], values[first + step], values[first + (2 * step)], values[first + (3 * step)]);

    public static Four InverseSquareRoot(Four values, float summand) => new(
        One.InverseSquareRoot(values.X + summand),
        One.InverseSquareRoot(values.Y + summand),
        One.InverseSquareRoot(values.Z + summand),
        One.InverseSquareRoot(values.W + summand));

    public static Four Pass(Four values, Four gates) => new(
        One.Pass(values.X, gates.X),
        One.Pass(values.Y, gates.Y),
        One.Pass(values.Z, gates.Z),
        One.Pass(values.W, gates.W));

    public float Sum() => (X + Y) + (Z + W);

    // Selections instead of branches: a thread asks for another lane than its neighbour.
    public float Lane(int index) => Utilities.Select(index < 2, Utilities.Select(index == 0, X, Y), Utilities.Select(index == 2, Z, W));
}
