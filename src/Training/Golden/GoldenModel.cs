using Pascl.Training.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Golden;

/// <summary>The ResNet18 whose weights are a formula, and the images it is shown: the inputs of <c>model.json</c>.</summary>
internal static class GoldenModel
{
    private const uint FirstSeed = 7000;
    private const uint ImageSeed = 6000;

    /// <summary>Training images per class of CIFAR10-LT.</summary>
    public static readonly int[] TrainingCounts = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50];

    /// <summary>The classes of the first phase's six images.</summary>
    public static readonly long[] FirstPhaseLabels = [0, 3, 6, 6, 8, 9];

    /// <summary>The classes of the second phase's sixteen images.</summary>
    public static readonly long[] SecondPhaseLabels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 1, 1, 2, 3];

    /// <summary>The tail: four classes of ten.</summary>
    public static readonly bool[] IsTail = [.. Enumerable.Range(0, 10).Select(label => label >= 6)];

    /// <summary>Weights that repeat the float32 rounding of 1/|P| in the authors' code: class 6 has two images, so each of its rows has three positives.</summary>
    public static readonly double[] ClassWeights = [.. Enumerable.Range(0, 10).Select(label => label == 6 ? 3 * (double)(1f / 3) : 1)];

    /// <summary>Creates the network with both branches equal; the formula numbers the main branch's entries in the order of <paramref name="keys"/>.</summary>
    public static DualBranchResNet Create(IEnumerable<string> keys, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var model = new DualBranchResNet(ResNetDepth.ResNet18, 10);
        var state = model.state_dict();
        var seed = FirstSeed;
        foreach (var key in keys.Where(key => !key.EndsWith("num_batches_tracked", StringComparison.Ordinal)))
        {
            var entry = state[key];
            var values = GoldenInputs.Sequence(seed++, (int)entry.numel());
            entry.copy_(tensor(Array.ConvertAll(values, Formula(key, entry.shape))).reshape(entry.shape));
        }

        model.CopyMainToAuxiliary();
        return model.to(type);
    }

    /// <summary>The sixteen images, (16, 3, 32, 32).</summary>
    public static Tensor Images(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var values = GoldenInputs.Sequence(ImageSeed, 16 * 3 * 32 * 32);
        return tensor(Array.ConvertAll(values, value => value + 0.5), type).reshape(16, 3, 32, 32).MoveToOuterDisposeScope();
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
