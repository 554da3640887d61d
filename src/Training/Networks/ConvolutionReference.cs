using System.Runtime.CompilerServices;

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
        var sums = new double[indices.Length];
        var kernel = shape.Kernel;

        // Image by image, so that an image's values are read from the cache by all sums.
        const int Together = 64;
        Parallel.ForEach(indices.Select((index, place) => (index, place)).Chunk(Together), chunk =>
        {
            for (var image = 0L; image < images; image++)
            {
                foreach (var (index, place) in chunk)
                {
                    var (output, inGroup) = (index / (inputsPerGroup * kernel * kernel), index / (kernel * kernel) % inputsPerGroup);
                    var channel = (output / outputsPerGroup * inputsPerGroup) + inGroup;
                    sums[place] += WeightGradient(image, output, channel, index / kernel % kernel, index % kernel);
                }
            }
        });
        return sums;
    }

    // Millions of terms in the first call: pointers, and not in code that waits to be optimised.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private unsafe double WeightGradient(long image, long output, long channel, long a, long b)
    {
        // The first column whose pixel is inside the image, and the one behind the last.
        var first = Math.Max(0, (shape.Padding - b + shape.Stride - 1) / shape.Stride);
        var room = width - 1 + shape.Padding - b;
        var end = room < 0 ? 0 : Math.Min(outputWidth, (room / shape.Stride) + 1);
        var (gradientStep, pixelStep) = ((nint)shape.OutputChannels, (nint)(shape.Stride * shape.InputChannels));
        var sum = 0.0;
        fixed (float* gradients = outputGradient, pixels = input)
        {
            for (var row = 0L; row < outputHeight; row++)
            {
                var y = (row * shape.Stride) + a - shape.Padding;
                if (y < 0 || y >= height)
                {
                    continue;
                }

                var gradient = gradients + ((((((image * outputHeight) + row) * outputWidth) + first) * shape.OutputChannels) + output);
                var pixel = pixels + ((((((image * height) + y) * width) + (first * shape.Stride) + b - shape.Padding) * shape.InputChannels) + channel);
                for (var column = first; column < end; column++, gradient += gradientStep, pixel += pixelStep)
                {
                    sum += (double)*gradient * *pixel;
                }
            }
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
}
