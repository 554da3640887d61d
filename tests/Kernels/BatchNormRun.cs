using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>One forward and backward pass of BatchNorm by kernels, on random numbers, and what the reference says about it.</summary>
internal sealed class BatchNormRun<T, TElement>(BatchShape shape, int inDistributionImages, BatchNormActivation activation, int seed = 1, double mean = 0.5)
    where T : unmanaged
    where TElement : struct, IElement<T>
{
    public const double Epsilon = 1e-5;
    public const double Momentum = 0.1;

    private readonly double[] input = Rounded(seed, shape.Length, mean);
    private readonly double[] residual = Rounded(seed + 1, shape.Length, 0);
    private readonly double[] gradient = Rounded(seed + 2, shape.Length, 0.2);
    private readonly double[] weight = Normal(seed + 3, shape.Channels, 1);
    private readonly double[] bias = Normal(seed + 4, shape.Channels, 0);

    /// <summary>Everything that the kernels wrote.</summary>
    public required IReadOnlyDictionary<string, float[]> Written { get; init; }

    /// <summary>Runs the kernels. Elements may begin anywhere; not at a multiple of 16 bytes, they are taken one by one.</summary>
    public static BatchNormRun<T, TElement> Of(
        DualBatchNorm<T> kernels,
        KernelDevice device,
        BatchShape shape,
        int inDistributionImages,
        BatchNormActivation activation,
        int seed = 1,
        double mean = 0.5,
        int firstElement = 0,
        bool evaluates = false)
    {
        var numbers = new BatchNormRun<T, TElement>(shape, inDistributionImages, activation, seed, mean) { Written = new Dictionary<string, float[]>() };
        var adds = activation == BatchNormActivation.AddAndRectify;
        using var memory = new BatchNormMemory<T, TElement>(device, shape, kernels.WorkspaceLength(shape), adds, firstElement);
        var (input, gradient) = (memory.Input(numbers.input), memory.Input(numbers.gradient));
        var residual = adds ? memory.Input(numbers.residual) : default;
        var parameters = new ChannelParameters(memory.Floats(numbers.weight), memory.Floats(numbers.bias));
        var (main, auxiliary) = (memory.Running(0, 1), memory.Running(2, 3));
        var state = new DualBatchNormState(memory.State.Vector);
        if (!evaluates)
        {
            kernels.Statistics(shape, input, inDistributionImages, state, memory.Moments.Vector, memory.Workspace.Vector, (float)Momentum, main, auxiliary);
        }

        var statistics = evaluates ? main : state.All;
        kernels.Normalize(shape, input, statistics, parameters, memory.Output, activation, residual);
        kernels.Backward(
            shape, input, gradient, statistics, parameters, new(memory.WeightGradient.Vector, memory.BiasGradient.Vector),
            memory.InputGradient, memory.Workspace.Vector,
            activation, adds ? memory.Output : default, memory.ResidualGradient, evaluates);
        return new(shape, inDistributionImages, activation, seed, mean) { Written = memory.Read(evaluates) };
    }

    /// <summary>Compares all that was written with the reference.</summary>
    public void AssertAgreesWithReference(double storage, bool evaluates = false)
    {
        var all = DualBatchNormReference.Moments(input, shape, 0, shape.Images);
        var inDistribution = DualBatchNormReference.Moments(input, shape, 0, inDistributionImages);
        var (zeros, ones) = (new double[shape.Channels], Enumerable.Repeat(1.0, shape.Channels).ToArray());
        var statistics = evaluates ? (zeros, ones) : (all.Mean, all.Variance);
        var scales = new BatchNormScales(input, gradient, shape, statistics, weight, bias, residual);

        // A value passes through the additions of its channel's sums and fewer than 20 other operations.
        var sums = Tolerance.Sum(Tolerance.Single, shape.ValuesPerChannel + 20);
        if (!evaluates)
        {
            double[] scaleOfState = [.. BatchNormScales.OfMoments(input, shape, all), .. BatchNormScales.OfMoments(input, shape, inDistribution)];
            Within("state", [.. all.Mean, .. all.Variance, .. inDistribution.Mean, .. inDistribution.Variance], scaleOfState, sums);
            var main = DualBatchNormReference.Track((zeros, ones), all, Momentum);
            var auxiliary = inDistributionImages > 0 ? DualBatchNormReference.Track((zeros, ones), inDistribution, Momentum) : (Mean: zeros, Variance: ones);

            // The unbiased variance is at most twice the biased one; the old value, at most 1, is another summand.
            Within("running", [.. main.Mean, .. main.Variance, .. auxiliary.Mean, .. auxiliary.Variance],
                [.. scaleOfState.Select(scale => 1 + (2 * scale))], sums);
        }

        var output = DualBatchNormReference.Normalize(input, shape, statistics, (weight, bias), Epsilon, activation, residual);
        Within("output", output, scales.Output, sums + storage);

        // What the activation let through is decided by the rounded output, which the line above has checked.
        var rounded = Written["output"].Select(value => (double)value).ToArray();
        var gradients = DualBatchNormReference.Backward(input, rounded, gradient, shape, statistics, (weight, bias), Epsilon, activation, evaluates);
        Within("weight gradient", gradients.Weight, scales.WeightGradient, sums);
        Within("bias gradient", gradients.Bias, scales.BiasGradient, sums);
        Within("input gradient", gradients.Input, scales.InputGradient, sums + (storage * 2));
        if (activation == BatchNormActivation.AddAndRectify)
        {
            Assert.That(Written["residual gradient"], Is.EqualTo(gradients.Residual));
        }
    }

    private static double[] Rounded(int seed, long count, double mean) =>
        [.. Normal(seed, (int)count, mean).Select(value => (double)TElement.ToSingle(TElement.FromSingle((float)value)))];

    private static double[] Normal(int seed, int count, double mean)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count)
            .Select(_ => (double)(float)(mean + (Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))))];
    }

    private void Within(string name, IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative)
    {
        try
        {
            Tolerance.AssertWithin(Written[name], expected, scales, relative);
        }
        catch (AssertionException)
        {
            TestContext.Out.WriteLine($"In the {name} of {shape}:");
            throw;
        }
    }
}
