using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class ResamplingTests
{
    [TestCase(1, 1, 32)]
    [TestCase(2, 600, 32)]
    [TestCase(640, 480, 32)]
    [TestCase(75, 56, 224)]
    [TestCase(33, 31, 32)]
    public void one_colour_stays_that_colour(int width, int height, int size)
    {
        byte[] source = [.. Enumerable.Range(0, width * height).SelectMany<int, byte>(_ => [200, 7, 255])];
        var target = new byte[size * size * 3];
        Resampling.ResizeAndCrop(source, width, height, target, size);
        for (var i = 0; i < target.Length; i++)
        {
            Assert.That(target[i], Is.EqualTo(source[i % 3]));
        }
    }

    [Test]
    public void a_picture_of_the_right_size_comes_back_unchanged()
    {
        var source = new byte[9 * 9 * 3];
        new Random(1).NextBytes(source);
        var target = new byte[source.Length];
        Resampling.ResizeAndCrop(source, 9, 9, target, 9);
        Assert.That(target, Is.EqualTo(source));
    }

    [Test]
    public void the_square_in_the_centre_is_cut()
    {
        // Three 8 x 8 squares side by side, as one picture of width 24: only the middle one is seen.
        byte[] source = [.. Enumerable.Range(0, 24 * 8).SelectMany<int, byte>(i => (i % 24 / 8) switch { 0 => [255, 0, 0], 1 => [0, 255, 0], _ => [0, 0, 255] })];
        var target = new byte[8 * 8 * 3];
        Resampling.ResizeAndCrop(source, 24, 8, target, 8);
        Assert.That(target.Where((_, i) => i % 3 == 1), Is.All.EqualTo(255));
        Assert.That(target.Where((_, i) => i % 3 != 1), Is.All.EqualTo(0));
    }

    [Test]
    public void fine_stripes_average_instead_of_aliasing()
    {
        byte[] source = [.. Enumerable.Range(0, 128 * 128).SelectMany(i => Enumerable.Repeat((byte)(i % 2 * 255), 3))];
        var target = new byte[16 * 16 * 3];
        Resampling.ResizeAndCrop(source, 128, 128, target, 16);
        Assert.That(target.Where((_, i) => i / 3 % 16 is > 0 and < 15), Is.All.InRange(127, 128));
    }

    [Test]
    public void a_linear_ramp_stays_linear_away_from_the_edges()
    {
        // A cubic filter reproduces straight lines; the pixel at output x shows the ramp at (x + 0.5) * 4 - 0.5.
        byte[] source = [.. Enumerable.Range(0, 64 * 64).SelectMany(i => Enumerable.Repeat((byte)(i % 64 * 4), 3))];
        var target = new byte[16 * 16 * 3];
        Resampling.ResizeAndCrop(source, 64, 64, target, 16);
        for (var x = 2; x < 14; x++)
        {
            Assert.That(target[3 * x], Is.EqualTo(4 * (((x + 0.5) * 4) - 0.5)).Within(1));
        }
    }

    [Test]
    public unsafe void a_part_of_a_resized_picture_is_that_part_of_the_whole([Range(1, 18)] int count, [Values(9, 29, 67)] int outputs)
    {
        const int width = 31, height = 23;
        var source = new byte[((width * height) + 1) * PillowResampling.BytesPerPixel];
        new Random(outputs).NextBytes(source);
        var (whole, part) = (new byte[outputs * outputs * 3], new byte[count * count * 3]);
        fixed (byte* pixels = source)
        {
            PillowResampling.Resize(pixels, width, Axis(width, 0, outputs), Axis(height, 0, outputs), Interpolation.PillowBicubic, whole);
            for (var first = 0; first + count <= outputs; first += 5)
            {
                PillowResampling.Resize(pixels, width, Axis(width, first, count), Axis(height, first, count), Interpolation.PillowBicubic, part);
                Assert.That(
                    part.Chunk(count * 3),
                    Is.EqualTo(whole.Chunk(outputs * 3).Skip(first).Take(count).Select(row => row[(first * 3)..((first + count) * 3)])));
            }
        }

        ResizedAxis Axis(int side, int first, int count) => new(0, side, 0, side, outputs, first, count);
    }
}
