using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using static TorchSharp.torch;

namespace Pascl.Training.Networks;

/// <summary>Batches that a run sends through the network, and the gradients that it asks for.</summary>
/// <param name="Name">What they are, such as <c>representation</c>.</param>
/// <param name="Images">Images in a batch, N.</param>
/// <param name="ImageGradient">Whether gradients of the images themselves are needed.</param>
/// <param name="InputGradient">Whether gradients flow back through the convolutions.</param>
/// <param name="WeightGradient">Whether the convolutions are trained.</param>
public sealed record ConvolutionUse(string Name, long Images, bool ImageGradient = false, bool InputGradient = false, bool WeightGradient = false)
{
    /// <summary>Those that compute something that no other does: a convolution does not know what its values are for.</summary>
    internal static ConvolutionUse[] WithoutCovered(IEnumerable<ConvolutionUse> uses)
    {
        List<ConvolutionUse> kept = [];
        foreach (var use in uses.Where(use => !kept.Exists(other => Covers(other, use))))
        {
            kept.RemoveAll(other => Covers(use, other));
            kept.Add(use);
        }

        return [.. kept];

        static bool Covers(ConvolutionUse one, ConvolutionUse other) =>
            one.Images == other.Images && (one.InputGradient || !other.InputGradient) && (one.WeightGradient || !other.WeightGradient);
    }

    /// <summary>The batches of an evaluation; with <paramref name="imageGradient"/> also those of a score that moves the images along their gradients.</summary>
    internal static IEnumerable<ConvolutionUse> Evaluation(IEnumerable<ImageSet> sets, int batchSize, bool imageGradient = false) =>
        EvaluationBatches.Sizes(sets, batchSize).Select(images => new ConvolutionUse("evaluation", images, imageGradient));
}

/// <summary>How far computed values are from the truth.</summary>
/// <param name="Error">The largest difference over the largest true value; infinite where a value is not a number.</param>
/// <param name="AllowedError">What rounding explains.</param>
public readonly record struct ConvolutionDeviation(double Error, double AllowedError)
{
    /// <summary>Whether rounding explains the difference.</summary>
    public bool Passed => Error <= AllowedError;
}

/// <summary>One convolution as it was found on this machine.</summary>
/// <param name="Shape">Channels, kernel, stride and groups.</param>
/// <param name="Height">Rows of the input.</param>
/// <param name="Width">Columns of the input.</param>
/// <param name="Use">The batch that it was computed on.</param>
/// <param name="Way">How it was computed.</param>
/// <param name="Output">Of the output.</param>
/// <param name="InputGradient">Of the gradient of the input; null where the run does not need it.</param>
/// <param name="WeightGradient">Of the gradient of the weights; null where the run does not need it.</param>
public sealed record ConvolutionResult(
    ConvolutionShape Shape,
    long Height,
    long Width,
    ConvolutionUse Use,
    ConvolutionWay Way,
    ConvolutionDeviation Output,
    ConvolutionDeviation? InputGradient,
    ConvolutionDeviation? WeightGradient)
{
    /// <summary>Whether rounding explains all differences.</summary>
    public bool Passed => Parts.All(part => part.Deviation.Passed);

    /// <summary>What was compared, by name.</summary>
    public IEnumerable<(string Name, ConvolutionDeviation Deviation)> Parts =>
        new (string Name, ConvolutionDeviation? Deviation)[] { ("output", Output), ("gradient of the input", InputGradient), ("gradient of the weights", WeightGradient) }
            .Where(part => part.Deviation is not null)
            .Select(part => (part.Name, part.Deviation!.Value));
}

/// <summary>
/// Compares convolutions as a run computes them (its batch, layout, type, precision, threads, device) with the same in double by plain loops
/// (<see cref="ConvolutionReference"/>), because a native library can be wrong without a word: oneDNN up to 3.7 returns garbage in the last block of channels for
/// some shapes on some processors, at times only in a later call.
/// </summary>
/// <remarks>
/// Everything is computed twice. All values must be finite, and compared are: for every output channel and every input channel the first and last position and two
/// others, and of the weights every output channel and every input channel with two partners, and every pair of first and last channels of blocks of 16 and 48.
/// Factors are multiples of 2^-10 in (-1, 1) for float32 (so that TF32, which cuDNN may use, has the same factors) and of 2^-7 for bfloat16. A sum of L such products has
/// a standard deviation of sqrt(L) / 3, and summing it in float32 one by one has a rounding error of 0.14 L 2^-24 (the random walk of L roundings); allowed is 16 times
/// that, and in bfloat16 four roundings of a value as large as four standard deviations, or of the value itself, besides. A wrong block is off by tens of per cent.
/// </remarks>
public static class ConvolutionCheck
{
    private const int Calls = 2;
    private const int PositionsPerChannel = 4;
    private const int PartnersPerChannel = 2;
    private static readonly long[] Blocks = [16, 48];

