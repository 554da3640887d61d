using System.IO.Compression;
using System.Text;

namespace Pascl.Tests.Training.Checkpoints.PyTorch;

/// <summary>Writes files as torch.save does, with any pickle and any entries, to see what a reader makes of them.</summary>
internal static class TorchFiles
{
    /// <summary>A pickle of protocol 2 from opcodes in Latin-1.</summary>
    public static byte[] Pickle(string opcodes) => Encoding.Latin1.GetBytes("\u0080\u0002" + opcodes);

    /// <summary>The opcodes of a dictionary with one tensor <c>w</c> of float32.</summary>
    public static string Dictionary(string tensor) => $"}}{Text("w")}{tensor}s.";

    /// <summary>The opcodes of a float32 tensor that views storage 0.</summary>
    public static string Tensor(long elements, long offset, long[] shape, long[] strides, string storage = "FloatStorage") =>
        $"ctorch._utils\n_rebuild_tensor_v2\n(({Text("storage")}ctorch\n{storage}\n{Text("0")}{Text("cpu")}{Number(elements)}tQ"
        + $"{Number(offset)}({string.Concat(shape.Select(Number))}t({string.Concat(strides.Select(Number))}t\u0089ccollections\nOrderedDict\n)RtR";

    public static string Text(string text) => $"X{Little(text.Length, 4)}{text}";

    public static string Number(long number) => $"\u008a\u0008{Little(number, 8)}";

    /// <summary>An archive; compressed only where that is asked for.</summary>
    public static byte[] Zip(CompressionLevel level, params (string Name, byte[] Content)[] entries)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                using var entry = archive.CreateEntry(name, level).Open();
                entry.Write(content);
            }
        }

        return stream.ToArray();
    }

    /// <summary>An archive of a pickle and storage 0.</summary>
    public static byte[] Zip(byte[] pickle, byte[] storage) =>
        Zip(CompressionLevel.NoCompression, ("archive/data.pkl", pickle), ("archive/data/0", storage), ("archive/version", "3\n"u8.ToArray()));

    private static string Little(long number, int bytes) => string.Concat(Enumerable.Range(0, bytes).Select(i => (char)((number >> (8 * i)) & 0xff)));
}
