using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// A file whose numbers are read in the types of our network, as <c>load_state_dict</c> does: weights of any floating-point type as float32, counts of
/// batches as int64.
/// </summary>
internal sealed class ConvertedFile : ITensorFile
{
    /// <summary>How the names of BatchNorm's counts of batches end.</summary>
    public const string CountSuffix = ".num_batches_tracked";

    private readonly ITensorFile file;

    /// <summary>Wraps a file, which is closed with it.</summary>
    public ConvertedFile(ITensorFile file)
    {
        this.file = file;
        Tensors = file.Tensors.ToDictionary(tensor => tensor.Key, tensor => tensor.Value with { Type = TypeOf(tensor.Key, tensor.Value.Type) });
    }

    /// <inheritdoc/>
    public string Path => file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Unread => file.Unread;

    /// <summary>How many of the named tensors have each type that is converted.</summary>
    public IEnumerable<(torch.ScalarType Type, int Count)> Conversions(IEnumerable<string> names)
    {
        var stored = file.Tensors;
        return names.Where(name => !name.EndsWith(CountSuffix, StringComparison.Ordinal) && stored[name].Type != Tensors[name].Type)
            .CountBy(name => stored[name].Type)
            .Select(type => (type.Key, type.Value));
    }

    /// <inheritdoc/>
    public void ReadInto(string name, torch.Tensor target)
    {
        var stored = file.Tensors[name];
        if (stored.Type == target.dtype)
        {
            file.ReadInto(name, target);
            return;
        }

        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var read = torch.empty([.. stored.Shape], stored.Type);
        file.ReadInto(name, read);

        // A count of half precision ends at 65,504; what counts is that it is a number.
        target.copy_(target.dtype == torch.int64 && IsFloating(stored.Type) ? read.to(torch.float64).nan_to_num(0, 0, 0) : read);
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static torch.ScalarType TypeOf(string name, torch.ScalarType type)
    {
        if (name.EndsWith(CountSuffix, StringComparison.Ordinal))
        {
            return IsFloating(type) || type is torch.ScalarType.Int32 or torch.ScalarType.Int16 ? torch.ScalarType.Int64 : type;
        }

        return IsFloating(type) ? torch.ScalarType.Float32 : type;
    }

    private static bool IsFloating(torch.ScalarType type) =>
        type is torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Float32 or torch.ScalarType.Float64;
}
