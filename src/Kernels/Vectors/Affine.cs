using ILGPU;

namespace Pascl.Kernels.Vectors;

/// <summary>A thread's channels of (x - mean) / sqrt(variance + epsilon) * weight + bias.</summary>
internal readonly struct Affine<TLanes>(TLanes mean, TLanes inverseDeviation, TLanes factor, TLanes bias)
    where TLanes : unmanaged, ILanes<TLanes>
{
    public readonly TLanes Mean = mean;
    public readonly TLanes InverseDeviation = inverseDeviation;
    public readonly TLanes Factor = factor;
    public readonly TLanes Bias = bias;

    /// <summary>Reads the channels <c>channel</c>, <c>channel + step</c>, ...</summary>
    public static Affine<TLanes> Of(
        ArrayView<float> means, ArrayView<float> variances, ArrayView<float> weight, ArrayView<float> bias, float epsilon, int channel, int step)
    {
        var inverse = TLanes.InverseSquareRoot(TLanes.Gather(variances, channel, step), epsilon);
        return new(TLanes.Gather(means, channel, step), inverse, inverse * TLanes.Gather(weight, channel, step), TLanes.Gather(bias, channel, step));
    }

    /// <summary>The difference first: multiplied out, a mean far from 0 would cost accuracy.</summary>
    public TLanes Apply(TLanes input) => ((input - Mean) * Factor) + Bias;
}
