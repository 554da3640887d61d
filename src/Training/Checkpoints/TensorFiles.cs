using System.Collections.ObjectModel;
using Pascl.Training.Checkpoints.PyTorch;
using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>Opens files of tensors of either format.</summary>
internal static class TensorFiles
{
    /// <summary>Opens a file of PyTorch or a safetensors file; the first bytes say which it is.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">Where the weights lie in it: keys with dots between them, or the beginning of the names; null for the only ones.</param>
    /// <exception cref="InputException">It cannot be read, is damaged, or is of another format; or it has nothing under that key.</exception>
    public static ITensorFile Open(string path, string? key = null)
    {
        if (Directory.Exists(path))
        {
            throw new InputException($"{path} is a folder; name the file of weights in it.");
        }

        if (Ends(path) is var (start, end))
        {
            WeightFileKind.Require(path, start, end);
            if (TorchFile.IsArchive(start))
            {
                return TorchFile.Open(path, key);
            }
        }

        var file = SafetensorsFile.Open(path);
        if (key is null)
        {
            return file;
        }

        var below = new TensorsBelow(file, key + ".");
        if (below.Tensors.Count > 0)
        {
            return below;
        }

        file.Dispose();
        throw StateDictionaries.NotThere(path, key, [.. file.Entries.Keys.Select(name => name.Split('.')[0]).Distinct().Take(10)]);
    }

    // Null where nothing can be read: opening the file then says why.
    private static (byte[] Start, byte[] End)? Ends(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var start = Read(WeightFileKind.BytesNeeded);
            stream.Position = Math.Max(0, stream.Length - sizeof(ulong));
            return (start, Read(sizeof(ulong)));

            byte[] Read(int count)
            {
                var bytes = new byte[count];
                return bytes[..stream.ReadAtLeast(bytes, count, throwOnEndOfStream: false)];
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }
}

/// <summary>A file of tensors by name, read one by one.</summary>
internal interface ITensorFile : IDisposable
{
    /// <summary>Path of the file.</summary>
    string Path { get; }

    /// <summary>Type and shape of every tensor.</summary>
    IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>The types of tensors that cannot be read, by name.</summary>
    IReadOnlyDictionary<string, string> Unread => ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Reads one tensor into existing memory of the same type and shape, on any device and in any memory format.</summary>
    void ReadInto(string name, torch.Tensor target);
}

/// <summary>What a file says of a tensor.</summary>
/// <param name="Type">Type of the elements.</param>
/// <param name="Shape">Length of every dimension; empty for a scalar.</param>
internal sealed record StoredTensor(torch.ScalarType Type, IReadOnlyList<long> Shape)
{
    /// <summary>Whether a tensor has this type and shape.</summary>
    public bool Fits(torch.Tensor tensor) => tensor.dtype == Type && tensor.shape.SequenceEqual(Shape);

    /// <inheritdoc/>
    public override string ToString() => SafetensorsEntry.Describe(Type, Shape);
}

/// <summary>The tensors of a file whose names begin alike, by the rest of their names.</summary>
internal sealed class TensorsBelow(ITensorFile file, string prefix) : ITensorFile
{
    /// <inheritdoc/>
    public string Path => file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; } = file.Tensors
        .Where(tensor => tensor.Key.StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(tensor => tensor.Key[prefix.Length..], tensor => tensor.Value);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Unread { get; } = file.Unread
        .Where(tensor => tensor.Key.StartsWith(prefix, StringComparison.Ordinal))
        .ToDictionary(tensor => tensor.Key[prefix.Length..], tensor => tensor.Value);

    /// <inheritdoc/>
    public void ReadInto(string name, torch.Tensor target) => file.ReadInto(prefix + name, target);

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
