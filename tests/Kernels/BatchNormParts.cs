using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>BatchNorm of a batch of which each of several processes has some images: their kernels run one after the other, and what they exchange is merged here, in double.</summary>
internal sealed class BatchNormParts<T, TElement> : IDisposable
    where T : unmanaged
    where TElement : struct, IElement<T>
{
    private readonly DualBatchNorm<T> kernels;
    private readonly BatchNormActivation activation;
    private readonly List<Part> parts = [];
    private readonly double[] mean;
    private readonly double[] squares;
    private long count;

    private BatchNormParts(DualBatchNorm<T> kernels, KernelDevice device, BatchNormRun<T, TElement> run, BatchShape shape, int[] imagesOfParts, BatchNormActivation activation)
    {
        (this.kernels, this.activation, mean, squares) = (kernels, activation, new double[shape.Channels], new double[shape.Channels]);
        var first = 0;
        foreach (var images in imagesOfParts)
        {
            parts.Add(new Part(kernels, device, run.Numbers, shape, first, images, activation == BatchNormActivation.AddAndRectify));
            first += images;
        }
    }

    /// <summary>Everything that the kernels of all parts wrote, as those of one process would have.</summary>
    public static IReadOnlyDictionary<string, float[]> Run(
        DualBatchNorm<T> kernels, KernelDevice device, BatchNormRun<T, TElement> run, BatchShape shape, int[] imagesOfParts, BatchNormActivation activation)
    {
        using var batch = new BatchNormParts<T, TElement>(kernels, device, run, shape, imagesOfParts, activation);
        return batch.Run();
    }

    public void Dispose() => parts.ForEach(part => part.Dispose());

    private Dictionary<string, float[]> Run()
    {
        parts.ForEach(Measure);
        double[] variance = [.. squares.Select(sum => sum / count)];
        parts.ForEach(part => part.Normalize(mean, variance, activation));

        // What the others have is known after the first launch of all. The sums of one part alone serve to find it out.
        parts.ForEach(part => part.Backward(part.Own, count, activation));
        var local = parts.ConvertAll(part => part.Memory.Read(evaluates: true));
        var (weightGradient, biasGradient) = (Sum("weight gradient"), Sum("bias gradient"));
        parts.ForEach(part => part.Backward(new(part.Memory.Floats(weightGradient), part.Memory.Floats(biasGradient)), count, activation));
        var written = parts.ConvertAll(part => part.Memory.Read(evaluates: true));
        foreach (var (before, after) in local.Zip(written))
        {
            Assert.That(after["weight gradient"], Is.EqualTo(before["weight gradient"]), "the gradients of the parameters stay those of the part");
        }

        var all = ((string[])["output", "input gradient", "residual gradient"]).ToDictionary(name => name, name => written.SelectMany(part => part[name]).ToArray());
        all["weight gradient"] = [.. weightGradient.Select(value => (float)value)];
        all["bias gradient"] = [.. biasGradient.Select(value => (float)value)];
        all["state"] = [.. ((double[])[.. mean, .. variance, .. mean, .. variance]).Select(value => (float)value)];
        return all;

        double[] Sum(string name) => [.. mean.Select((_, channel) => local.Sum(part => (double)part[name][channel]))];
    }

    private void Measure(Part part)
    {
        kernels.Moments(part.Shape, part.Values, new(part.Memory.State.Vector), part.Memory.Moments.Vector, part.Memory.Workspace);
        var (before, own) = (count, part.Shape.ValuesPerChannel);
        count += own;
        for (var channel = 0; channel < mean.Length; channel++)
        {
            var moments = part.Memory.Moments.Read()[channel];
            Assert.That(moments.Count, Is.EqualTo(own));
            var shift = moments.Mean - mean[channel];
            mean[channel] += shift * own / count;
            squares[channel] += moments.SquaredDeviations + (shift * shift * before * own / count);
        }
    }

    /// <summary>Some images, in the memory of their process.</summary>
    private sealed class Part : IDisposable
    {
        private readonly DualBatchNorm<T> kernels;
        private readonly DeviceBuffer<float> workspace;
        private readonly DeviceVector<T> slopes;
        private readonly DeviceVector<T> added;
        private readonly ChannelParameters parameters;
        private ChannelStatistics statistics;

        public Part(
            DualBatchNorm<T> kernels,
            KernelDevice device,
            (double[] Input, double[] Residual, double[] Gradient, double[] Weight, double[] Bias) numbers,
            BatchShape shape,
            int first,
            int images,
            bool adds)
        {
            (this.kernels, Shape) = (kernels, shape with { Images = images });
            workspace = device.Allocate<float>(kernels.WorkspaceLength(Shape));
            Memory = new BatchNormMemory<T, TElement>(device, Shape, workspace.Vector, adds, firstElement: 0);
            (Values, slopes, added) = (Memory.Input(Own(numbers.Input)), Memory.Input(Own(numbers.Gradient)), adds ? Memory.Input(Own(numbers.Residual)) : default);
            parameters = new ChannelParameters(Memory.Floats(numbers.Weight), Memory.Floats(numbers.Bias));

            double[] Own(double[] all) => all.AsSpan(first * (all.Length / shape.Images), images * (all.Length / shape.Images)).ToArray();
        }

        public BatchShape Shape { get; }

        public BatchNormMemory<T, TElement> Memory { get; }

        public DeviceVector<T> Values { get; }

        public ChannelParameters Own => new(Memory.WeightGradient.Vector, Memory.BiasGradient.Vector);

        public void Normalize(double[] mean, double[] variance, BatchNormActivation activation)
        {
            statistics = new ChannelStatistics(Memory.Floats(mean), Memory.Floats(variance));
            kernels.Normalize(Shape, Values, statistics, parameters, Memory.Output, activation, added);
        }

        public void Backward(ChannelParameters sums, long values, BatchNormActivation activation) => kernels.Backward(
            Shape, Values, slopes, statistics, parameters, Own, Memory.InputGradient, Memory.Workspace, activation,
            activation == BatchNormActivation.AddAndRectify ? Memory.Output : default, Memory.ResidualGradient, ofAllParts: () => (sums, values));

        public void Dispose()
        {
            Memory.Dispose();
            workspace.Dispose();
        }
    }
}
