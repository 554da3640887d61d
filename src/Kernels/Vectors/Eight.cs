using ILGPU;
using ILGPU.Util;

namespace Pascl.Kernels.Vectors;

/// <summary>Eight numbers: 16 bytes of 16-bit numbers.</summary>
internal readonly struct Eight(Four low, Four high) : ILanes<Eight>
{
    public readonly Four Low = low;
    public readonly Four High = high;

    public static int Width => 8;

    public static Eight operator +(Eight left, Eight right) => new(left.Low + right.Low, left.High + right.High);

    public static Eight operator -(Eight left, Eight right) => new(left.Low - right.Low, left.High - right.High);

    public static Eight operator *(Eight left, Eight right) => new(left.Low * right.Low, left.High * right.High);

    public static Eight operator *(Eight left, float right) => new(left.Low * right, left.High * right);

    public static Eight Fill(float value) => new(Four.Fill(value), Four.Fill(value));

    public static Eight Gather(ArrayView<float> values, int first, int step) =>
        new(Four.Gather(values, first, step), Four.Gather(values, first + (4 * step), step));

    public static Eight InverseSquareRoot(Eight values, float summand) =>
        new(Four.InverseSquareRoot(values.Low, summand), Four.InverseSquareRoot(values.High, summand));

    public static Eight Pass(Eight values, Eight gates) => new(Four.Pass(values.Low, gates.Low), Four.Pass(values.High, gates.High));

    public float Sum() => Low.Sum() + High.Sum();

    public float Lane(int index) => Utilities.Select(index < 4, Low.Lane(index), High.Lane(index - 4));
}
