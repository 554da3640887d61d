using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>The memory behind one or more tensors of a PyTorch file, as its pickle names it.</summary>
/// <param name="Key">Name of its entry below <c>data/</c>.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Elements">Number of elements.</param>
internal sealed record TorchStorage(string Key, torch.ScalarType Type, long Elements)
{
    private static readonly (string Name, torch.ScalarType Type, int Bytes)[] kinds =
    [
        ("FloatStorage", torch.ScalarType.Float32, 4),
        ("DoubleStorage", torch.ScalarType.Float64, 8),
        ("HalfStorage", torch.ScalarType.Float16, 2),
        ("BFloat16Storage", torch.ScalarType.BFloat16, 2),
        ("LongStorage", torch.ScalarType.Int64, 8),
        ("IntStorage", torch.ScalarType.Int32, 4),
        ("ShortStorage", torch.ScalarType.Int16, 2),
        ("CharStorage", torch.ScalarType.Int8, 1),
        ("ByteStorage", torch.ScalarType.Byte, 1),
        ("BoolStorage", torch.ScalarType.Bool, 1),
    ];

    /// <summary>The names of the storage types, in the module <c>torch</c>.</summary>
    public static IEnumerable<(string Name, torch.ScalarType Type)> Names => kinds.Select(kind => (kind.Name, kind.Type));

    /// <summary>Bytes of one element.</summary>
    public int ElementBytes => kinds.First(kind => kind.Type == Type).Bytes;

    /// <summary>The name of a storage of that type.</summary>
    public static string NameOf(torch.ScalarType type) => kinds.First(kind => kind.Type == type).Name;

    /// <summary>Reads the tuple by which a pickle names a storage: ("storage", type, key, device, elements).</summary>
    /// <exception cref="InvalidDataException">It is another tuple.</exception>
    public static TorchStorage FromPickle(object?[] tuple) =>
        tuple is ["storage", torch.ScalarType type, string key, string, long elements] && elements >= 0
            ? new TorchStorage(key, type, elements)
            : throw new InvalidDataException("it names a storage in a way that PyTorch does not");
}
