using System.Buffers.Binary;
using System.Text;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>
/// Writes the Python files of CIFAR, opcode for opcode as the published ones (protocol 2, cPickle): the CIFAR-10 batch was compared byte for byte with the start
/// of the real data_batch_1.
/// </summary>
internal sealed class CifarPickles
{
    private const int AppendBatch = 1000;
    private readonly List<byte> program = [];
    private int memo;

    /// <summary>A data batch of CIFAR-10.</summary>
    public static byte[] Batch(string batchLabel, byte[] labels, byte[] planes)
    {
        var writer = new CifarPickles();
        writer.Begin();
        writer.Text("batch_label").Text(batchLabel).Text("labels").Numbers(labels).Text("data").Table(planes, labels.Length);
        writer.Text("filenames").Texts([.. labels.Select((_, i) => $"image_{i}.png")]);
        return writer.End();
    }

    /// <summary>A part of CIFAR-100.</summary>
    public static byte[] Part(string batchLabel, byte[] fineLabels, byte[] coarseLabels, byte[] planes)
    {
        var writer = new CifarPickles();
        writer.Begin();
        writer.Text("filenames").Texts([.. fineLabels.Select((_, i) => $"image_{i}.png")]).Text("batch_label").Text(batchLabel);
        writer.Text("fine_labels").Numbers(fineLabels).Text("coarse_labels").Numbers(coarseLabels).Text("data").Table(planes, fineLabels.Length);
        return writer.End();
    }

    /// <summary>A file of class names.</summary>
    public static byte[] Meta(string key, IEnumerable<string> names)
    {
        var writer = new CifarPickles();
        writer.Begin();
        writer.Text(key).Texts([.. names]);
        return writer.End();
    }

    private void Begin() => Put([0x80, 2, (byte)'}']).Remember().Put("("u8);

    private byte[] End() => Put("u."u8).program.ToArray();

    private CifarPickles Text(string text) => Put([(byte)'U', (byte)text.Length]).Put(Encoding.ASCII.GetBytes(text)).Remember();

    private CifarPickles Texts(string[] texts) => List(texts.Length, i => Text(texts[i]));

    private CifarPickles Numbers(byte[] numbers) => List(numbers.Length, i => Put([(byte)'K', numbers[i]]));

    private CifarPickles List(int count, Func<int, CifarPickles> item)
    {
        Put("]"u8).Remember();
        for (var start = 0; start < count; start += AppendBatch)
        {
            Put("("u8);
            for (var i = start; i < Math.Min(count, start + AppendBatch); i++)
            {
                item(i);
            }

            Put("e"u8);
        }

        return this;
    }

    private CifarPickles Table(byte[] bytes, int rows)
    {
        Global("numpy.core.multiarray\n_reconstruct\n").Global("numpy\nndarray\n");
        Put([(byte)'K', 0, 0x85, (byte)'U', 1, (byte)'b', 0x87, (byte)'R']).Remember().Put([(byte)'(', (byte)'K', 1]);
        Number(rows).Number(bytes.Length / rows).Put([0x86]).Global("numpy\ndtype\n");
        Put([(byte)'U', 2, (byte)'u', (byte)'1', (byte)'K', 0, (byte)'K', 1, 0x87, (byte)'R']).Remember().Put([(byte)'(', (byte)'K', 3, (byte)'U', 1, (byte)'|']);
        Put("NNN"u8).Put([(byte)'J', 255, 255, 255, 255, (byte)'J', 255, 255, 255, 255, (byte)'K', 0, (byte)'t', (byte)'b', 0x89, (byte)'T']);
        var length = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        return Put(length).Put(bytes).Put("tb"u8);
    }

    private CifarPickles Number(int number) => number < 256 ? Put([(byte)'K', (byte)number]) : Put([(byte)'M', (byte)number, (byte)(number >> 8)]);

    private CifarPickles Global(string name) => Put("c"u8).Put(Encoding.ASCII.GetBytes(name)).Remember();

    private CifarPickles Remember()
    {
        memo++;
        return memo < 256 ? Put([(byte)'q', (byte)memo]) : Put([(byte)'r', (byte)memo, (byte)(memo >> 8), (byte)(memo >> 16), 0]);
    }

    private CifarPickles Put(ReadOnlySpan<byte> bytes)
    {
        program.AddRange(bytes);
        return this;
    }
}
