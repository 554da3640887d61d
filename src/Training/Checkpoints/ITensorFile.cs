using TorchSharp;

namespace Pascl.Training.Checkpoints;

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
