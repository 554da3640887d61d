using Pascl.Training.Interop;
using Pascl.Training.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>The network of <c>model.json</c>: made as training makes it, then given weights by a formula.</summary>
internal static class GoldenModel
{
    private const uint FirstSeed = 7000;

    /// <summary>Creates the network; the formula is for the main branch, and numbers its entries in the order of <paramref name="keys"/>.</summary>
    /// <param name="keys">Names in <c>state_dict</c>.</param>
    /// <param name="precision">What it computes in.</param>
    /// <param name="device">Where it is.</param>
    public static DualBranchResNet Create(IEnumerable<string> keys, GoldenPrecision precision, ComputeDevice device)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var model = Trainer.CreateModel(GoldenTraining.Recipe(precision.Convolutions), GoldenTraining.Data.Training.ClassCount, device);
        var state = model.state_dict();
        var seed = FirstSeed;
        foreach (var key in keys.Where(key => !key.EndsWith("num_batches_tracked", StringComparison.Ordinal)))
        {
            var entry = state[key];
            var values = GoldenInputs.Sequence(seed++, (int)entry.numel());
            entry.copy_(tensor(Array.ConvertAll(values, Formula(key, entry.shape))).reshape(entry.shape));
        }

        return model.to(precision.Parameters);
    }

    private static Converter<double, float> Formula(string key, long[] shape)
    {
        if (shape.Length >= 2)
        {
            var fanIn = shape.Skip(1).Aggregate(1L, (product, size) => product * size);
            return value => (float)(value * 2 * Math.Sqrt(6.0 / fanIn));
        }

        var isScale = key.EndsWith("running_var", StringComparison.Ordinal) || key.EndsWith("weight", StringComparison.Ordinal);
        return isScale ? value => (float)(1 + (0.2 * value)) : value => (float)(0.1 * value);
    }
}
