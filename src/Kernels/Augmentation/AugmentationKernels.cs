using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>Augmentation on a device: one block makes one view of one image, with the arithmetic and the random numbers of the CPU path.</summary>
internal static class AugmentationKernels
{
    public const int Threads = 128;

    private const int Channels = 3;

    /// <summary>views[b] = the view of image chosen[b] that (seed, epoch, chosen[b], stream) draws, in [0, 1].</summary>
    /// <param name="images">(images, height, width) pixels.</param>
    /// <param name="chosen">(views): the image of each view.</param>
    /// <param name="settings">One element: ranges and probabilities.</param>
    /// <param name="views">(views, 3 * height * width): element (c, pixel) of a view is at c * channelStride + pixel * pixelStride.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="channelStride">height * width where channels come first, 1 where they come last.</param>
    /// <param name="pixelStride">1 where channels come first, 3 where they come last.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="stream">Which view, as in <see cref="AugmentationParameters.Draw"/>.</param>
    /// <remarks>It divides for each pixel as the CPU path does, because the bits must be the same.</remarks>
    [Kernel(Threads, MayDivide = true)]
    [KernelVariant(typeof(float), typeof(SingleElement))]
    [KernelVariant(typeof(BFloat16), typeof(BFloat16Element))]
    public static void Views<T, TElement>(
        ArrayView<Rgb> images, ArrayView<int> chosen, ArrayView<AugmentationSettings> settings, ArrayView<T> views,
        int height, int width, int channelStride, int pixelStride, long seed, int epoch, int stream)
        where T : unmanaged
        where TElement : struct, IElement<T>
    {
        var pixels = height * width;
        var number = chosen[Grid.IdxX];
        var image = images.SubView((long)number * pixels, pixels);
        var view = views.SubView((long)Grid.IdxX * pixels * Channels, pixels * Channels);

        // Every thread draws for itself: a few dozen integer operations, and no thread waits for another.
        var parameters = AugmentationParameters.Draw(settings[0], height, width, (ulong)seed, epoch, number, stream);
        var mean = MeanBeforeContrast(image, height, width, parameters);
        for (var i = Group.IdxX; i < pixels; i += Group.DimX)
        {
            var pixel = Jittered(i, image, height, width, parameters, ColourOperation.None, mean);
            pixel = parameters.Greyscale != 0 ? AugmentationArithmetic.Greyscale(pixel) : pixel;
            view[i * pixelStride] = TElement.FromSingle(AugmentationArithmetic.ToUnit(pixel.R));
            view[(i * pixelStride) + channelStride] = TElement.FromSingle(AugmentationArithmetic.ToUnit(pixel.G));
            view[(i * pixelStride) + (2 * channelStride)] = TElement.FromSingle(AugmentationArithmetic.ToUnit(pixel.B));
        }
    }

    // Contrast blends with the mean luminance of the image as it is before it. Doing the earlier operations twice is cheaper than keeping the image.
    private static int MeanBeforeContrast(ArrayView<Rgb> image, int height, int width, AugmentationParameters parameters)
    {
        var sum = 0;
        for (var i = Group.IdxX; i < height * width; i += Group.DimX)
        {
            sum += AugmentationArithmetic.Luminance(Jittered(i, image, height, width, parameters, ColourOperation.Contrast, 0));
        }

        return AugmentationArithmetic.MeanLuminance(Reduction.Block<int, Addition>(sum), height * width);
    }

    // A pixel of the view after the operations that come before one of them.
    private static Rgb Jittered(
        int index, ArrayView<Rgb> image, int height, int width, AugmentationParameters parameters, ColourOperation before, int mean)
    {
        var source = AugmentationArithmetic.SourceIndex(index / width, index % width, height, width, parameters);
        var pixel = source < 0 ? Rgb.Black : image[source];
        for (var order = parameters.JitterOrder; order != 0 && AugmentationParameters.First(order) != before; order = AugmentationParameters.Rest(order))
        {
            pixel = AugmentationArithmetic.Adjust(pixel, AugmentationParameters.First(order), parameters, mean);
        }

        return pixel;
    }
}
