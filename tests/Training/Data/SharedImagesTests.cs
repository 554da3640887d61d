using Pascl.Training.Data;
using SkiaSharp;

namespace Pascl.Tests.Training.Data;

public sealed class SharedImagesTests
{
    private const int Size = 16;

    [Test]
    public void images_that_are_in_two_sets_are_counted_and_named()
    {
        ImageSet[] sets = [Set("first", Picture(1), Picture(2), Picture(3)), Set("second", Picture(4), Picture(2), Picture(2)), Set("third", Picture(5))];
        var shared = SharedImages.Find(sets).Single();
        Assert.That(shared, Is.EqualTo(new SharedImages("first", "second", Same: 2, Similar: 0, ("first[1]", "second[1]"))));
        Assert.That(shared.ToString(), Is.EqualTo("2 images of second are the same picture as one of first; for example first[1] and second[1]."));
    }

    [Test]
    public void a_picture_stored_anew_as_jpeg_is_nearly_the_same_and_others_are_not()
    {
        var pictures = Enumerable.Range(0, 50).Select(Picture).ToArray();
        var shared = SharedImages.Find([Set("first", pictures), Set("second", [.. pictures.Select(AsJpeg), .. Enumerable.Range(100, 50).Select(Picture)])]).Single();
        Assert.That(shared.Same, Is.Zero);
        Assert.That(shared.Similar, Is.InRange(45, 50), "and none of the other fifty");
    }

    [Test]
    public void even_pictures_are_only_the_same_when_their_pixels_are()
    {
        byte[] grey = [.. Enumerable.Repeat((byte)100, Size * Size * 3)], other = [.. Enumerable.Repeat((byte)101, Size * Size * 3)];
        Assert.That(SharedImages.Find([Set("first", grey), Set("second", other)]), Is.Empty);
    }

    [Test]
    public void what_is_wrong_with_the_results_is_said()
    {
        var (training, test, outliers, far) = (Set("a", Picture(1), Picture(2)), Set("b", Picture(2)), Set("c", Picture(1), Picture(7)), Set("d", Picture(7)));
        var data = new TrainingData(training, null, test, outliers, [far], []);
        Assert.That(data.Overlaps(), Has.Count.EqualTo(3)
            .And.One.EndsWith("Accuracy is measured on images that chose or trained the network.")
            .And.One.EndsWith("In-distribution images are trained on as outliers.")
            .And.One.EndsWith("Detection is measured on images that were trained on as outliers."));
    }

    private static ImageSet Set(string name, params byte[][] images)
    {
        var pixels = new PixelBlock(images.Length, Size, Size);
        for (var i = 0; i < images.Length; i++)
        {
            images[i].CopyTo(pixels.Writable(i));
        }

        return new ImageSet(name, pixels, new int[images.Length], ["x"]);
    }

    // Smooth, as photographs are: noise would not survive a JPEG.
    private static byte[] Picture(int seed)
    {
        var random = new Random(seed);
        var waves = Enumerable.Range(0, 6).Select(_ => (X: random.NextDouble(), Y: random.NextDouble(), Phase: 6.28 * random.NextDouble())).ToArray();
        return [.. Enumerable.Range(0, Size * Size * 3).Select(i => (byte)(128 + (20 * waves.Sum(wave =>
            Math.Sin((wave.X * (i / 3 % Size)) + (wave.Y * (i / 3 / Size)) + wave.Phase + (0.1 * (i % 3)))))))];
    }

    private static byte[] AsJpeg(byte[] picture)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(Size, Size, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var i = 0; i < Size * Size; i++)
        {
            bitmap.SetPixel(i % Size, i / Size, new SKColor(picture[3 * i], picture[(3 * i) + 1], picture[(3 * i) + 2]));
        }

        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90);
        using var decoded = SKBitmap.Decode(data);
        return [.. Enumerable.Range(0, Size * Size).SelectMany<int, byte>(i => decoded.GetPixel(i % Size, i / Size) is var colour ? [colour.Red, colour.Green, colour.Blue] : [])];
    }
}
