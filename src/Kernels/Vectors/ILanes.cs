using ILGPU;

namespace Pascl.Kernels.Vectors;

/// <summary>
/// A few numbers that one thread handles at once inside a kernel, each by itself. Fields instead of an array, so that they stay in registers.
/// </summary>
internal interface ILanes<TSelf>
    where TSelf : unmanaged, ILanes<TSelf>
{
    /// <summary>How many.</summary>
    static abstract int Width { get; }

    /// <summary>Sums.</summary>
    static abstract TSelf operator +(TSelf left, TSelf right);

    /// <summary>Differences.</summary>
    static abstract TSelf operator -(TSelf left, TSelf right);

    /// <summary>Products.</summary>
    static abstract TSelf operator *(TSelf left, TSelf right);

    /// <summary>Each times one factor.</summary>
    static abstract TSelf operator *(TSelf left, float right);

    /// <summary>The same number in each.</summary>
    static abstract TSelf Fill(float value);

    /// <summary>The values at <c>first</c>, <c>first + step</c>, ...</summary>
    static abstract TSelf Gather(ArrayView<float> values, int first, int step);

    /// <summary>1 / sqrt(each + summand).</summary>
    static abstract TSelf InverseSquareRoot(TSelf values, float summand);

    /// <summary>
    /// The values whose gate is above 0, and 0 for the others; a gate that is not a number lets through, so that one in the input is not lost.
    /// </summary>
    static abstract TSelf Pass(TSelf values, TSelf gates);

    /// <summary>Their sum.</summary>
    float Sum();

    /// <summary>One of them.</summary>
    float Lane(int index);
}
