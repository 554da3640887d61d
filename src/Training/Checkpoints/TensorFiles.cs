using Pascl.Training.Checkpoints.PyTorch;
using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>Opens files of tensors of either format.</summary>
internal static class TensorFiles
{
    // What torch.save wrote before 1.6 begins with a pickle of a number of ten bytes.
    private static readonly byte[] oldTorch = [0x80, 2, 0x8a, 10];

    /// <summary>Opens a file of PyTorch or a safetensors file; the first bytes say which it is.</summary>
    /// <exception cref="InputException">It cannot be read, is damaged, or is of another format.</exception>
    public static ITensorFile Open(string path)
    {
        var start = Start(path);
        if (start.AsSpan().StartsWith(oldTorch))
        {
            throw new InputException(
                $"{path} was written by PyTorch before 1.6. Load it there and write it again with torch.save(torch.load(path, 'cpu'), path).");
        }

        return TorchFile.IsArchive(start) ? TorchFile.Open(path) : SafetensorsFile.Open(path);
    }

    // Empty where nothing can be read: opening the file then says why.
    private static byte[] Start(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var start = new byte[oldTorch.Length];
            return start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
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

/// <summary>Copies the tensors of a file into existing ones, all of them or none.</summary>
internal static class StrictLoading
{
    /// <summary>
    /// Copies every tensor whose name starts with <paramref name="prefix"/> into the target of the rest of its name. Nothing is broadcast,
    /// converted or left out.
    /// </summary>
    /// <param name="file">Where the values come from.</param>
    /// <param name="prefix">The part of the file to load, for example <c>model.</c>.</param>
    /// <param name="targets">The tensors to fill.</param>
    /// <param name="owner">What the targets are, for the message: <c>the model</c>.</param>
    /// <param name="except">Targets and entries whose names begin so are left out; null for none.</param>
    /// <exception cref="InputException">An entry is missing, unexpected, or of another shape or type; all of them are listed and nothing
    /// was loaded.</exception>
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
    /// <exception cref="InputException">A name is missing, unexpected, or its tensor of another shape or type; all of them are listed and
    /// nothing was loaded.</exception>
    public static void Load(
        ITensorFile file, IReadOnlyDictionary<string, string> names, IReadOnlyDictionary<string, torch.Tensor> targets, string owner)
    {
        var tensors = file.Tensors;
        var stored = names.ToDictionary(name => name.Key, name => tensors[name.Value]);
        var problems = string.Concat(Problems(stored, targets).Select(problem => "\n  " + problem));
        if (problems.Length > 0)
        {
            throw new InputException($"{file.Path} does not fit {owner}; nothing was loaded.{problems}");
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
