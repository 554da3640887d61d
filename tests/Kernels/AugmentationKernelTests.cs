using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

/// <summary>The pixel arithmetic compiles for ILGPU and gives the same bytes in a kernel (on ILGPU's simulator) as on the CPU path.</summary>
public sealed class AugmentationKernelTests
{
    private const int Height = 5;
    private const int Width = 7;

    [Test]
    public void a_kernel_of_the_pixel_arithmetic_equals_the_reference()
    {
        using var context = Context.Create(builder => builder.CPU().EnableAlgorithms());
        using var accelerator = context.CreateCPUAccelerator(0);
        var kernel = accelerator.LoadAutoGroupedStreamKernel<Index1D, ArrayView<Rgb>, ArrayView<Rgb>, AugmentationSettings, int>(View);
        var source = new byte[Height * Width * 3];
        new Random(4).NextBytes(source);
        using var image = accelerator.Allocate1D(source.Chunk(3).Select(c => new Rgb(c[0], c[1], c[2])).ToArray());
        using var view = accelerator.Allocate1D<Rgb>(Height * Width);
        for (var number = 0; number < 40; number++)
        {
            kernel((int)view.Length, image.View, view.View, AugmentationSettings.Cifar, number);
            accelerator.Synchronize();
            var parameters = AugmentationParameters.Draw(AugmentationSettings.Cifar, Height, Width, 1, 2, number, 1);
            var bytes = view.GetAsArray1D().SelectMany(pixel => new[] { pixel.R, pixel.G, pixel.B });
            Assert.That(bytes.Select(value => value / 255f), Is.EqualTo(AugmentationReference.Apply(source, Height, Width, parameters)));
        }
    }

    // One thread per pixel. The mean that contrast needs is summed by every thread for itself, which is slow but needs no shared memory.
    private static void View(Index1D index, ArrayView<Rgb> image, ArrayView<Rgb> view, AugmentationSettings settings, int number)
    {
        var parameters = AugmentationParameters.Draw(settings, Height, Width, 1, 2, number, 1);
        var mean = 0;
        for (var order = parameters.JitterOrder; order != 0; order = AugmentationParameters.Rest(order))
        {
            if (AugmentationParameters.First(order) == ColourOperation.Contrast)
            {
                var sum = 0L;
                for (var i = 0; i < view.IntLength; i++)
                {
                    sum += AugmentationArithmetic.Luminance(Jittered(i, image, parameters, ColourOperation.Contrast, 0));
                }

                mean = AugmentationArithmetic.MeanLuminance(sum, view.IntLength);
            }
        }

        var pixel = Jittered(index, image, parameters, ColourOperation.None, mean);
        view[index] = parameters.Greyscale != 0 ? AugmentationArithmetic.Greyscale(pixel) : pixel;
    }

    // A pixel of the view after the operations that come before one of them.
    private static Rgb Jittered(int index, ArrayView<Rgb> image, AugmentationParameters parameters, ColourOperation before, int mean)
    {
        var source = AugmentationArithmetic.SourceIndex(index / Width, index % Width, Height, Width, parameters);
        var pixel = source < 0 ? Rgb.Black : image[source];
        for (var order = parameters.JitterOrder; order != 0 && AugmentationParameters.First(order) != before; order = AugmentationParameters.Rest(order))
        {
            pixel = AugmentationArithmetic.Adjust(pixel, AugmentationParameters.First(order), parameters, mean);
        }

        return pixel;
    }
}
