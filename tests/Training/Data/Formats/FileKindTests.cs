using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>Files that are no images, as they lie among images.</summary>
public sealed class FileKindTests
{
    [TestCase("49492a0008000000", "is a TIFF image, which is not read; convert it to JPEG or PNG")]
    [TestCase("4d4d002a00000008", "is a TIFF image, which is not read; convert it to JPEG or PNG")]
    [TestCase("0000001c6674797061766966", "is an AVIF image, which is not read; convert it to JPEG or PNG")]
    [TestCase("000000186674797068656963", "is a HEIC image, which is not read; convert it to JPEG or PNG")]
    [TestCase("00000020667479706d703432", "is a video, which is not read")]
    [TestCase("0000000c4a584c200d0a870a", "is a JPEG XL image, which is not read; convert it to JPEG or PNG")]
    [TestCase("504b030414000000", "is a zip archive, which is not read")]
    [TestCase("1f8b080000000000", "is a file compressed with gzip, which is not read")]
    [TestCase("934e554d50590100", "is a NumPy array, which is not read")]
    [TestCase("524946462408000057415645", "is a RIFF file, of sound or video, which is not read")]
    [TestCase("52494646240800005745425056503820", "begins like an image but its header is cut or damaged")]
    [TestCase("ffd8ffe0", "begins like an image but its header is cut or damaged")]
    [TestCase("424d3600", "begins like an image but its header is cut or damaged")]
    [TestCase("76657273696f6e2068747470733a2f2f6769742d6c66732e", "is a pointer of Git LFS, not the image itself; get that with git lfs pull")]
    [TestCase("3c21444f43545950452068746d6c3e", "is not an image: it begins with the text \"<!DOCTYPE html>\"")]
    [TestCase("00ff0102", "is not an image")]
    [TestCase("49", "is not an image: it begins with the text \"I\"")]
    public void what_is_no_image_is_named_with_what_to_do(string bytes, string expected) =>
        Assert.That(FileKind.WhyNoImage(Convert.FromHexString(bytes)), Is.EqualTo(expected));

    [Test]
    public void a_file_on_disk_is_known_by_its_first_bytes_and_one_that_is_empty_or_not_there_is_not()
    {
        using var folder = new TemporaryFolder();
        var tar = new byte[600];
        "ustar"u8.CopyTo(tar.AsSpan(257));
        Assert.That(FileKind.Of(folder.Write("a", tar)), Is.EqualTo(FileKind.Tar));
        Assert.That(FileKind.Of(folder.Write("b", [.. tar.AsSpan(0, 261)])), Is.Null, "cut before the end of the mark");
        Assert.That(FileKind.Of(folder.Write("empty", Array.Empty<byte>())), Is.Null);
        Assert.That(FileKind.Of(Path.Combine(folder.Path, "nothing")), Is.Null);
    }
}
