using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Text;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data.Formats;
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

/// <summary>Names what a file is that was given as a file of weights and is none, by its first bytes.</summary>
internal static class WeightFileKind
{
    /// <summary>How many bytes of the beginning are looked at.</summary>
    public const int BytesNeeded = 512;

    private const int LongestQuote = 40;

    // A dictionary of the library of LevelDB, with which TensorFlow lists the tensors of a checkpoint, ends with this number.
    private const ulong TensorFlowIndex = 0xdb4775248b80fb57;

    // The number of its schema, 1, and its only graph.
    private static ReadOnlySpan<byte> SavedModel => [8, 1, 0x12];

    /// <summary>Refuses a file that is certainly neither of PyTorch nor safetensors, nor a damaged one of them.</summary>
    /// <param name="path">The file.</param>
    /// <param name="start">Its first <see cref="BytesNeeded"/> bytes, or all where it has fewer.</param>
    /// <param name="end">Its last 8 bytes, or fewer.</param>
    /// <exception cref="InputException">It is of another kind; the message names it.</exception>
    public static void Require(string path, ReadOnlySpan<byte> start, ReadOnlySpan<byte> end)
    {
        if (IsOldTorch(start))
        {
            throw new InputException(
                $"{path} was written by PyTorch before 1.6. Load it there and write it again with torch.save(torch.load(path, 'cpu'), path).");
        }

        if (Named(start, end) is { } what)
        {
            throw new InputException($"{path} is not a file of weights: it {what}. A file of torch.save or a safetensors file was expected.");
        }
    }

    // What torch.save wrote before 1.6, and writes when it is told to, begins with a pickle of a number of ten bytes, in protocol 4 and 5 in a frame.
    private static bool IsOldTorch(ReadOnlySpan<byte> start)
    {
        ReadOnlySpan<byte> number = [0x8a, 10];
        return IsPickle(start) && (start[2..].StartsWith(number) || (start.Length > 11 && start[2] == 0x95 && start[11..].StartsWith(number)));
    }

    private static bool IsPickle(ReadOnlySpan<byte> start) => start.Length > 2 && start[0] == 0x80 && start[1] is >= 2 and <= 5;

    private static string? Named(ReadOnlySpan<byte> start, ReadOnlySpan<byte> end)
    {
        if (start.IsEmpty)
        {
            return "is empty";
        }

        if (TorchFile.IsArchive(start) || IsSafetensors(start))
        {
            return null;
        }

        if (FileKind.Of(start) is { } kind)
        {
            return $"is {kind.Name}{Advice(kind)}";
        }

        if (Text(start) is { } text)
        {
            return $"begins with the text \"{text}\"";
        }

        // A damaged safetensors file, which is told what is wrong with it, or too little to say anything.
        if (start.Length <= 8 || start[8] == '{')
        {
            return null;
        }

        return IsPickle(start) ? "is a pickle that torch.save did not write; load it in Python, and write it again with torch.save"
            : end.Length == 8 && BinaryPrimitives.ReadUInt64LittleEndian(end) == TensorFlowIndex ? "is a checkpoint of TensorFlow"
            : start[4..].StartsWith("TFL3"u8) ? "is a model of TensorFlow Lite"
            : start.StartsWith(SavedModel) ? "seems to be a SavedModel of TensorFlow"
            : start[0] == 8 && start[1] < 0x80 && start[2] is 0x12 or 0x1a or 0x22 or 0x3a or 0x42
                ? "seems to be an ONNX model, which holds no state dictionary"
            : $"begins with the bytes {Convert.ToHexString(start[..8])}";
    }

    // The length of a header below 4 GiB, and the header. A length may have the bytes of any short signature.
    private static bool IsSafetensors(ReadOnlySpan<byte> start) => start.Length > 8 && start[8] == '{' && BinaryPrimitives.ReadUInt64LittleEndian(start) <= uint.MaxValue;

    private static string Advice(FileKind kind) =>
        kind == FileKind.Tar ? "; unpack it, and if PyTorch before 0.1.10 wrote it, load it there and write it again with torch.save"
        : kind == FileKind.Hdf5 ? ", in which Keras and MATLAB store weights and PyTorch does not"
        : kind == FileKind.Gguf ? ", in which llama.cpp stores language models"
        : kind.Group switch
        {
            FileGroup.Archive => "; unpack it",
            FileGroup.Pointer => ", not the file itself; get that with git lfs pull",
            _ => "",
        };