    /// <summary>
    /// Checks every distinct convolution of a network. One that is wrong by libtorch's convolution is computed by a matrix product from then on, which is checked as well.
    /// </summary>
    /// <param name="network">The network, on the run's device, its weights in the run's layout.</param>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    /// <param name="uses">What the run sends through it.</param>
    /// <exception cref="InputException">A convolution is wrong in every way.</exception>
    public static ConvolutionReport Run(DualBranchNetwork network, long height, long width, params IReadOnlyList<ConvolutionUse> uses)
    {
        var results = new List<ConvolutionResult>();
        var visited = network.Convolutions(height, width).ToArray();
        if (visited.Length == 0)
        {
            return new ConvolutionReport(results);
        }

        var images = visited[0].Convolution;
        var channelsLast = ChannelsLast.IsLayoutOf(images.Weight);
        using var factors = new ConvolutionFactors(network.Precision);
        foreach (var group in visited.GroupBy(place => (place.Convolution.Shape, place.Height, place.Width)))
        {
            var convolution = group.First().Convolution;
            var isBehindAnother = group.Any(place => place.Convolution != images);
            var needed = uses.Select(use => use with { InputGradient = use.ImageGradient || (use.InputGradient && isBehindAnother) });
            results.AddRange(CheckWays(
                convolution, use => Measure(convolution, group.Key.Height, group.Key.Width, use, factors, channelsLast), ConvolutionUse.WithoutCovered(needed)));
            foreach (var (other, _, _) in group)
            {
                other.Way = convolution.Way;
            }
        }

        return new ConvolutionReport(results);
    }

    /// <summary>Compares every distinct convolution of a network as it is computed, and changes nothing.</summary>
    /// <param name="network">The network.</param>
    /// <param name="height">Rows of the images.</param>
    /// <param name="width">Columns of the images.</param>
    /// <param name="use">What is sent through it.</param>
    public static ConvolutionReport Judge(DualBranchNetwork network, long height, long width, ConvolutionUse use)
    {
        var visited = network.Convolutions(height, width).DistinctBy(place => (place.Convolution.Shape, place.Height, place.Width)).ToArray();
        var channelsLast = ChannelsLast.IsLayoutOf(visited[0].Convolution.Weight);
        using var factors = new ConvolutionFactors(network.Precision);
        return new ConvolutionReport([.. visited.Select(place => Measure(place.Convolution, place.Height, place.Width, use, factors, channelsLast))]);
    }

    /// <summary>Compares one convolution as it is computed on the device of its weights.</summary>
    /// <param name="convolution">The convolution; its own weights do not matter.</param>
    /// <param name="height">Rows of the input.</param>
    /// <param name="width">Columns of the input.</param>
    /// <param name="use">The batch, and the gradients that are needed.</param>
    /// <param name="precision">Of the arithmetic.</param>
    /// <param name="channelsLast">Whether images and weights are stored channels last.</param>
    public static ConvolutionResult Measure(
        Convolution convolution, long height, long width, ConvolutionUse use, Precision precision, bool channelsLast = true)
    {
        using var factors = new ConvolutionFactors(precision);
        return Measure(convolution, height, width, use, factors, channelsLast);
    }

