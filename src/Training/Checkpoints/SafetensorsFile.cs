using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>
/// Tensors by name in one file, in the safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes header length, a
/// JSON header, then the elements of every tensor, little endian, row-major. Opening reads and checks the header alone; each tensor is read
/// when asked for.
/// </summary>
/// <remarks>Types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL; others are named in <see cref="Unread"/>. An instance serves one thread at a time.</remarks>
public sealed class SafetensorsFile : ITensorFile
{
    private const int LengthBytes = 8;
    private const int ChunkBytes = 1 << 20;

    private readonly FileStream stream;

    private SafetensorsFile(FileStream stream, SafetensorsContent content) =>
        (this.stream, Entries, Unread, Metadata) = (stream, content.Entries, content.Unread, content.Metadata);

    /// <summary>Full path of the file, whatever path it was opened by.</summary>
    public string Path => stream.Name;

    /// <summary>Every tensor by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; }

    /// <inheritdoc/>
    IReadOnlyDictionary<string, StoredTensor> ITensorFile.Tensors =>
        Entries.ToDictionary(entry => entry.Key, entry => new StoredTensor(entry.Value.Type, entry.Value.Shape));

    /// <summary>Tensors of types that torch computes little or nothing with, which cannot be read: the type by the name.</summary>
    public IReadOnlyDictionary<string, string> Unread { get; }

    /// <summary>The strings beside the tensors (<c>__metadata__</c>).</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header: syntax, types, and that the tensors fill the file without gap or overlap.</summary>
    /// <exception cref="InputException">The file cannot be read or is not a whole safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var reason = File.Exists(path) ? exception.Message : "there is no such file";
            throw new InputException($"{path} could not be opened: {reason}. A safetensors file was expected.", exception);
        }

        try
        {
            return new SafetensorsFile(stream, ReadHeader(stream));
        }
        catch (Exception exception) when (exception is FormatException or IOException)
        {
            stream.Dispose();
            throw new InputException($"{path} is not a whole safetensors file: {exception.Message}.", exception);
        }
    }

    /// <summary>
    /// Writes tensors and strings to a stream, one tensor at a time. Tensors may lie on any device and need not be contiguous.
    /// </summary>
    /// <exception cref="ArgumentException">A tensor has a type that the format cannot hold.</exception>
    public static void Write(Stream stream, IReadOnlyDictionary<string, torch.Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        // Wide elements first, so that programs that map the file find every tensor aligned.
        KeyValuePair<string, torch.Tensor>[] ordered = [.. tensors.OrderByDescending(pair => pair.Value.ElementSize)];
        var header = SafetensorsHeader.Create(ordered, metadata);
        Span<byte> length = stackalloc byte[LengthBytes];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var (_, tensor) in ordered)
        {
            using var scope = torch.NewDisposeScope();
            tensor.detach().cpu().contiguous().WriteBytesToStream(stream, BufferFor(tensor));
        }
    }

    /// <summary>Reads one tensor into new memory.</summary>
    public torch.Tensor Read(string name)
    {
        var entry = Entries[name];
        var tensor = torch.empty([.. entry.Shape], entry.Type);
        Fill(tensor, entry);
        return tensor;
    }

    /// <summary>Reads one tensor into existing memory of the same type and shape, on any device and in any memory format.</summary>
    public void ReadInto(string name, torch.Tensor target)
    {
        var entry = Entries[name];
        if (target.dtype != entry.Type || !target.shape.SequenceEqual(entry.Shape))
        {
            var stored = SafetensorsEntry.Describe(entry.Type, entry.Shape);
            var wanted = SafetensorsEntry.Describe(target.dtype, target.shape);
            throw new ArgumentException($"'{name}' is {stored} but its target is {wanted}.");
        }

        if (target.device_type == DeviceType.CPU && target.is_contiguous())
        {
            Fill(target, entry);
            return;
        }

        using var scope = torch.NewDisposeScope();
        using var noGradient = torch.no_grad();
        target.copy_(Read(name));
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private static SafetensorsContent ReadHeader(FileStream stream)
    {
        if (stream.Length < LengthBytes)
        {
            throw new FormatException($"it has only {stream.Length} bytes");
        }

        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        stream.ReadExactly(lengthBytes);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (length > (ulong)Math.Min(stream.Length - LengthBytes, SafetensorsHeader.MaximumBytes))
        {
            throw new FormatException(
                $"it claims a header of {length} bytes; the file has {stream.Length}, a header at most {SafetensorsHeader.MaximumBytes}");
        }

        var header = new byte[(int)length];
        stream.ReadExactly(header);
        return SafetensorsHeader.Parse(header, LengthBytes + header.Length, stream.Length);
    }

    private void Fill(torch.Tensor target, SafetensorsEntry entry)
    {
        stream.Position = entry.Offset;
        target.ReadBytesFromStream(stream, BufferFor(target));
    }

    // TorchSharp makes a buffer for each tensor, and a network has hundreds of small ones: whole chunks for all cost a run of seconds a fifth of its time.
    private static int BufferFor(torch.Tensor tensor) => (int)Math.Clamp(tensor.NumberOfElements * tensor.ElementSize, 1, ChunkBytes);
}

