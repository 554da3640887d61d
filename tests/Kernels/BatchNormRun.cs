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

    /// <summary>What it was run on.</summary>
    public (double[] Input, double[] Residual, double[] Gradient, double[] Weight, double[] Bias) Numbers => (input, residual, gradient, weight, bias);

    /// <summary>Of a block, at least.</summary>
    public int Threads { get; init; } = 32;

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
        bool evaluates = false,
        int threads = 32)
    {
        var numbers = new BatchNormRun<T, TElement>(shape, inDistributionImages, activation, seed, mean) { Written = new Dictionary<string, float[]>() };
        using var workspace = device.Allocate<float>(kernels.WorkspaceLength(shape));
        using var pass = numbers.Begin(kernels, device, workspace.Vector, firstElement, evaluates);
        return new(shape, inDistributionImages, activation, seed, mean) { Written = pass.End(), Threads = threads };
    }

    /// <summary>Runs the kernels on parts of the batch, as many images in each as are given, each with the moments and the sums of all.</summary>
    public static BatchNormRun<T, TElement> OfParts(DualBatchNorm<T> kernels, KernelDevice device, BatchShape shape, int[] imagesOfParts, BatchNormActivation activation)
    {
        var numbers = new BatchNormRun<T, TElement>(shape, shape.Images, activation) { Written = new Dictionary<string, float[]>() };
        return new(shape, shape.Images, activation) { Written = BatchNormParts<T, TElement>.Run(kernels, device, numbers, shape, imagesOfParts, activation) };
    }

    /// <summary>The forward pass; the backward pass may come later than that of another batch.</summary>
    public BatchNormPass<T, TElement> Begin(
        DualBatchNorm<T> kernels, KernelDevice device, DeviceVector<float> workspace, int firstElement = 0, bool evaluates = false)
    {
        var adds = activation == BatchNormActivation.AddAndRectify;
        var memory = new BatchNormMemory<T, TElement>(device, shape, workspace, adds, firstElement);
        var (values, slopes) = (memory.Input(input), memory.Input(gradient));
        var added = adds ? memory.Input(residual) : default;
        var parameters = new ChannelParameters(memory.Floats(weight), memory.Floats(bias));
        var (main, auxiliary) = (memory.Running(0, 1), memory.Running(2, 3));
        var state = new DualBatchNormState(memory.State.Vector);
        if (!evaluates)
        {
            kernels.Statistics(shape, values, inDistributionImages, state, memory.Moments.Vector, workspace, (float)Momentum, main, auxiliary);
        }

        var statistics = evaluates ? main : state.All;
        kernels.Normalize(shape, values, statistics, parameters, memory.Output, activation, added);
        return new(memory, evaluates, () => kernels.Backward(
            shape, values, slopes, statistics, parameters, new(memory.WeightGradient.Vector, memory.BiasGradient.Vector),
            memory.InputGradient, workspace,
            activation, adds ? memory.Output : default, memory.ResidualGradient, evaluates));
    }

    /// <summary>Compares all that was written with the reference, which has the rounded inputs: the kernels' arithmetic is in float32, and only results are rounded.</summary>
    public void AssertAgreesWithReference(bool evaluates = false)
    {
        var all = DualBatchNormReference.Moments(input, shape, 0, shape.Images);
        var inDistribution = DualBatchNormReference.Moments(input, shape, 0, inDistributionImages);
        var (zeros, ones) = (new double[shape.Channels], Enumerable.Repeat(1.0, shape.Channels).ToArray());
        var statistics = evaluates ? (zeros, ones) : (all.Mean, all.Variance);
        var scales = new BatchNormScales(input, gradient, shape, statistics, weight, bias, residual);

        // A value passes through the additions of its thread's sums, of which a block of more than one warp has as many at least, then through those of the threads,
        // and fewer than 20 other operations.
        var warps = Threads / 32;
        var sums = Tolerance.Sum(Tolerance.Single, ((shape.ValuesPerChannel + warps - 1) / warps) + (warps > 1 ? Threads : 0) + 20);
        if (!evaluates)
        {
            double[] scaleOfState = [.. BatchNormScales.OfMoments(input, shape, all), .. BatchNormScales.OfMoments(input, shape, inDistribution)];
            Within("state", [.. all.Mean, .. all.Variance, .. inDistribution.Mean, .. inDistribution.Variance], scaleOfState, sums);
            if (Written.ContainsKey("running"))
            {
                var main = DualBatchNormReference.Track((zeros, ones), all, Momentum);
                var auxiliary = inDistributionImages > 0 ? DualBatchNormReference.Track((zeros, ones), inDistribution, Momentum) : (Mean: zeros, Variance: ones);

                // The unbiased variance is at most twice the biased one; the old value, at most 1, is another summand.
                Within("running", [.. main.Mean, .. main.Variance, .. auxiliary.Mean, .. auxiliary.Variance],
                    [.. scaleOfState.Select(scale => 1 + (2 * scale))], sums);
            }
        }

        var output = DualBatchNormReference.Normalize(input, shape, statistics, (weight, bias), Epsilon, activation, residual);
        Stored("output", output, scales.Output, sums);

        // What the activation let through is decided by the rounded output, which the line above has checked.
        var rounded = Written["output"].Select(value => (double)value).ToArray();
        var gradients = DualBatchNormReference.Backward(input, rounded, gradient, shape, statistics, (weight, bias), Epsilon, activation, evaluates);
        Within("weight gradient", gradients.Weight, scales.WeightGradient, sums);
        Within("bias gradient", gradients.Bias, scales.BiasGradient, sums);
        Stored("input gradient", gradients.Input, scales.InputGradient, sums);
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

    // Of the element type.
    private void Stored(string name, IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative) => Named(name, () =>
    {
        Tolerance.AssertRounded(Written[name], expected, scales, relative, value => TElement.ToSingle(TElement.FromSingle(value)));
        RefusesMistakes(expected, scales, relative);
    });

    private void Within(string name, IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative) =>
        Named(name, () => Tolerance.AssertWithin(Written[name], expected, scales, relative));

    // Two values of a channel are equally far from their mean, so that their gradients cancel but for the share of epsilon.
    private void RefusesMistakes(IReadOnlyList<double> expected, IReadOnlyList<double> scales, double relative)
    {
        if (shape.ValuesPerChannel > 8 && Math.Abs(mean) < 10)
        {
            Tolerance.AssertRefusesNothingAndTheOpposite(expected, scales, relative);
        }
    }

    private void Named(string name, Action check)
    {
        try
        {
            check();
        }
        catch (AssertionException)
        {
            TestContext.Out.WriteLine($"In the {name} of {shape}:");
            throw;
        }
    }
}

/// <summary>A batch between its forward pass and its backward pass.</summary>
internal sealed class BatchNormPass<T, TElement>(BatchNormMemory<T, TElement> memory, bool evaluates, Action backward) : IDisposable
    where T : unmanaged
    where TElement : struct, IElement<T>
{
    /// <summary>Runs the backward pass.</summary>
    /// <returns>Everything that the kernels wrote.</returns>
    public IReadOnlyDictionary<string, float[]> End()
    {
        backward();
        return memory.Read(evaluates);
    }

    public void Dispose() => memory.Dispose();
}
