using System.Numerics;
using System.Runtime.CompilerServices;
using Pascl.Training.Devices;
using static TorchSharp.torch;

namespace Pascl.Training.Networks;

/// <summary>
/// Single values of a convolution and of its gradients in double, by the loops of their definition (<see cref="Convolution"/>): the truth that libtorch is compared with.
/// Values that lie outside the image are zero.
/// </summary>
/// <param name="shape">Channels, kernel, stride and groups.</param>
/// <param name="images">N.</param>
/// <param name="height">H, rows of the input.</param>
/// <param name="width">W, columns of the input.</param>
/// <param name="input">x: (N, H, W, C), channels last.</param>
/// <param name="weights">w: (O, C / groups, k, k).</param>
/// <param name="outputGradient">g: (N, H', W', O), channels last.</param>
internal sealed class ConvolutionReference(
    ConvolutionShape shape, long images, long height, long width, float[] input, float[] weights, float[] outputGradient)
{
    private readonly long outputHeight = shape.OutputSize(height);
    private readonly long outputWidth = shape.OutputSize(width);
    private readonly long inputsPerGroup = shape.InputChannels / shape.Groups;
    private readonly long outputsPerGroup = shape.OutputChannels / shape.Groups;

    /// <summary>Terms of the longest sum of an output.</summary>
    public long OutputTerms => inputsPerGroup * shape.Kernel * shape.Kernel;

    /// <summary>Terms of the longest sum of a gradient of the input.</summary>
    public long InputGradientTerms => outputsPerGroup * shape.Kernel * shape.Kernel;

    /// <summary>Terms of the longest sum of a gradient of the weights.</summary>
    public long WeightGradientTerms => images * outputHeight * outputWidth;

    /// <summary>y at an index of (N, H', W', O): the sum over the channels of the group and the kernel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double Output(long index)
    {
        var (image, row, column, channel) = Place(index, outputHeight, outputWidth, shape.OutputChannels);
        var firstInput = channel / outputsPerGroup * inputsPerGroup;
        var sum = 0.0;
        for (var a = 0L; a < shape.Kernel; a++)
        {
            for (var b = 0L; b < shape.Kernel; b++)
            {
                var (y, x) = ((row * shape.Stride) + a - shape.Padding, (column * shape.Stride) + b - shape.Padding);
                if (y < 0 || y >= height || x < 0 || x >= width)
                {
                    continue;
                }

                var pixel = ((((image * height) + y) * width) + x) * shape.InputChannels;
                for (var c = 0L; c < inputsPerGroup; c++)
                {
                    sum += (double)input[pixel + firstInput + c] * weights[Weight(channel, c, a, b)];
                }
            }
        }

        return sum;
    }

    /// <summary>dL/dx at an index of (N, H, W, C): the sum over the outputs that see the pixel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double InputGradient(long index)
    {
        var (image, row, column, channel) = Place(index, height, width, shape.InputChannels);
        var firstOutput = channel / inputsPerGroup * outputsPerGroup;
        var sum = 0.0;
        for (var a = 0L; a < shape.Kernel; a++)
        {
            for (var b = 0L; b < shape.Kernel; b++)
            {
                var (y, x) = (row + shape.Padding - a, column + shape.Padding - b);
                if (y < 0 || x < 0 || y % shape.Stride != 0 || x % shape.Stride != 0 || y / shape.Stride >= outputHeight || x / shape.Stride >= outputWidth)
                {
                    continue;
                }

                var pixel = ((((image * outputHeight) + (y / shape.Stride)) * outputWidth) + (x / shape.Stride)) * shape.OutputChannels;
                for (var o = 0L; o < outputsPerGroup; o++)
                {
                    sum += (double)outputGradient[pixel + firstOutput + o] * weights[Weight(firstOutput + o, channel % inputsPerGroup, a, b)];
                }
            }
        }

        return sum;
    }

    /// <summary>dL/dw at indices of (O, C / groups, k, k): for each the sum over all images and positions.</summary>
    public double[] WeightGradients(long[] indices)
    {
        // Sums of a few images are added in order, so that the number of cores changes no bit.
        const int Together = 16;
        var parts = new double[(images + Together - 1) / Together][];
        Parallel.For(0, parts.Length, part =>
        {
            var sums = parts[part] = new double[indices.Length];
            var pixels = new ChannelPlanes(height, width, shape.InputChannels, shape.Stride);
            var gradients = new ChannelPlanes(outputHeight, outputWidth, shape.OutputChannels, 1);
            for (var image = (long)part * Together; image < Math.Min(images, (part + 1L) * Together); image++)
            {
                pixels.Take(input, image);
                gradients.Take(outputGradient, image);
                for (var place = 0; place < indices.Length; place++)
                {
                    sums[place] += WeightGradient(gradients, pixels, indices[place]);
                }
            }
        });
        return [.. Enumerable.Range(0, indices.Length).Select(place => parts.Sum(sums => sums[place]))];
    }

    private double WeightGradient(ChannelPlanes gradients, ChannelPlanes pixels, long index)
    {
        var (kernel, stride) = (shape.Kernel, shape.Stride);
        var (output, inGroup) = (index / (inputsPerGroup * kernel * kernel), index / (kernel * kernel) % inputsPerGroup);
        var channel = (output / outputsPerGroup * inputsPerGroup) + inGroup;
        var (down, right) = ((index / kernel % kernel) - shape.Padding, (index % kernel) - shape.Padding);

        // The first column whose pixel is inside the image, and the one behind the last.
        var first = Math.Max(0, (stride - 1 - right) / stride);
        var end = width - 1 - right < 0 ? 0 : Math.Min(outputWidth, ((width - 1 - right) / stride) + 1);
        var sum = 0.0;
        for (var row = 0L; first < end && row < outputHeight; row++)
        {
            var y = (row * stride) + down;
            if (y >= 0 && y < height)
            {
                sum += Dot(gradients.Run(output, row, first, end - first), pixels.Run(channel, y, (first * stride) + right, end - first));
            }
        }

        return sum;
    }

    // Hundreds of millions of terms in the first call, so not in code that waits to be optimised.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        var sums = Vector<double>.Zero;
        var i = 0;
        for (; i <= left.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(left[i..]), out var leftLow, out var leftHigh);
            Vector.Widen(new Vector<float>(right[i..]), out var rightLow, out var rightHigh);
            sums += (leftLow * rightLow) + (leftHigh * rightHigh);
        }

        var sum = Vector.Sum(sums);
        for (; i < left.Length; i++)
        {
            sum += (double)left[i] * right[i];
        }

        return sum;
    }

    private long Weight(long output, long inGroup, long a, long b) => (((((output * inputsPerGroup) + inGroup) * shape.Kernel) + a) * shape.Kernel) + b;

    private static (long Image, long Row, long Column, long Channel) Place(long index, long rows, long columns, long channels)
    {
        var (position, channel) = Math.DivRem(index, channels);
        var (line, column) = Math.DivRem(position, columns);
        var (image, row) = Math.DivRem(line, rows);
        return (image, row, column, channel);
    }

    /// <summary>An image with its channels first, and in each row every stride-th pixel beside each other: what one weight is multiplied with lies in a run.</summary>
    private sealed class ChannelPlanes(long height, long width, long channels, long stride)
    {
        private readonly long runLength = (width + stride - 1) / stride;
        private readonly float[] values = new float[channels * height * stride * ((width + stride - 1) / stride)];

        /// <summary>Takes an image of (N, H, W, C).</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Take(float[] images, long image)
        {
            for (var row = 0L; row < height; row++)
            {
                var pixels = images.AsSpan((int)(((image * height) + row) * width * channels), (int)(width * channels));
                for (var channel = 0L; channel < channels; channel++)
                {
                    for (var first = 0L; first < Math.Min(stride, width); first++)
                    {
                        var run = values.AsSpan((int)Place(channel, row, first), (int)runLength);
                        for (var (i, column) = (0, first); column < width; i++, column += stride)
                        {
                            run[i] = pixels[(int)((column * channels) + channel)];
                        }
                    }
                }
            }
        }

        /// <summary>Every stride-th pixel of a row from a column on.</summary>
        public ReadOnlySpan<float> Run(long channel, long row, long column, long count) => values.AsSpan((int)Place(channel, row, column), (int)count);

        private long Place(long channel, long row, long column) => (((((channel * height) + row) * stride) + (column % stride)) * runLength) + (column / stride);
    }
}

