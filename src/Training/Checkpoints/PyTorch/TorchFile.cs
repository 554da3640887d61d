using Pascl.Training.Pickling;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// The weights in a file of <c>torch.save</c> (PyTorch 1.6 and later): a state dictionary, or the one inside what a script saved with it. Nothing
/// in the file is ever run; see <see cref="TorchNames"/> for what it may hold.
/// </summary>
internal sealed class TorchFile : ITensorFile
{
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
    /// <param name="path">The file.</param>
    /// <param name="key">Where the weights lie in it, see <see cref="StateDictionaries.Choose"/>; null for the only ones.</param>
    /// <exception cref="InputException">The file cannot be read, is damaged, or asks for more than tensors and plain containers.</exception>
    public static TorchFile Open(string path, string? key = null)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            var archive = new TorchArchive(stream);
            return new TorchFile(path, archive, StateDictionaries.Choose(path, Load(path, archive.ReadProgram(), NameStorage), key));

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
        catch
        {
            stream?.Dispose();
            throw;
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

    // A module is pickled with all that torch.nn keeps of it, and a class of one's own comes first.
    private static bool IsWholeModel(ReadOnlySpan<byte> program) =>
        program.IndexOf("torch.nn.modules"u8) >= 0 || (program.IndexOf("_parameters"u8) >= 0 && program.IndexOf("_buffers"u8) >= 0);

    private static object? Load(string path, byte[] program, PickledFunction nameStorage)
    {
        try
        {
            return Unpickler.Load(program, TorchNames.Allowed, nameStorage);
        }
        catch (InvalidDataException exception) when (IsWholeModel(program))
        {
            throw new InputException(
                $"{path} is a whole pickled model, which needs its Python code ({exception.Message}); load it there, and save its weights with "
                + "torch.save(model.state_dict(), FILE).",
                exception);
        }
    }
}
