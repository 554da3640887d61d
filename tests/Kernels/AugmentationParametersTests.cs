using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

public sealed class AugmentationParametersTests
{
    private const int Draws = 48_000;

    [Test]
    public void parameters_have_the_frequencies_and_ranges_of_the_cifar_recipe()
    {
        var drawn = DrawMany(AugmentationSettings.Cifar, 32, 32);
        var jittered = drawn.Where(p => p.JitterOrder != 0).ToArray();
        Assert.Multiple(() =>
        {
            AssertFrequency(drawn.Count(p => p.Flip == 1), 0.5);
            AssertFrequency(drawn.Count(p => p.Greyscale == 1), 0.2);
            AssertFrequency(jittered.Length, 0.8);
            foreach (var offset in Enumerable.Range(-4, 9))
            {
                AssertFrequency(drawn.Count(p => p.Top == offset), 1 / 9.0);
                AssertFrequency(drawn.Count(p => p.Left == offset), 1 / 9.0);
            }

            AssertUniform(drawn.Select(p => p.Brightness), 0.6f, 1.4f);
            AssertUniform(drawn.Select(p => p.Contrast), 0.6f, 1.4f);
            AssertUniform(drawn.Select(p => p.Saturation), 0.6f, 1.4f);
            Assert.That(drawn.Min(p => p.HueShift), Is.EqualTo(-25));
            Assert.That(drawn.Max(p => p.HueShift), Is.EqualTo(25));
            AssertFrequency(drawn.Count(p => p.HueShift == 0), 2 / 51.0);
        });
    }

    [Test]
    public void all_24_orders_of_the_colour_operations_are_equally_frequent()
    {
        var orders = DrawMany(AugmentationSettings.Cifar with { JitterProbability = 1 }, 8, 8).CountBy(p => p.JitterOrder).ToDictionary();
        Assert.That(orders, Has.Count.EqualTo(24));
        foreach (var (order, count) in orders)
        {
            Assert.That(Operations(order), Is.Unique.And.Length.EqualTo(4));
            AssertFrequency(count, 1 / 24.0);
        }
    }

    [Test]
    public void an_operation_of_no_strength_is_left_out()
    {
        var settings = AugmentationSettings.Cifar with { JitterProbability = 1, Hue = 0, Brightness = 0 };
        var orders = DrawMany(settings, 8, 8).CountBy(p => p.JitterOrder).ToDictionary();
        Assert.That(orders.Keys.Select(Operations), Is.EquivalentTo(new ColourOperation[][]
        {
            [ColourOperation.Contrast, ColourOperation.Saturation],
            [ColourOperation.Saturation, ColourOperation.Contrast],
        }));
        AssertFrequency(orders.Values.First(), 0.5);
    }

    [Test]
    public void a_strength_above_one_never_gives_a_negative_factor()
    {
        var factors = DrawMany(AugmentationSettings.Cifar with { Contrast = 2 }, 8, 8).Select(p => p.Contrast).ToArray();
        AssertUniform(factors, 0, 3);
    }

    [TestCase(16, 48, 2, 6)]
    [TestCase(4, 3, 1, 0)]
    public void padding_is_a_fraction_of_each_side(int height, int width, int rows, int columns)
    {
        var drawn = DrawMany(AugmentationSettings.Cifar, height, width);
        Assert.That((drawn.Min(p => p.Top), drawn.Max(p => p.Top)), Is.EqualTo((-rows, rows)));
        Assert.That((drawn.Min(p => p.Left), drawn.Max(p => p.Left)), Is.EqualTo((-columns, columns)));
    }

    [Test]
    public void views_epochs_images_and_seeds_are_augmented_differently()
    {
        AugmentationParameters Draw(ulong seed, int epoch, int image, int view) =>
            AugmentationParameters.Draw(AugmentationSettings.Cifar, 32, 32, seed, epoch, image, view);

        AugmentationParameters[] drawn = [Draw(1, 1, 1, 0), Draw(1, 1, 1, 1), Draw(1, 1, 2, 0), Draw(1, 2, 1, 0), Draw(2, 1, 1, 0)];
        Assert.That(drawn, Is.Unique);
        Assert.That(Draw(1, 1, 1, 0), Is.EqualTo(drawn[0]));
    }

    private static AugmentationParameters[] DrawMany(AugmentationSettings settings, int height, int width) =>
        [.. Enumerable.Range(0, Draws).Select(image => AugmentationParameters.Draw(settings, height, width, 11, 0, image, 0))];

    private static ColourOperation[] Operations(int order)
    {
        var operations = new List<ColourOperation>();
        for (; order != 0; order = AugmentationParameters.Rest(order))
        {
            operations.Add(AugmentationParameters.First(order));
        }

        return [.. operations];
    }

    // Five standard deviations of the binomial distribution.
    private static void AssertFrequency(int count, double probability) =>
        Assert.That(count / (double)Draws, Is.EqualTo(probability).Within(5 * Math.Sqrt(probability * (1 - probability) / Draws)));

    private static void AssertUniform(IEnumerable<float> values, float low, float high)
    {
        float[] all = [.. values];
        Assert.That(all, Is.All.InRange(low, high + 1e-6f));
        Assert.That(all.Average(v => (double)v), Is.EqualTo((low + high) / 2).Within(5 * (high - low) / Math.Sqrt(12.0 * Draws)));
        Assert.That(all.Max() - all.Min(), Is.GreaterThan(0.999f * (high - low)));
    }
}
