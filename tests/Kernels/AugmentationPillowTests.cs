using System.Security.Cryptography;
using Pascl.Kernels;
using static Pascl.Kernels.ColourOperation;

namespace Pascl.Tests.Kernels;

/// <summary>Bytes that Pillow 9.4.0 gave; a hash stands for all colours there are.</summary>
public sealed class AugmentationPillowTests
{
    private const int Colours = 1 << 24;
    private const int Height = 5;
    private const int Width = 7;

    [Test]
    public void the_luminance_of_every_colour_is_pillows()
    {
        var bytes = new byte[Colours];
        for (var i = 0; i < Colours; i++)
        {
            bytes[i] = (byte)AugmentationArithmetic.Luminance(Colour(i));
        }

        Assert.That(Hash(bytes), Is.EqualTo("40a12c2550a7822eba958211e157974abdd4c9a442cc1047c9a48d3a968b6fcc"));
    }

    [Test]
    public void hue_saturation_and_value_of_every_colour_are_pillows()
    {
        var bytes = new byte[Colours * 3];
        for (var i = 0; i < Colours; i++)
        {
            var hsv = Hsv.From(Colour(i));
            (bytes[3 * i], bytes[(3 * i) + 1], bytes[(3 * i) + 2]) = (hsv.H, hsv.S, hsv.V);
        }

        Assert.That(Hash(bytes), Is.EqualTo("21b59822901a4f6c8c1eb99c91c22061542a3832d3e257dff997caab79bc666e"));
    }

    [Test]
    public void the_colour_of_every_hue_saturation_and_value_is_pillows()
    {
        var bytes = new byte[Colours * 3];
        for (var i = 0; i < Colours; i++)
        {
            var (h, s, v) = Colour(i);
            var rgb = new Hsv(h, s, v).ToRgb();
            (bytes[3 * i], bytes[(3 * i) + 1], bytes[(3 * i) + 2]) = (rgb.R, rgb.G, rgb.B);
        }

        Assert.That(Hash(bytes), Is.EqualTo("1d9c2d26d34e85a68dec9d8d87ce0fdcce636d7b8eaec88f7baad6b85cdf4b3b"));
    }

    [Test]
    public void blends_of_every_pair_of_bytes_are_pillows_for_factors_from_0_60_to_1_40()
    {
        var bytes = new byte[81 * 65536];
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = AugmentationArithmetic.Blend((i >> 8) & 255, i & 255, (float)((600 + (10 * (i >> 16))) / 1000.0));
        }

        Assert.That(Hash(bytes), Is.EqualTo("a6981a7cd2bd98e422863fb942c082f417d81b993c6f1f139840903d92ab1687"));
    }

    [Test]
    public void whole_images_are_pillows()
    {
        Assert.That(Source()[..6], Is.EqualTo(new byte[] { 5, 4, 139, 162, 232, 28 }));
        Check(
            new() { JitterOrder = (int)Brightness, Brightness = 1.3f },
            "636922e26f806fa1c4787f2ffecb701eec6e6c8c2c075f0ba90ba0eb199f5042", 6, 5, 180, 210, 255, 36);
        Check(
            new() { JitterOrder = (int)Contrast, Contrast = 0.7f },
            "816e9e01ad9d4c5cac2645c7ddbb38caf0280082bdd36a70d086f0870aad9142", 44, 43, 137, 153, 202, 60);
        Check(
            new() { JitterOrder = (int)Saturation, Saturation = 1.4f },
            "5ba552828c3f6b50a85c877102e7e595d9cf97c2c3128756da48f2ec9d2644ab", 0, 0, 186, 151, 249, 0);
        Check(
            new() { JitterOrder = (int)Hue, HueShift = -25 },
            "9a30430dc0ea20e9721a398d83877462f4a2a70a129d76991aa1af12d0c24829", 4, 84, 139, 232, 182, 28);
    }

    [Test]
    public void the_four_operations_in_different_orders_are_pillows()
    {
        var parameters = new AugmentationParameters { Brightness = 0.81f, Contrast = 1.37f, Saturation = 0.63f, HueShift = 17 };
        Check(
            parameters with { JitterOrder = AugmentationParameters.OrderOf(Contrast, Saturation, Hue, Brightness) },
            "06a79ef6efabf04bc81d0ca420c0837aeef29bb711305e3f0cc5da066ca5cd86", 33, 4, 76, 97, 190, 60);
        parameters = new AugmentationParameters { Brightness = 1.21f, Contrast = 0.66f, Saturation = 1.33f, HueShift = -9 };
        Check(
            parameters with { JitterOrder = AugmentationParameters.OrderOf(Hue, Brightness, Saturation, Contrast) },
            "93fab6384c9bf161827c056ba6ce9f913cfcf443bdee6e97a96f8149780a1339", 53, 77, 190, 221, 221, 53);
    }

    [Test]
    public void crop_into_the_padding_and_flip_come_before_the_colours()
    {
        var crop = new AugmentationParameters { Top = -2, Left = 3, Flip = 1 };
        Check(crop, "01b5f18611d79fc811b4faf3a2e2e769a36a71f4c8c216a07915035c9681b2c6");
        Check(
            crop with { JitterOrder = (int)Contrast, Contrast = 1.37f },
            "9451b72e847656f31ba036de7d30f187fa66c1160a9579613d2df17f7fcd41b7");
        Check(
            crop with { JitterOrder = (int)Hue, HueShift = 11, Greyscale = 1 },
            "72c708cdce23cdc5a3fa935b502ca4cd8177eef7354ae2bf3d36596f61ec9e9c");
    }

    private static void Check(AugmentationParameters parameters, string hash, params int[] firstBytes)
    {
        var view = new float[Height * Width * 3];
        Augmentation.Apply(Source(), Height, Width, parameters, view, new byte[view.Length]);
        AssertBytes(view);
        AssertBytes(AugmentationReference.Apply(Source(), Height, Width, parameters));

        void AssertBytes(float[] values)
        {
            byte[] bytes = [.. values.Select(value => (byte)Math.Round(value * 255))];
            Assert.That(bytes.Take(firstBytes.Length), Is.EqualTo(firstBytes));
            Assert.That(Hash(bytes), Is.EqualTo(hash));
        }
    }

    private static byte[] Source()
    {
        var state = 12345u;
        return [.. Enumerable.Range(0, Height * Width * 3).Select(_ => (byte)((state = (state * 1664525) + 1013904223) >> 24))];
    }

    private static Rgb Colour(int index) => new((byte)(index >> 16), (byte)(index >> 8), (byte)index);

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
