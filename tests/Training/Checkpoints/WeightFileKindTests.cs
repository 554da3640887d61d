using System.Text;
using Pascl.Training;
using Pascl.Training.Checkpoints;

namespace Pascl.Tests.Training.Checkpoints;

/// <summary>Files that are no weights, as people name them when they import.</summary>
public sealed class WeightFileKindTests
{
    private TemporaryFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TemporaryFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [TestCase("<!DOCTYPE html><html><body>Quota exceeded</body></html>", "begins with the text \"<!DOCTYPE html><html><body>Quota exceede\"")]
    [TestCase("\n  <html>\r\n<head>", "begins with the text \"<html>\"")]
    [TestCase("{\"message\": \"Not Found\"}", "begins with the text \"{\"message\": \"Not Found\"}\"")]
    [TestCase("No", "begins with the text \"No\"")]
    [TestCase("F\u00fcr alle: diese Datei gibt es nicht mehr, n\u00e4mlich", "begins with the text \"F\u00fcr alle")]
    [TestCase("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 44\n", "pointer of Git LFS, not the file itself; get that with git lfs pull")]
    [TestCase("", "it is empty")]
    [TestCase("GGUF\u0003\0\0\0", "GGUF")]
    public void text_and_pointers_are_named(string content, string expected) => Refuses(Encoding.UTF8.GetBytes(content), expected);

    [TestCase("1f8b0800000000000003", "gzip")]
    [TestCase("425a68393141592653590000", "bzip2")]
    [TestCase("fd377a585a000004", "xz")]
    [TestCase("28b52ffd04000000", "zstd")]
    [TestCase("377abcaf271c0004", "7z")]
    [TestCase("894844460d0a1a0a0000", "HDF5")]
    [TestCase("934e554d505901007600", "NumPy")]
    [TestCase("ffd8ffe000104a464946", "JPEG")]
    [TestCase("49492a00080000001000", "is a TIFF image")]
    [TestCase("7f454c46020101000000", "is a program")]
    [TestCase("526172211a0701003392", "is a RAR archive; unpack it")]
    [TestCase("08071207707974000000312e", "ONNX")]
    [TestCase("0801120b0a096b65726173", "TensorFlow")]
    [TestCase("1c00000054464c3314002000", "TensorFlow Lite")]
    [TestCase("00000801000000000000ff57fb808b247547db", "a checkpoint of TensorFlow")]
    [TestCase("80037d71002e0102030405", "a pickle that torch.save did not write")]
    [TestCase("80028a0a6cfc9c46f9206aa8", "written by PyTorch before 1.6")]
    [TestCase("80048a0a6cfc9c46f9206aa8", "written by PyTorch before 1.6")]
    [TestCase("8004950d000000000000008a0a6cfc9c46f9206aa850192e", "written by PyTorch before 1.6")]
    [TestCase("0a0b0c0d0e0f10111213", "begins with the bytes 0A0B0C0D0E0F1011")]
    public void other_formats_are_named(string bytes, string expected) => Refuses(Convert.FromHexString(bytes), expected);

    [Test]
    public void a_tar_archive_is_named()
    {
        var tar = new byte[1024];
        "storages"u8.CopyTo(tar);
        "ustar"u8.CopyTo(tar.AsSpan(257));
        Refuses(tar, "is a tar archive; unpack it, and if PyTorch before 0.1.10 wrote it");
    }

    [Test]
    public void a_damaged_safetensors_file_is_still_one() =>
        Refuses([255, 255, 255, 255, 255, 255, 255, 63, (byte)'{', (byte)'}'], "is not a whole safetensors file: it claims a header of");

    // The length of the header comes first: 0x8b1f begins like gzip, 0x0aff like JPEG XL, 0x120108 like a SavedModel of TensorFlow.
    [TestCase(0x8b1f)]
    [TestCase(0x0aff)]
    [TestCase(0x120108)]
    public void a_safetensors_file_is_one_whatever_the_length_of_its_header_looks_like(int length)
    {
        var header = """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""".PadRight(length);
        var path = folder.Write("weights.safetensors", [.. BitConverter.GetBytes((long)length), .. Encoding.ASCII.GetBytes(header), 0, 0, 0, 0]);
        using var file = TensorFiles.Open(path);
        Assert.That(file.Tensors.Keys, Is.EqualTo(["a"]));
    }

    private void Refuses(byte[] content, string expected)
    {
        var path = folder.Write("latest.pth", content);
        Assert.That(() => TensorFiles.Open(path), Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.StartsWith(path));
    }
}
