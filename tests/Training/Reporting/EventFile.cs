using System.Text;

namespace Pascl.Tests.Training.Reporting;

/// <summary>
/// A reader of TensorBoard event files: records of (length, CRC of the length, data, CRC of the data) as in TensorFlow's record_writer.h,
/// with the fields step = 2, file_version = 3, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } of event.proto and summary.proto.
/// </summary>
internal static class EventFile
{
    public static List<(string Tag, long Step, float Value)> Read(string path)
    {
        var scalars = new List<(string, long, float)>();
        using var reader = new BinaryReader(File.OpenRead(path));
        var versions = 0;
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            var length = reader.ReadBytes(8);
            Assert.That(reader.ReadUInt32(), Is.EqualTo(MaskedCrc(length)), "CRC of a length");
            var data = reader.ReadBytes((int)BitConverter.ToInt64(length));
            Assert.That(reader.ReadUInt32(), Is.EqualTo(MaskedCrc(data)), "CRC of a record");
            var fields = Fields(data);
            if (fields.TryGetValue(3, out var version))
            {
                Assert.That(Encoding.UTF8.GetString(version.Bytes), Is.EqualTo("brain.Event:2"));
                versions++;
            }
            else
            {
                var value = Fields(Fields(fields[5].Bytes)[1].Bytes);
                scalars.Add((Encoding.UTF8.GetString(value[1].Bytes), fields[2].Number, BitConverter.ToSingle(value[2].Bytes)));
            }
        }

        Assert.That(versions, Is.EqualTo(1));
        return scalars;
    }

    private static Dictionary<int, (long Number, byte[] Bytes)> Fields(byte[] message)
    {
        var fields = new Dictionary<int, (long, byte[])>();
        using var reader = new BinaryReader(new MemoryStream(message));
        while (reader.BaseStream.Position < message.Length)
        {
            var key = reader.Read7BitEncodedInt();
            fields[key >> 3] = (key & 7) switch
            {
                0 => (reader.Read7BitEncodedInt64(), []),
                1 => (0, reader.ReadBytes(8)),
                2 => (0, reader.ReadBytes(reader.Read7BitEncodedInt())),
                5 => (0, reader.ReadBytes(4)),
                var kind => throw new InvalidDataException($"wire type {kind}"),
            };
        }

        return fields;
    }

    /// <summary>CRC-32C, bit by bit, rotated by 15 bits and shifted by a constant.</summary>
    private static uint MaskedCrc(byte[] data)
    {
        var crc = uint.MaxValue;
        foreach (var value in data)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ (0x82F63B78 & (0 - (crc & 1)));
            }
        }

        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
    }
}
