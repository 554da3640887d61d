using System.Buffers.Binary;
using System.Text;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using TorchSharp;

namespace Pascl.Tests.Training.Checkpoints;

public sealed class SafetensorsFileTests
{
    private string folder = "";

    [SetUp]
    public void CreateFolder() => folder = Directory.CreateTempSubdirectory("pascl-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void every_type_and_shape_comes_back_bit_for_bit()
    {
        using var scope = torch.NewDisposeScope();
        var values = torch.randn(3, 4) * 50;
        torch.ScalarType[] types =
        [
            torch.float64, torch.float32, torch.float16, torch.bfloat16,
            torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.@bool,
        ];
        var tensors = types.ToDictionary(type => type.ToString(), type => values.abs().to(type));
        tensors.Add("scalar", torch.tensor(-7L));
        tensors.Add("empty", torch.zeros(0, 5));
        tensors.Add("not finite", torch.tensor(new[] { float.NaN, float.PositiveInfinity, -0f }));
        var metadata = new Dictionary<string, string> { ["note"] = "\"quoted\" é 漢\n" };
        var path = Write(tensors, metadata);

        using var file = SafetensorsFile.Open(path);

        Assert.Multiple(() =>
        {
            Assert.That(file.Metadata, Is.EqualTo(metadata));
            Assert.That(file.Entries.Keys, Is.EquivalentTo(tensors.Keys));
            foreach (var (name, tensor) in tensors)
            {
                var read = file.Read(name);
                Assert.That(read.dtype, Is.EqualTo(tensor.dtype), name);
                Assert.That(read.shape, Is.EqualTo(tensor.shape), name);
                Assert.That(read.bytes.ToArray(), Is.EqualTo(tensor.bytes.ToArray()), name);
            }
        });
    }

    [Test]
    public void the_file_is_laid_out_as_the_format_says()
    {
        using var scope = torch.NewDisposeScope();
        var path = Write(
            new() { ["b"] = torch.tensor(new byte[] { 9 }), ["a"] = torch.tensor(new[] { 1.5f, -2f }) },
            new() { ["k"] = "v" });

        var header = """{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"""
            + ""","b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}""";
        header = header.PadRight((header.Length + 7) / 8 * 8);
        byte[] data = [.. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f), 9];
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(WithHeader(header, data)));
    }

    [Test]
    public void views_and_channels_last_tensors_are_stored_row_major()
    {
        using var scope = torch.NewDisposeScope();
        var whole = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).to(torch.float32);
        var channelsLast = ChannelsLast(whole);
        var path = Write(new() { ["channels last"] = channelsLast, ["view"] = whole[torch.TensorIndex.Ellipsis, 2] }, []);
        using var file = SafetensorsFile.Open(path);
        var target = ChannelsLast(torch.zeros_like(whole));

        file.ReadInto("channels last", target);

        Assert.Multiple(() =>
        {
            Assert.That(channelsLast.is_contiguous(), Is.False);
            Assert.That(file.Read("channels last").data<float>().ToArray(), Is.EqualTo(whole.data<float>().ToArray()));
            Assert.That(file.Read("view").eq(whole[torch.TensorIndex.Ellipsis, 2]).all().item<bool>(), Is.True);
            Assert.That(target.eq(whole).all().item<bool>(), Is.True);
            Assert.That(target.stride(), Is.EqualTo(channelsLast.stride()), "the target keeps its memory format");
        });
    }

    [Test]
    public void a_target_of_another_shape_is_refused()
    {
        using var scope = torch.NewDisposeScope();
        using var file = SafetensorsFile.Open(Write(new() { ["bias"] = torch.ones(1) }, []));
        Assert.That(
            () => file.ReadInto("bias", torch.zeros(3)),
            Throws.ArgumentException.With.Message.Contains("(1)").And.Message.Contains("(3)"));
    }

    [Test]
    public void a_file_cut_at_any_byte_is_refused()
    {
        using var scope = torch.NewDisposeScope();
        var path = Write(new() { ["weights"] = torch.randn(4) }, new() { ["k"] = "v" });
        var whole = File.ReadAllBytes(path);
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.That(
                () => SafetensorsFile.Open(path),
                Throws.TypeOf<InputException>().With.Message.Contains(path), $"{length} bytes");
        }

        File.WriteAllBytes(path, [.. whole, 0]);
        Assert.That(() => SafetensorsFile.Open(path), Throws.TypeOf<InputException>().With.Message.Contains("appended"));
    }

    [TestCase("not json", 0, "not the JSON")]
    [TestCase("[1]", 0, "not the JSON")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "not the JSON")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "whole numbers")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "at least 0")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "data offsets")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "data offsets")]
    [TestCase("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,8]}}""", 8, "F4")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "needs 8 bytes, but 4")]
    [TestCase("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "impossible shape")]
    [TestCase("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[],"data_offsets":[2,3]}}""", 4, "overlap")]
    [TestCase("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}""", 6, "gaps")]
    [TestCase("""{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}""", 4, "cut short")]
    [TestCase("""{"__metadata__":{"k":"1"},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"__metadata__":{}}""", 0, "not the JSON")]
    [TestCase("""{"__metadata__":{"k":1}}""", 0, "not the JSON")]
    public void a_header_that_breaks_the_format_is_refused(string header, int dataBytes, string reason)
    {
        var path = Path.Combine(folder, "bad.safetensors");
        File.WriteAllBytes(path, WithHeader(header, new byte[dataBytes]));
        Assert.That(
            () => SafetensorsFile.Open(path),
            Throws.TypeOf<InputException>().With.Message.Contains(path).And.Message.Contains(reason));
    }

    [TestCase(100_000_001ul)]
    [TestCase(ulong.MaxValue)]
    public void a_huge_header_is_refused_before_memory_is_asked_for(ulong length)
    {
        var path = Path.Combine(folder, "huge.safetensors");
        var bytes = new byte[64];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(path, bytes);
        Assert.That(() => SafetensorsFile.Open(path), Throws.TypeOf<InputException>().With.Message.Contains($"{length}"));
    }

    [Test]
    public void a_missing_file_and_a_folder_are_named()
    {
        var missing = Path.Combine(folder, "missing.safetensors");
        Assert.Multiple(() =>
        {
            Assert.That(
                () => SafetensorsFile.Open(missing),
                Throws.TypeOf<InputException>().With.Message.Contains($"{missing} could not be opened: there is no such file"));
            Assert.That(() => SafetensorsFile.Open(folder), Throws.TypeOf<InputException>().With.Message.Contains(folder));
        });
    }

    [Test]
    public void a_type_outside_the_format_is_refused_when_writing()
    {
        using var scope = torch.NewDisposeScope();
        var complex = new Dictionary<string, torch.Tensor> { ["spectrum"] = torch.zeros(2, torch.complex64) };
        Assert.That(
            () => SafetensorsFile.Write(Stream.Null, complex, new Dictionary<string, string>()),
            Throws.ArgumentException.With.Message.Contains("spectrum"));
    }

    private static torch.Tensor ChannelsLast(torch.Tensor images) => images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    private static byte[] WithHeader(string header, byte[] data) =>
        [.. BitConverter.GetBytes((long)header.Length), .. Encoding.UTF8.GetBytes(header), .. data];

    private string Write(Dictionary<string, torch.Tensor> tensors, Dictionary<string, string> metadata)
    {
        var path = Path.Combine(folder, "file.safetensors");
        using var stream = File.Create(path);
        SafetensorsFile.Write(stream, tensors, metadata);
        return path;
    }
}
