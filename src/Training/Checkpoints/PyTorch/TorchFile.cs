using Pascl.Training.Pickling;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// The weights in a file of <c>torch.save</c> (PyTorch 1.6 and later): a state dictionary, or one inside a dictionary under <c>model</c> or <c>state_dict</c>.
/// Nothing in the file is ever run; see <see cref="TorchNames"/> for what it may hold.
/// </summary>
internal sealed class TorchFile : ITensorFile
{
    private static readonly string[] nests = ["state_dict", "model"];

    private readonly TorchArchive archive;
    private readonly Dictionary<string, TorchTensor> tensors;

    private TorchFile(string path, TorchArchive archive, Dictionary<string, TorchTensor> tensors)
    {
        (Path, this.archive, this.tensors) = (path, archive, tensors);
        Tensors = tensors.ToDictionary(entry => entry.Key, entry => new StoredTensor(entry.Value.Storage.Type, entry.Value.Shape));
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>Whether a file begins as an archive does.</summary>
    public static bool IsArchive(ReadOnlySpan<byte> start) => start.StartsWith("PK"u8);

    /// <summary>Opens a file and reads what it holds, without the elements.</summary>
    /// <exception cref="InputException">The file cannot be read, is damaged, or asks for more than tensors and plain containers.</exception>
    public static TorchFile Open(string path)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            var archive = new TorchArchive(stream);
            return new TorchFile(path, archive, StateOf(Unpickler.Load(archive.ReadProgram(), TorchNames.Allowed, NameStorage)));

            TorchStorage NameStorage(object?[] tuple)
            {
                var storage = TorchStorage.FromPickle(tuple);
                archive.Check(storage);
                return storage;
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            stream?.Dispose();
            throw Unreadable(path, exception);
        }
    }

    /// <inheritdoc/>
    public void ReadInto(string name, torch.Tensor target)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var tensor = tensors[name];
        var storage = torch.empty(tensor.Storage.Elements, tensor.Storage.Type);
        try
        {
            using var stream = archive.Open(tensor.Storage);
            if (storage.NumberOfElements > 0)
            {
                storage.ReadBytesFromStream(stream);
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            throw Unreadable(Path, exception);
        }

        target.copy_(storage.as_strided(tensor.Shape, tensor.Strides, tensor.Offset));
    }

    /// <inheritdoc/>
    public void Dispose() => archive.Dispose();

    private static InputException Unreadable(string path, Exception exception)
    {
        var reason = exception is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : exception.Message.TrimEnd('.');
        return new InputException($"{path} cannot be read as a file of PyTorch: {reason}. A state dictionary written by torch.save was expected.", exception);
    }

    private static Dictionary<string, TorchTensor> StateOf(object? root)
    {
        if (root is not Dictionary<string, object?> dictionary)
        {
            throw new InvalidDataException("it holds no dictionary");
        }

        foreach (var candidate in nests.Select(nest => dictionary.GetValueOrDefault(nest)).OfType<Dictionary<string, object?>>().Prepend(dictionary))
        {
            var tensors = candidate.Where(entry => entry.Value is TorchTensor).ToDictionary(entry => entry.Key, entry => (TorchTensor)entry.Value!);
            if (tensors.Count > 0)
            {
                return tensors;
            }
        }

        var keys = string.Join(", ", dictionary.Keys.Take(10).Select(PickledText.Shown));
        throw new InvalidDataException($"its dictionary holds no tensors, neither itself nor under {string.Join(" or ", nests)}, but: {keys}");
    }
}
