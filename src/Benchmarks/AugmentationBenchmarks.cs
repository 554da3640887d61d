using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Measuring;
using Pascl.Kernels;
using Pascl.Training.Data;

namespace Pascl.Benchmarks;

/// <summary>
/// Augmentation of 32x32 images on one thread, times per view: 40 microseconds are 25,000 views per second. <c>Drawn</c> is the CIFAR recipe with its
/// probabilities, <c>Everything</c> applies crop, flip, all four colour operations and greyscale to every view.
/// </summary>
[Config(typeof(ShortRuns))]
public class AugmentationBenchmarks
{
    private const int Size = 32;
    private const int Images = 256;
    private const int Views = 2;

    private readonly float[] view = new float[Size * Size * PixelBlock.Channels];
    private readonly byte[] scratch = new byte[Size * Size * PixelBlock.Channels];
    private byte[][] sources = [];
    private AugmentationParameters[] drawn = [];
    private AugmentationParameters[] everything = [];

    /// <summary>Paints the images, draws the parameters and compares every view with the reference.</summary>
    [GlobalSetup]
    public void Setup()
    {
        var images = SyntheticImages.Create(1, new SyntheticOptions { Size = Size, TestPerClass = (Images / 10) + 1 }).Test;
        sources = [.. Enumerable.Range(0, Images).Select(image => images.Pixels(image).ToArray())];
        drawn = Draw(AugmentationSettings.Cifar);
        everything = Draw(AugmentationSettings.Cifar with { FlipProbability = 1, JitterProbability = 1, GreyscaleProbability = 1 });
        foreach (var parameters in new[] { drawn, everything })
        {
            for (var i = 0; i < parameters.Length; i++)
            {
                Augmentation.Apply(sources[i / Views], Size, Size, parameters[i], view, scratch);
                if (!view.SequenceEqual(AugmentationReference.Apply(sources[i / Views], Size, Size, parameters[i])))
                {
                    throw new InvalidOperationException($"View {i} differs from the reference: {parameters[i]}.");
                }
            }
        }
    }

    /// <summary>The specification's plain loops.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = Images * Views)]
    public float Reference()
    {
        var sum = 0f;
        for (var i = 0; i < drawn.Length; i++)
        {
            sum += AugmentationReference.Apply(sources[i / Views], Size, Size, drawn[i])[0];
        }

        return sum;
    }

    /// <summary>Two views of every image with the CIFAR recipe, parameters drawn on the way.</summary>
    [Benchmark(OperationsPerInvoke = Images * Views)]
    public float Drawn()
    {
        for (var i = 0; i < drawn.Length; i++)
        {
            var parameters = AugmentationParameters.Draw(AugmentationSettings.Cifar, Size, Size, 1, 0, i / Views, i % Views);
            Augmentation.Apply(sources[i / Views], Size, Size, parameters, view, scratch);
        }

        return view[0];
    }

    /// <summary>Two views of every image with every step applied.</summary>
    [Benchmark(OperationsPerInvoke = Images * Views)]
    public float Everything()
    {
        for (var i = 0; i < everything.Length; i++)
        {
            Augmentation.Apply(sources[i / Views], Size, Size, everything[i], view, scratch);
        }

        return view[0];
    }

    private static AugmentationParameters[] Draw(AugmentationSettings settings) =>
    [
        .. Enumerable.Range(0, Images * Views).Select(i => AugmentationParameters.Draw(settings, Size, Size, 1, 0, i / Views, i % Views)),
    ];
}
