using System.Buffers.Binary;
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
