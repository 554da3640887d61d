using System.Runtime.CompilerServices;
using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

public sealed class AugmentationTests
{
    [TestCase(32, 32)]
    [TestCase(1, 1)]
    [TestCase(5, 19)]
    [TestCase(40, 9)]
    public void a_view_equals_the_reference_in_every_bit(int height, int width)
    {
        var view = new float[height * width * 3];
        var scratch = new byte[view.Length];
        for (var image = 0; image < 100; image++)
        {
            var source = Bytes(view.Length, image);
            var parameters = AugmentationParameters.Draw(AugmentationSettings.Cifar, height, width, 3, 1, image, image % 2);
            Augmentation.Apply(source, height, width, parameters, view, scratch);
            Assert.That(view, Is.EqualTo(AugmentationReference.Apply(source, height, width, parameters)), () => parameters.ToString());
        }
    }

    [Long]
    [Test]
    public void eight_pixels_at_a_time_have_the_bytes_of_one_at_a_time_for_every_colour()
    {
        var pixels = new Rgb[(1 << 16) + 3];
        var all = Enumerable.Range(0, 256).Select(value => (byte)value).ToArray();
        foreach (var red in all)
        {
            Expect(default(PixelVectors.ToGrey), red);
            Expect(new PixelVectors.Saturate(red / 128f), red);
            Expect(new PixelVectors.ShiftHue(red - 128), red);
        }

        void Expect<T>(T operation, byte red)
            where T : struct, PixelVectors.IOperation
        {
            for (var i = 0; i < pixels.Length; i++)
            {
                pixels[i] = new Rgb(red, all[i >> 8 & 255], all[i & 255]);
            }

            var expected = Array.ConvertAll(pixels, operation.Of);
            PixelVectors.Apply(pixels, operation);
            Assert.That(pixels.AsSpan().SequenceEqual(expected), $"{operation} of red {red}");
        }
    }

    [Test]
    public void without_augmentation_a_view_is_the_image()
    {
        var source = Bytes(6 * 4 * 3, 0);
        var view = new float[source.Length];
        var parameters = AugmentationParameters.Draw(AugmentationSettings.None, 6, 4, 9, 9, 9, 1);
        Augmentation.Apply(source, 6, 4, parameters, view, new byte[source.Length]);
        Assert.That(view, Is.EqualTo(source.Select(value => value / 255f)));
    }

    [Test]
    public void a_crop_at_any_offset_equals_the_reference([Values(-9, -5, -1, 0, 2, 4, 9)] int left, [Values(-4, 0, 1, 3)] int top, [Values(0, 1)] int flip)
    {
        var (source, view, parameters) = (Bytes(3 * 5 * 3, 1), new float[3 * 5 * 3], new AugmentationParameters { Top = top, Left = left, Flip = flip });
        Augmentation.Apply(source, 3, 5, parameters, view, new byte[view.Length]);
        Assert.That(view, Is.EqualTo(AugmentationReference.Apply(source, 3, 5, parameters)));
    }

    [TestCase(0)]
    [TestCase(9)]
    [TestCase(10)]
    [TestCase((1 << 24) + 13)]
    public void the_sum_of_luminance_is_that_of_all_pixels(int count)
    {
        var pixels = new Rgb[count];
        Array.Fill(pixels, new Rgb(255, 255, 255));
        pixels.AsSpan(count / 2).Fill(new Rgb(200, 7, 90));
        Assert.That(
            PixelVectors.SumOfLuminance(pixels),
            Is.EqualTo((255L * (count / 2)) + ((long)AugmentationReference.Luminance(200, 7, 90) * (count - (count / 2)))));
    }

    [Test]
    public void a_crop_that_leaves_the_image_is_black()
    {
        var view = new float[2 * 2 * 3];
        Augmentation.Apply(Bytes(12, 0), 2, 2, new AugmentationParameters { Top = -2 }, view, new byte[12]);
        Assert.That(view, Is.All.Zero);
    }

    [Test]
    public void only_the_destination_and_the_needed_scratch_are_written()
    {
        var scratch = Enumerable.Repeat((byte)77, 20).ToArray();
        Augmentation.Apply(Bytes(12, 0), 2, 2, AugmentationParameters.None, new float[12], scratch);
        Assert.That(scratch[12..], Is.All.EqualTo(77));
    }

    [TestCase(11, 12, 12)]
    [TestCase(12, 13, 12)]
    [TestCase(12, 12, 11)]
    public void a_buffer_of_the_wrong_size_is_refused(int source, int destination, int scratch) => Assert.That(
        () => Augmentation.Apply(new byte[source], 2, 2, AugmentationParameters.None, new float[destination], new byte[scratch]),
        Throws.ArgumentException.With.Message.Contains($"{source}, {destination} and {scratch}").And.Message.Contains("2x2"));

    [Test]
    public void parameters_and_settings_can_be_passed_to_a_kernel() => Assert.Multiple(() =>
    {
        Assert.That(RuntimeHelpers.IsReferenceOrContainsReferences<AugmentationParameters>(), Is.False);
        Assert.That(RuntimeHelpers.IsReferenceOrContainsReferences<AugmentationSettings>(), Is.False);
        Assert.That(Unsafe.SizeOf<Rgb>(), Is.EqualTo(3));
    });

    private static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);

        // Greys and saturated colours are the corners of the hue conversion.
        for (var i = 0; i + 6 <= count; i += 30)
        {
            bytes[i] = bytes[i + 1] = bytes[i + 2];
            (bytes[i + 3], bytes[i + 4]) = (255, 0);
        }

        return bytes;
    }
}
