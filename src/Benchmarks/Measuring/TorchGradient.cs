using static TorchSharp.torch;

namespace Pascl.Benchmarks.Measuring;

/// <summary>A loss and its gradient by torch: for the check, and for the clock.</summary>
internal static class TorchGradient
{
    /// <summary>The gradient of a loss with respect to a tensor of float32.</summary>
    public static float[] Of(Func<Tensor> loss, Tensor input)
    {
        using var scope = NewDisposeScope();
        return autograd.grad([loss()], [input])[0].cpu().data<float>().ToArray();
    }

    /// <summary>Computes the gradient, and waits until it is there.</summary>
    public static void Run(Func<Tensor> loss, Tensor input)
    {
        using var scope = NewDisposeScope();
        autograd.grad([loss()], [input]);
        BenchmarkMachine.Synchronize(input.device);
    }
}
