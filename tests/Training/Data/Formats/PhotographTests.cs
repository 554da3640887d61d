using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>Orientation, colour modes and geometry against what Pillow makes of the same files, which lies beside them in the samples as PNG.</summary>
public sealed class PhotographTests
{
    private static readonly FileTree samples = FileTree.Open(Path.Combine(Repository.Samples, "photographs.tar.gz"));

    private static IEnumerable<string> Expected => samples.Files.Where(file => samples.Contains($"{file}.png"));

    private static IEnumerable<string> Resized => samples.Files.Where(file => file.StartsWith("resized/", StringComparison.Ordinal) && !file.EndsWith("source.png", StringComparison.Ordinal));

    [TestCaseSource(nameof(Expected))]
    public void a_file_has_the_pixels_that_pillow_gives_turned_as_it_is_meant_to_be_seen(string file)
    {
        var (width, height, expected) = Decoded($"{file}.png");
        var (ourWidth, ourHeight, ours) = Decoded(file);
        Assert.That((ourWidth, ourHeight), Is.EqualTo((width, height)));
        Assert.That(PictureCodec.Header(samples.Read(file).Span) is var (headerWidth, headerHeight, _) && (headerWidth, headerHeight) == (width, height));

        Assert.That(ours, Is.EqualTo(expected));
    }

    [Test]
    public void forty_megapixels_are_decoded_in_a_quarter_of_their_memory([Values(16, 224)] int size)
    {
        using var decoder = new ImageDecoder();
        var target = new byte[size * size * 3];
        Assert.That(decoder.Decode(samples.Read("modes/forty_megapixels.jpg").Span, target, size, ImageGeometry.Photographs), Is.Null);
        Assert.That(target.Chunk(3), Is.All.EqualTo(target[..3]));
        byte[] expected = [200, 90, 30];
        Assert.That(target[..3], Is.EqualTo(expected).Within(1));
    }

    [Test]
    public void a_picture_decoded_at_a_reduced_scale_is_close_to_the_exact_one([Range(1, 8)] int orientation)
    {
        var file = samples.Read($"turned/128x64_{orientation}.jpg").Span;
        using var decoder = new ImageDecoder();
        Assert.That(decoder.DecodeWhole(file, out var width, out var height), Is.Null);
        var whole = RawPicture.Of(decoder.Colours(), width, height);
        var (reduced, exact) = (new byte[7 * 7 * 3], new byte[7 * 7 * 3]);
        Assert.That(decoder.Decode(file, reduced, 7, ImageGeometry.Photographs) ?? decoder.Decode(whole, exact, 7, ImageGeometry.Photographs), Is.Null);
        Close(reduced, exact);

        // A part of all and one at the corner.
        CropBox[] boxes = [new(0, 0, width, height), new(width - 64, height - 60, 64, 60)];
        (reduced, exact) = (new byte[2 * 15 * 15 * 3], new byte[2 * 15 * 15 * 3]);
        Assert.That(decoder.DecodeCrops(file, reduced, 15, (part, _, _) => boxes[part]) ?? decoder.DecodeCrops(whole, exact, 15, (part, _, _) => boxes[part]), Is.Null);
        Close(reduced, exact);

        static void Close(byte[] reduced, byte[] exact)
        {
            Assert.That(reduced, Is.Not.EqualTo(exact), "was it decoded smaller?");
            Assert.That(reduced.Zip(exact, (one, other) => Math.Abs(one - other)).Average(), Is.LessThan(1));
        }
    }

    private static (int Width, int Height, byte[] Colours) Decoded(string file)
    {
        using var decoder = new ImageDecoder();
        Assert.That(decoder.DecodeWhole(samples.Read(file).Span, out var width, out var height), Is.Null, file);
        return (width, height, decoder.Colours().ToArray());
    }

    [TestCaseSource(nameof(Resized))]
    public void resizing_gives_pillows_bytes(string file)
    {
        string[] words = Path.GetFileNameWithoutExtension(file).Split('_');
        var size = int.Parse(words[^1], CultureInfo.InvariantCulture);
        var target = new byte[size * size * 3];
        using var decoder = new ImageDecoder();
        var source = samples.Read("resized/source.png").Span;
        if (words[0] == "crop")
        {
            int[] box = [.. words[1..^1].Select(word => int.Parse(word, CultureInfo.InvariantCulture))];
            Assert.That(decoder.DecodeCrops(source, target, size, (_, _, _) => new CropBox(box[0], box[1], box[2], box[3])), Is.Null);
        }
        else
        {
            var interpolation = words[0] == "bilinear" ? Interpolation.PillowBilinear : Interpolation.PillowBicubic;
            Assert.That(decoder.Decode(source, target, size, new ImageGeometry(interpolation, 8.0 / 7)), Is.Null);
        }

        Assert.That(target, Is.EqualTo(Decoded(file).Colours));
    }
}