/// <summary>
/// The factors of all convolutions: multiples of 2^-7 or 2^-10 in (-1, 1), by a hash of the place (SplitMix64's mixing), so that all cores can draw. A stream is drawn
/// again only where a convolution needs more of it than those before.
/// </summary>
internal sealed class ConvolutionFactors(Precision precision) : IDisposable
{
    private readonly Dictionary<ulong, (float[] Values, Tensor Tensor)> drawn = [];

    /// <summary>Of the arithmetic that they are for.</summary>
    public Precision Precision => precision;

    /// <summary>The first numbers of a stream: an array that may have more, and a tensor that has as many, in the current dispose scope.</summary>
    public (float[] Values, Tensor Tensor) Of(ulong stream, long count)
    {
        if (!drawn.TryGetValue(stream, out var numbers) || numbers.Values.Length < count)
        {
            numbers.Tensor?.Dispose();
            var values = Draw(stream, count);
            drawn[stream] = numbers = (values, tensor(values).DetachFromDisposeScope());
        }

        return (numbers.Values, numbers.Tensor.narrow(0, 0, count));
    }

    public void Dispose()
    {
        foreach (var (_, tensor) in drawn.Values)
        {
            tensor.Dispose();
        }
    }

    private float[] Draw(ulong stream, long count)
    {
        const int Together = 1 << 16;
        var values = new float[count];
        var levels = precision == Precision.BFloat16 ? 1u << 7 : 1u << 10;
        Parallel.For(0, (count + Together - 1) / Together, chunk => Fill(values, chunk * Together, Math.Min(count, (chunk + 1) * Together), stream << 56, levels));
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Fill(float[] values, long first, long end, ulong stream, uint levels)
    {
        for (var i = first; i < end; i++)
        {
            var mixed = (stream + (ulong)i + 1) * 0x9E3779B97F4A7C15;
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            var level = (int)(((mixed >> 32) * ((2 * levels) - 1)) >> 32) - (int)(levels - 1);
            values[i] = (float)level / levels;
        }
    }
}
