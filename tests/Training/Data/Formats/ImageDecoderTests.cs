using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>The decoder against what Pillow makes of the same files, in <c>expected.tsv</c> of the format samples.</summary>
public sealed class ImageDecoderTests
{
    /// <summary>
    /// Decoders differ in the inverse DCT and in how they widen the chroma planes: about one unit, more from four inks to three colours.
    /// </summary>
    private const double Tolerance = 1;
    private const double CmykTolerance = 3;

    [Test]
    public void pictures_of_every_kind_have_the_size_and_mean_colour_that_pillow_gives([ValueSource(typeof(ImageData), nameof(ImageData.All))] ImageData images)
    {
        var tree = FileTree.Open(images.Archive("format-samples"));
        using var decoder = new ImageDecoder();
        var checkedCount = 0;
        foreach (var row in tree.ReadLines("expected.tsv").Skip(1).Select(line => line.Split('\t')))
        {
            var (file, mode, decodes) = (row[0], row[2], row[5]);
            var fault = decoder.DecodeWhole(tree.Read(file).Span, out var width, out var height);
            Assert.That(fault, decodes == "yes" ? Is.Null : Is.Not.Null, file);
            if (fault is not null)
            {
                continue;
            }

            // The sides there are those of the file; orientation 6 lays it on its side.
            var stored = file.Contains("exif_orientation_6", StringComparison.Ordinal) ? $"{height} {width}" : $"{width} {height}";
            Assert.That(stored, Is.EqualTo($"{row[3]} {row[4]}"), file);

            // The mean of 16-bit grey is no target (Pillow clips it), nor is that of the file with overwritten scan data.
            if (mode != "I" && !file.Contains("corrupt", StringComparison.Ordinal))
            {
                double[] expected = [.. row[6].Split(' ').Select(mean => double.Parse(mean, CultureInfo.InvariantCulture))];
                Assert.That(MeanColour(decoder.Colours()), Is.EqualTo(expected).Within(mode == "CMYK" ? CmykTolerance : Tolerance), file);
                checkedCount++;
            }
        }

        Assert.That(checkedCount, Is.EqualTo(images.Pictures.WithMeanColour));
    }

    [TestCase("truncated_60_percent.JPEG", "cut short")]
    [TestCase("truncated_in_header.JPEG", "header is cut or damaged")]
    [TestCase("not_an_image.JPEG", "not an image")]
    [TestCase("empty.JPEG", "is empty")]
    [TestCase("html_error_page.jpg", "<!DOCTYPE html>")]
    public void a_broken_file_is_described(string file, string expected)
    {
        using var decoder = new ImageDecoder();
        foreach (var images in ImageData.All)
        {
            var tree = FileTree.Open(images.Format("odd-inputs"));
            Assert.That(decoder.Decode(tree.Read(file).Span, new byte[32 * 32 * 3], 32, ImageGeometry.SmallImages), Does.Contain(expected), images.Name);
        }
    }

    [Test]
    public void an_image_of_the_requested_size_is_untouched()
    {
        var random = new Random(3);
        var pixels = new byte[16 * 16 * 3];
        random.NextBytes(pixels);
        using var decoder = new ImageDecoder();
        var decoded = new byte[pixels.Length];
        Assert.That(decoder.Decode(TestImages.Png(16, 16, pixels), decoded, 16, ImageGeometry.SmallImages), Is.Null);
        Assert.That(decoded, Is.EqualTo(pixels));
    }

    [Test]
    public void alpha_is_dropped_and_not_blended()
    {
        using var decoder = new ImageDecoder();
        var decoded = new byte[3];
        byte[] expected = [200, 100, 50];
        Assert.That(decoder.Decode(TestImages.Png(1, 1, expected, alpha: 1), decoded, 1, ImageGeometry.SmallImages), Is.Null);
        Assert.That(decoded, Is.EqualTo(expected).Within(0));
    }

    private static double[] MeanColour(ReadOnlySpan<byte> colours)
    {
        var sums = new double[PixelBlock.Channels];
        for (var i = 0; i < colours.Length; i++)
        {
            sums[i % PixelBlock.Channels] += colours[i];
        }

        var pixels = colours.Length / PixelBlock.Channels;
        return [.. sums.Select(sum => sum / pixels)];
    }
}
