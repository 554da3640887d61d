using System.Text;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

[TestFixtureSource(typeof(ImageData), nameof(ImageData.All))]
public sealed class NpyDatasetTests(ImageData sample)
{
    private const string Sample = "tinyimages80m/300K_random_images.npy";

    [Test]
    public void the_outlier_file_is_mapped_and_equals_its_bytes()
    {
        using var folder = new TemporaryFolder();
        var content = Samples.Read(Sample).ToArray();
        var images = Datasets.ReadOutliers(folder.Write("300K_random_images.npy", content), new ReadOptions());
        Assert.That((images.Name, images.Count, images.Height, images.Width, images.ClassCount), Is.EqualTo(("300K_random_images", sample.ArrayCount, 32, 32, 0)));
        Assert.That(images.Labels.ToArray(), Is.All.EqualTo(ImageSet.NoClass));
        Assert.That(images.Pixels(images.Count - 1).SequenceEqual(content.AsSpan()[^3072..]));
    }

    [Test]
    public void the_same_file_inside_an_archive_gives_the_same_images()
    {
        var content = Samples.Read(Sample).ToArray();
        var images = Datasets.ReadOutliers(Path.Combine(Samples.Location, "tinyimages80m"), new ReadOptions());
        var middle = sample.ArrayCount / 2;
        Assert.That(images.Count, Is.EqualTo(sample.ArrayCount));
        Assert.That(images.Pixels(middle).SequenceEqual(content.AsSpan(128 + (middle * 3072), 3072)));
    }

    [Test]
    public void another_size_is_resized()
    {
        using var folder = new TemporaryFolder();
        var images = Datasets.ReadOutliers(folder.Write("o.npy", Samples.Read(Sample).Span), new ReadOptions(16));
        Assert.That((images.Count, images.Height, images.Width), Is.EqualTo((sample.ArrayCount, 16, 16)));
    }

    [TestCase("cut.npy", "cut short")]
    [TestCase("float64.npy", "numbers of type <f8")]
    [TestCase("fortran_order.npy", "Fortran order")]
    public void a_damaged_or_foreign_array_is_refused(string file, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(file, Samples.Read($"damaged-formats/{file}").Span);
        Assert.That(
            () => Datasets.ReadOutliers(path, new ReadOptions()), Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.Contains(path));
    }

    [TestCase("(2, 2, 2, 3)", 24, null)]
    [TestCase("(2, 2, 2, 3)", 25, "too long")]
    [TestCase("(2, 2, 2, 4)", 32, "has shape (2, 2, 2, 4)")]
    [TestCase("(24,)", 24, "has shape (24,)")]
    [TestCase("()", 1, "has shape ()")]
    [TestCase("(2000000000, 2000000000, 2000000000, 3)", 24, "cut short")]
    public void the_header_must_describe_the_bytes(string shape, int byteCount, string? expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.npy", Array(1, shape, new byte[byteCount]));
        if (expected is null)
        {
            Assert.That(Datasets.ReadOutliers(path, new ReadOptions()).Count, Is.EqualTo(2));
        }
        else
        {
            Assert.That(() => Datasets.ReadOutliers(path, new ReadOptions()), Throws.TypeOf<InputException>().With.Message.Contains(expected));
        }
    }

    [Test]
    public void later_versions_of_the_format_have_a_longer_length()
    {
        using var folder = new TemporaryFolder();
        Assert.That(Datasets.ReadOutliers(folder.Write("a.npy", Array(2, "(1, 2, 2, 3)", new byte[12])), new ReadOptions()).Count, Is.EqualTo(1));
    }

    [TestCase("")]
    [TestCase("<!DOCTYPE html>")]
    public void a_file_without_the_magic_bytes_is_refused(string content)
    {
        using var folder = new TemporaryFolder();
        Assert.That(
            () => Datasets.ReadOutliers(folder.Write("a.npy", content), new ReadOptions()),
            Throws.TypeOf<InputException>().With.Message.Contains("does not begin as a NumPy file"));
    }

    private FileTree Samples => FileTree.Open(sample.Archive("format-samples"));

    private static byte[] Array(byte version, string shape, byte[] content)
    {
        var header = Encoding.ASCII.GetBytes($"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
        byte[] length = version == 1 ? [(byte)header.Length, 0] : [(byte)header.Length, 0, 0, 0];
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. header, .. content];
    }
}