    private static ConvolutionResult Measure(Convolution convolution, long height, long width, ConvolutionUse use, ConvolutionFactors factors, bool channelsLast)
    {
        using var scope = NewDisposeScope();
        var (precision, shape, device) = (factors.Precision, convolution.Shape, convolution.Weight.device);
        var (outputHeight, outputWidth) = (shape.OutputSize(height), shape.OutputSize(width));
        var input = factors.Of(1, use.Images * height * width * shape.InputChannels);
        var weights = factors.Of(2, convolution.Weight.numel());
        var outputGradient = factors.Of(3, use.InputGradient || use.WeightGradient ? use.Images * outputHeight * outputWidth * shape.OutputChannels : 0);
        var reference = new ConvolutionReference(shape, use.Images, height, width, input.Values, weights.Values, outputGradient.Values);
        var x = Place(input.Tensor, use.Images, height, width, shape.InputChannels);
        var g = Place(outputGradient.Tensor, outputGradient.Tensor.numel() == 0 ? 0 : use.Images, outputHeight, outputWidth, shape.OutputChannels);
        var w = Laid(weights.Tensor.reshape(convolution.Weight.shape)).to(device);
        var output = new Comparison(Positions(use.Images * outputHeight * outputWidth, shape.OutputChannels), All(reference.Output), reference.OutputTerms);
        var inputGradient = use.InputGradient
            ? new Comparison(Positions(use.Images * height * width, shape.InputChannels), All(reference.InputGradient), reference.InputGradientTerms)
            : null;
        var weightGradient = use.WeightGradient ? new Comparison(WeightPairs(shape), reference.WeightGradients, reference.WeightGradientTerms) : null;
        for (var call = 0; call < Calls; call++)
        {
            Compute();
        }

        return new ConvolutionResult(
            shape, height, width, use, convolution.Way, output.Deviation(precision), inputGradient?.Deviation(precision), weightGradient?.Deviation(precision));

        // Images and activations come in the type that the layer before gives.
        Tensor Place(Tensor values, params long[] imagesByChannel) =>
            Laid(values.reshape(imagesByChannel).permute(0, 3, 1, 2)).to(precision == Precision.BFloat16 ? bfloat16 : float32).to(device);

        Tensor Laid(Tensor values) => channelsLast ? ChannelsLast.Of(values) : values.contiguous();

        // The weights are float32 and rounded by autocast, as in training.
        void Compute()
        {
            using var call = NewDisposeScope();
            var (from, by) = (x.detach().requires_grad_(use.InputGradient), w.detach().requires_grad_(use.WeightGradient));
            Tensor result;
            using (Autocast.Begin(device.type, precision))
            {
                result = convolution.Compute(convolution.Way, from, by);
            }

            output.Add(result.permute(0, 2, 3, 1));
            Tensor[] sources = [.. use.InputGradient ? [from] : Array.Empty<Tensor>(), .. use.WeightGradient ? [by] : Array.Empty<Tensor>()];
            if (sources.Length == 0)
            {
                return;
            }

            var gradients = autograd.grad([result], sources, [g]);
            inputGradient?.Add(gradients[0].permute(0, 2, 3, 1));
            weightGradient?.Add(gradients[^1]);
        }
    }

    private static IEnumerable<ConvolutionResult> CheckWays(
        Convolution convolution, Func<ConvolutionUse, ConvolutionResult> measure, ConvolutionUse[] uses)
    {
        while (true)
        {
            var results = uses.Select(measure).ToArray();
            foreach (var result in results)
            {
                yield return result;
            }

            if (results.FirstOrDefault(result => !result.Passed) is not { } wrong)
            {
                yield break;
            }

            convolution.Way = convolution.Way == ConvolutionWay.Library
                ? ConvolutionWay.MatrixProduct
                : throw new InputException(
                    $"On this machine libtorch computes the convolution {wrong.Shape} wrongly in every way that Pascl knows ({ConvolutionReport.Describe(wrong)}). "
                    + "Let the environment variable ONEDNN_MAX_CPU_ISA be AVX2 or SSE41, use another --precision, or let LIBTORCH_PATH name another libtorch 2.10.");
        }
    }

    private static Func<long[], double[]> All(Func<long, double> value) => indices => [.. indices.AsParallel().AsOrdered().Select(value)];

