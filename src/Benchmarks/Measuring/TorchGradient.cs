using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Benchmarks.Measuring;

/// <summary>An operation and its gradient by torch: for the check, and for the clock.</summary>
internal static class TorchGradient
{
    /// <summary>The gradient of an operation's result with respect to a tensor of float32.</summary>
    /// <param name="operation">A scalar, or anything where <paramref name="upstream"/> is given.</param>
    /// <param name="input">What it depends on.</param>
    /// <param name="upstream">The gradient with respect to the result; null for 1.</param>
    public static float[] Of(Func<Tensor> operation, Tensor input, Tensor? upstream = null)
    {
        using var scope = NewDisposeScope();
        return Compute(operation, input, upstream).cpu().data<float>().ToArray();
    }

    /// <summary>Computes the gradient, and waits until it is there.</summary>
    public static void Run(Func<Tensor> operation, Tensor input, Tensor? upstream = null)
    {
        using var scope = NewDisposeScope();
        if (input.device_type == DeviceType.CUDA)
        {
            DeviceTimes.Measure(() => Compute(operation, input, upstream), calls: 1);
        }
        else
        {
            Compute(operation, input, upstream);
        }
    }

    private static Tensor Compute(Func<Tensor> operation, Tensor input, Tensor? upstream) =>
        autograd.grad([operation()], [input], upstream is null ? null : [upstream])[0];
}
