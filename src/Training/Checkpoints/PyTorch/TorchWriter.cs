using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// Writes a state dictionary as <c>torch.save</c> does: a zip archive of a pickle (protocol 2) and the elements of each tensor. PyTorch 1.6 and later read it.
/// </summary>
internal static class TorchWriter
{
    private const string Root = "archive";

    // The same tensors give the same file; a zip archive can hold no earlier time.
    private static readonly DateTimeOffset time = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes tensors by name, in their order. They may lie on any device and in any memory format.</summary>
    public static void Write(Stream stream, IReadOnlyList<(string Name, torch.Tensor Tensor)> tensors)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        AddEntry(archive, "data.pkl", entry => entry.Write(Program(tensors)));
        for (var i = 0; i < tensors.Count; i++)
        {
            using var scope = torch.NewDisposeScope();
            var plain = tensors[i].Tensor.detach().cpu().contiguous();
            AddEntry(archive, $"data/{i}", entry => plain.WriteBytesToStream(entry));
        }

        AddEntry(archive, "version", entry => entry.Write("3\n"u8));
    }

    private static void AddEntry(ZipArchive archive, string name, Action<Stream> write)
    {
        var entry = archive.CreateEntry($"{Root}/{name}", CompressionLevel.NoCompression);
        entry.LastWriteTime = time;
        using var stream = entry.Open();
        write(stream);
    }

    private static byte[] Program(IReadOnlyList<(string Name, torch.Tensor Tensor)> tensors)
    {
        var program = new List<byte>();
        program.AddRange([0x80, 2]);
        AddEmptyDictionary(program);
        program.Add((byte)'(');
        for (var i = 0; i < tensors.Count; i++)
        {
            AddText(program, tensors[i].Name);
            AddTensor(program, tensors[i].Tensor, i);
        }

        program.AddRange("u."u8);
        return [.. program];
    }

    // _rebuild_tensor_v2((storage), offset, shape, strides, requires_grad, hooks)
    private static void AddTensor(List<byte> program, torch.Tensor tensor, int index)
    {
        AddGlobal(program, "torch._utils", "_rebuild_tensor_v2");
        program.AddRange("(("u8);
        AddText(program, "storage");
        AddGlobal(program, "torch", TorchStorage.NameOf(tensor.dtype));
        AddText(program, index.ToString(CultureInfo.InvariantCulture));
        AddText(program, "cpu");
        AddNumber(program, tensor.NumberOfElements);
        program.AddRange("tQ"u8);
        AddNumber(program, 0);
        AddNumbers(program, tensor.shape);
        AddNumbers(program, RowMajor(tensor.shape));
        program.Add(0x89);
        AddEmptyDictionary(program);
        program.AddRange("tR"u8);
    }

    private static long[] RowMajor(long[] shape)
    {
        var strides = new long[shape.Length];
        var step = 1L;
        for (var dimension = shape.Length - 1; dimension >= 0; dimension--)
        {
            strides[dimension] = step;
            step *= Math.Max(1, shape[dimension]);
        }

        return strides;
    }

    private static void AddEmptyDictionary(List<byte> program)
    {
        AddGlobal(program, "collections", "OrderedDict");
        program.AddRange(")R"u8);
    }

    private static void AddGlobal(List<byte> program, string module, string name) => program.AddRange(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private static void AddText(List<byte> program, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        program.Add((byte)'X');
        AddInt32(program, bytes.Length);
        program.AddRange(bytes);
    }

    private static void AddNumbers(List<byte> program, long[] numbers)
    {
        program.Add((byte)'(');
        foreach (var number in numbers)
        {
            AddNumber(program, number);
        }

        program.Add((byte)'t');
    }

    private static void AddNumber(List<byte> program, long number)
    {
        program.Add((byte)'J');
        AddInt32(program, checked((int)number));
    }

    private static void AddInt32(List<byte> program, int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        program.AddRange(bytes);
    }
}
