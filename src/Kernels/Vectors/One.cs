using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace Pascl.Kernels.Vectors;

/// <summary>One number.</summary>
internal readonly struct One(float x) : ILanes<One>
{
    public readonly float X = x;

    public static int Width => 1;

    public static One operator +(One left, One right) => new(left.X + right.X);

    public static One operator -(One left, One right) => new(left.X - right.X);

    public static One operator *(One left, One right) => new(left.X * right.X);

    public static One operator *(One left, float right) => new(left.X * right);

    public static One Fill(float value) => new(value);

    public static One Gather(ArrayView<float> values, int first, int step) => new(values[first]);

    public static One InverseSquareRoot(One values, float summand) => new(InverseSquareRoot(values.X + summand));

    public static One Pass(One values, One gates) => new(Pass(values.X, gates.X));

    public float Sum() => X;

    public float Lane(int index) => X;

    internal static float InverseSquareRoot(float value) => 1 / XMath.Sqrt(value);

    internal static float Pass(float value, float gate) => Utilities.Select(gate <= 0, 0f, value);
}