    // Indices of (positions, channels): for each channel the first and the last position, and others.
    private static long[] Positions(long positions, long channels)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, (int)channels).SelectMany(channel => Enumerable.Range(0, PositionsPerChannel).Select(number => channel + (channels * (number switch
        {
            0 => 0,
            1 => positions - 1,
            _ => random.NextInt64(positions),
        })))).Distinct()];
    }

    // Indices of (O, C / groups, k, k).
    private static long[] WeightPairs(ConvolutionShape shape)
    {
        var random = new Random(2);
        var (outputs, inputs) = (shape.OutputChannels, shape.InputChannels / shape.Groups);
        var pairs = Enumerable.Range(0, PartnersPerChannel).SelectMany(_ =>
            Range(outputs).Select(output => (output, random.NextInt64(inputs))).Concat(Range(inputs).Select(input => (random.NextInt64(outputs), input))));
        pairs = pairs.Concat(Ends(outputs).SelectMany(output => Ends(inputs).Select(input => (output, input))));
        return [.. pairs.Select(pair => (((pair.Item1 * inputs) + pair.Item2) * shape.Kernel * shape.Kernel) + random.NextInt64(shape.Kernel * shape.Kernel)).Distinct()];

        static IEnumerable<long> Range(long count) => Enumerable.Range(0, (int)count).Select(i => (long)i);

        static long[] Ends(long channels) =>
            [.. Range(channels).Where(channel => channel == channels - 1 || Blocks.Any(block => channel % block == 0 || channel % block == block - 1))];
    }

    /// <summary>Some true values of one result, and the largest difference from them so far.</summary>
    private sealed class Comparison(long[] indices, Func<long[], double[]> truth, long terms)
    {
        private readonly double[] expected = truth(indices);
        private double largest;

        /// <summary>Compares values, laid out as the indices are.</summary>
        public void Add(Tensor values)
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            var flat = values.contiguous().reshape(-1);
            var actual = flat.take(tensor(indices, device: values.device)).to(float32).cpu().data<float>();
            var difference = expected.Zip(actual, (truth, value) => double.IsFinite(value) ? Math.Abs(value - truth) : double.PositiveInfinity).Max();
            largest = Math.Max(largest, double.IsFinite(flat.sum().to(float32).item<float>()) ? difference : double.PositiveInfinity);
        }

        public ConvolutionDeviation Deviation(Precision precision)
        {
            var scale = Math.Max(expected.Max(Math.Abs), double.Epsilon);
            var typical = 4 * Math.Sqrt(terms) / 3;
            var rounding = 16 * 0.14 * terms * Math.Pow(2, -24);
            var storing = precision == Precision.BFloat16 ? 4 * Math.Pow(2, -9) * Math.Max(typical, scale) : 0;
            return new ConvolutionDeviation(largest / scale, (rounding + storing) / scale);
        }
    }
}

/// <summary>What <see cref="ConvolutionCheck"/> found, for people.</summary>
/// <param name="Results">Every convolution in every use, and by every way that was tried.</param>
public sealed record ConvolutionReport(IReadOnlyList<ConvolutionResult> Results)
{
    /// <summary>How the names of <see cref="Rows"/> begin.</summary>
    internal const string RowPrefix = "convolution ";

    /// <summary>Those that are wrong on this machine.</summary>
    public IEnumerable<ConvolutionResult> Wrong => Results.Where(result => !result.Passed);

    /// <summary>One sentence about what is wrong; null where nothing is.</summary>
    public string? Finding
    {
        get
        {
            var wrong = Wrong.DistinctBy(result => result.Shape).ToArray();
            return wrong.Length == 0 ? null
                : $"On this machine libtorch computes {wrong.Length} of {Results.DistinctBy(result => result.Shape).Count()} convolutions wrongly: "
                + $"{string.Join("; ", wrong.Select(result => $"{result.Shape} ({Describe(result)})"))}.";
        }
    }

    /// <summary><see cref="Finding"/> of a run, and what it does instead; null where nothing is wrong.</summary>
    public string? Warning => Finding is { } finding ? $"{finding} They are computed by unfolding and a matrix product instead, which was checked, too." : null;

    /// <summary>The table: what, how it is computed, and how far off each part is.</summary>
    public IEnumerable<(string Name, string Value)> Rows => Results.Select(result => (
        $"{RowPrefix}{result.Shape}, images of {result.Height}x{result.Width}, {result.Use.Name} in batches of {result.Use.Images}, {NameOf(result.Way)}",
        $"{(result.Passed ? "right" : "WRONG, so it is not used")}: {Errors(result)}"));

    /// <summary>What is wrong with a result: <c>output off by 49 %</c>.</summary>
    internal static string Describe(ConvolutionResult wrong) => string.Join(", ", wrong.Parts.Where(part => !part.Deviation.Passed).Select(part =>
        double.IsFinite(part.Deviation.Error)
            ? string.Create(CultureInfo.InvariantCulture, $"{part.Name} off by {100 * part.Deviation.Error:g2} %")
            : $"{part.Name} not a number"));

    internal static string NameOf(ConvolutionWay way) => way == ConvolutionWay.Library ? "libtorch's convolution" : "matrix product";

    private static string Errors(ConvolutionResult result) => string.Join(", ", result.Parts.Select(part =>
        string.Create(CultureInfo.InvariantCulture, $"{part.Name} {part.Deviation.Error:0.0e+0} (allowed {part.Deviation.AllowedError:0.0e+0})")));
}