/// <summary>What the header of a safetensors file says of one tensor.</summary>
/// <param name="Type">Type of the elements.</param>
/// <param name="Shape">Length of every dimension; empty for a scalar.</param>
/// <param name="Offset">Position of the first byte in the file.</param>
/// <param name="ByteCount">Bytes of all elements.</param>
public sealed record SafetensorsEntry(torch.ScalarType Type, IReadOnlyList<long> Shape, long Offset, long ByteCount)
{
    /// <summary>Type and shape as messages show them: <c>Float32 (64, 3, 3, 3)</c>.</summary>
    internal static string Describe(torch.ScalarType type, IReadOnlyList<long> shape) => $"{type} ({string.Join(", ", shape)})";
}

/// <summary>The JSON header of a safetensors file: every tensor's type, shape and place, and a map of strings.</summary>
internal static class SafetensorsHeader
{
    /// <summary>The limit of the reference implementation; a longer header is damage or an attack on memory.</summary>
    public const long MaximumBytes = 100_000_000;

    private const string MetadataKey = "__metadata__";

    private static readonly Dictionary<string, (torch.ScalarType Type, int Bytes)> types = new()
    {
        ["F64"] = (torch.ScalarType.Float64, 8),
        ["F32"] = (torch.ScalarType.Float32, 4),
        ["F16"] = (torch.ScalarType.Float16, 2),
        ["BF16"] = (torch.ScalarType.BFloat16, 2),
        ["I64"] = (torch.ScalarType.Int64, 8),
        ["I32"] = (torch.ScalarType.Int32, 4),
        ["I16"] = (torch.ScalarType.Int16, 2),
        ["I8"] = (torch.ScalarType.Int8, 1),
        ["U8"] = (torch.ScalarType.Byte, 1),
        ["BOOL"] = (torch.ScalarType.Bool, 1),
    };

    private static readonly Dictionary<string, int> unreadTypes = new()
    {
        ["U64"] = 8,
        ["U32"] = 4,
        ["U16"] = 2,
        ["C64"] = 8,
        ["F8_E4M3"] = 1,
        ["F8_E5M2"] = 1,
        ["F8_E8M0"] = 1,
        ["F8_E4M3FNUZ"] = 1,
        ["F8_E5M2FNUZ"] = 1,
    };