    // The first line, where the beginning is text. A safetensors file has zeros in its first eight bytes.
    private static string? Text(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith(Encoding.UTF8.Preamble))
        {
            start = start[Encoding.UTF8.Preamble.Length..];
        }

        var seen = start[..Math.Min(start.Length, LongestQuote)];
        foreach (var letter in seen)
        {
            if (letter is < 0x20 and not ((byte)'\n' or (byte)'\r' or (byte)'\t'))
            {
                return null;
            }
        }

        var text = Encoding.UTF8.GetString(seen).TrimStart();
        var line = text.Split('\n', '\r')[0].Trim();

        // The last letter may have been cut in half.
        return line.TrimEnd('\ufffd') is { Length: > 0 } quote && !quote.Contains('\ufffd', StringComparison.Ordinal) ? quote : null;
    }
}

/// <summary>Copies the tensors of a file into existing ones, all of them or none.</summary>
internal static class StrictLoading
{
    private const int MostListed = 8;

    /// <summary>
    /// Copies every tensor whose name starts with <paramref name="prefix"/> into the target of the rest of its name. Nothing is broadcast,
    /// converted or left out.
    /// </summary>
    /// <param name="file">Where the values come from.</param>
    /// <param name="prefix">The part of the file to load, for example <c>model.</c>.</param>
    /// <param name="targets">The tensors to fill.</param>
    /// <param name="owner">What the targets are, for the message: <c>the model</c>.</param>
    /// <param name="except">Targets and entries whose names begin so are left out; null for none.</param>
    /// <exception cref="InputException">An entry is missing, unexpected, or of another shape or type; the first of them are listed
    /// and nothing was loaded.</exception>
    public static void Load(ITensorFile file, string prefix, IReadOnlyDictionary<string, torch.Tensor> targets, string owner, string? except = null)
    {
        var names = file.Tensors.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(name => name[prefix.Length..]);
        Load(file, Kept(names, except), Kept(targets, except), owner);
    }

    /// <summary>Copies tensors into the targets of their names. Nothing is broadcast, converted or left out.</summary>
    /// <param name="file">Where the values come from.</param>
    /// <param name="names">The names in the file by the names of the targets.</param>
    /// <param name="targets">The tensors to fill.</param>
    /// <param name="owner">What the targets are, for the message: <c>the model</c>.</param>
    /// <exception cref="InputException">A name is missing, unexpected, or its tensor of another shape or type; the first of them are
    /// listed and nothing was loaded.</exception>
    public static void Load(
        ITensorFile file, IReadOnlyDictionary<string, string> names, IReadOnlyDictionary<string, torch.Tensor> targets, string owner)
    {
        var tensors = file.Tensors;
        var stored = names.ToDictionary(name => name.Key, name => tensors[name.Value]);
        var problems = Problems(stored, targets).ToList();
        if (problems.Count > 0)
        {
            var listed = string.Concat(problems.Take(MostListed).Select(problem => "\n  " + problem));
            var more = problems.Count > MostListed ? $"\n  and {problems.Count - MostListed} more" : "";
            throw new InputException($"{file.Path} does not fit {owner}; nothing was loaded.{listed}{more}");
        }

        foreach (var (name, target) in targets)
        {
            file.ReadInto(names[name], target);
        }
    }

    private static Dictionary<string, T> Kept<T>(IReadOnlyDictionary<string, T> values, string? except) =>
        values.Where(value => except is null || !value.Key.StartsWith(except, StringComparison.Ordinal)).ToDictionary();

    private static IEnumerable<string> Problems(
        Dictionary<string, StoredTensor> stored, IReadOnlyDictionary<string, torch.Tensor> targets)
    {
        foreach (var (name, target) in targets)
        {
            var wanted = new StoredTensor(target.dtype, target.shape);
            if (!stored.TryGetValue(name, out var found))
            {
                yield return $"missing: {name} {wanted}";
            }
            else if (!found.Fits(target))
            {
                yield return $"different: {name} is {found} in the file but must be {wanted}";
            }
        }

        foreach (var (name, found) in stored)
        {
            if (!targets.ContainsKey(name))
            {
                yield return $"unexpected: {name} {found}";
            }
        }
    }
}