    /// <summary>The header of <paramref name="tensors"/> laid one after the other, padded with spaces to a multiple of 8 bytes.</summary>
    public static byte[] Create(IReadOnlyList<KeyValuePair<string, torch.Tensor>> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject(MetadataKey);
                foreach (var (key, value) in metadata)
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            var offset = 0L;
            foreach (var (name, tensor) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", TypeName(name, tensor.dtype));
                WriteNumbers(json, "shape", tensor.shape);
                WriteNumbers(json, "data_offsets", [offset, offset += tensor.NumberOfElements * tensor.ElementSize]);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        buffer.Write("       "u8[..((8 - (buffer.WrittenCount % 8)) % 8)]);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>
    /// Reads a header; <paramref name="dataStart"/> and <paramref name="fileLength"/> bound the place of every tensor, and no byte may be
    /// unclaimed.
    /// </summary>
    /// <exception cref="FormatException">The header breaks a rule of the format; the message says which.</exception>
    public static SafetensorsContent Parse(byte[] header, long dataStart, long fileLength)
    {
        var entries = new Dictionary<string, SafetensorsEntry>();
        var unread = new Dictionary<string, string>();
        var metadata = new Dictionary<string, string>();
        try
        {
            using var json = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.NameEquals(MetadataKey))
                {
                    metadata = property.Value.EnumerateObject().ToDictionary(entry => entry.Name, entry => Text(entry.Value));
                }
                else
                {
                    entries.Add(property.Name, ParseEntry(property.Name, property.Value, dataStart, unread));
                }
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new FormatException($"its header is not the JSON that the format prescribes ({exception.Message})", exception);
        }

        CheckLayout(entries, dataStart, fileLength);
        foreach (var name in unread.Keys)
        {
            entries.Remove(name);
        }

        return new SafetensorsContent(entries, unread, metadata);
    }

    private static SafetensorsEntry ParseEntry(string name, JsonElement value, long dataStart, Dictionary<string, string> unread)
    {
        var typeName = Text(value.GetProperty("dtype"));
        if (unreadTypes.TryGetValue(typeName, out var bytes))
        {
            // Its place is checked as that of any other; the type in its entry is never used.
            unread.Add(name, typeName);
        }

        if (!types.TryGetValue(typeName, out var type) && (type = (torch.ScalarType.Byte, bytes)).Bytes == 0)
        {
            throw new FormatException($"tensor '{name}' has the type {typeName}; known types are {string.Join(", ", types.Keys)}");
        }

        var shape = Numbers(value.GetProperty("shape"));
        var offsets = Numbers(value.GetProperty("data_offsets"));
        if (offsets.Length != 2 || offsets[1] < offsets[0] || offsets[1] > long.MaxValue - dataStart)
        {
            throw new FormatException($"tensor '{name}' has the data offsets [{string.Join(", ", offsets)}], not a start and an end");
        }

        var (byteCount, claimed) = (ByteCount(name, shape, type.Bytes), offsets[1] - offsets[0]);
        return claimed == byteCount
            ? new SafetensorsEntry(type.Type, shape, dataStart + offsets[0], byteCount)
            : throw new FormatException(
                $"tensor '{name}' is {SafetensorsEntry.Describe(type.Type, shape)} and needs {byteCount} bytes, but {claimed} are given");
    }

    private static long ByteCount(string name, long[] shape, int elementBytes)
    {
        try
        {
            return shape.Aggregate((long)elementBytes, (product, length) => checked(product * length));
        }
        catch (OverflowException exception)
        {
            throw new FormatException($"tensor '{name}' has the impossible shape ({string.Join(", ", shape)})", exception);
        }
    }

    private static void CheckLayout(Dictionary<string, SafetensorsEntry> entries, long dataStart, long fileLength)
    {
        var end = dataStart;
        foreach (var (name, entry) in entries.OrderBy(entry => entry.Value.Offset).ThenBy(entry => entry.Value.ByteCount))
        {
            if (entry.Offset != end)
            {
                throw new FormatException(
                    $"tensor '{name}' starts at byte {entry.Offset}, not {end}; tensors may neither overlap nor leave gaps");
            }

            end += entry.ByteCount;
        }

        if (end != fileLength)
        {
            throw new FormatException($"its header describes {end} bytes but the file has {fileLength}; it was cut short or appended to");
        }
    }

    private static string TypeName(string name, torch.ScalarType type) =>
        types.FirstOrDefault(pair => pair.Value.Type == type).Key
        ?? throw new ArgumentException($"Tensor '{name}' has the type {type}, which the safetensors format cannot hold.");

    private static string Text(JsonElement element) =>
        element.GetString() ?? throw new InvalidOperationException("a string was expected but null was found");

    private static long[] Numbers(JsonElement array)
    {
        long[] numbers = [.. array.EnumerateArray().Select(element => element.TryGetInt64(out var number) ? number : -1)];
        return numbers.All(number => number >= 0)
            ? numbers
            : throw new InvalidOperationException("shapes and offsets must be whole numbers, at least 0");
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, long[] numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}

/// <summary>What the header of a safetensors file says.</summary>
/// <param name="Entries">The tensors that can be read.</param>
/// <param name="Unread">The types of the others.</param>
/// <param name="Metadata">The strings beside them.</param>
internal sealed record SafetensorsContent(
    IReadOnlyDictionary<string, SafetensorsEntry> Entries, IReadOnlyDictionary<string, string> Unread, IReadOnlyDictionary<string, string> Metadata);
