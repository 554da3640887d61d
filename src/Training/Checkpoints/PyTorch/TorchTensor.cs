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
        ("ComplexFloatStorage", torch.ScalarType.ComplexFloat32, 8),
        ("ComplexDoubleStorage", torch.ScalarType.ComplexFloat64, 16),
    ];

    /// <summary>The names of the storage types, in the module <c>torch</c>.</summary>
    public static IEnumerable<(string Name, torch.ScalarType Type)> Names => kinds.Select(kind => (kind.Name, kind.Type));

    public int ElementBytes => kinds.First(kind => kind.Type == Type).Bytes;

    public static string NameOf(torch.ScalarType type) => kinds.First(kind => kind.Type == type).Name;

    /// <summary>Reads the tuple by which a pickle names a storage: ("storage", type, key, device, elements).</summary>
    /// <exception cref="InvalidDataException">It is another tuple.</exception>
    public static TorchStorage FromPickle(object?[] tuple) =>
        tuple is ["storage", torch.ScalarType type, string key, string, long elements] && elements >= 0
            ? new TorchStorage(key, type, elements)
            : throw new InvalidDataException("it names a storage in a way that PyTorch does not");
}

/// <summary>A tensor of a PyTorch file, a view of a storage. Its elements are known to lie inside.</summary>
/// <param name="Storage">Where its elements are.</param>
/// <param name="Offset">The element that comes first.</param>
/// <param name="Shape">Length of every dimension.</param>
/// <param name="Strides">Elements between neighbours in every dimension.</param>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Shape, long[] Strides)
{
    // As many as torch allows.
    private const int MostDimensions = 64;

    /// <summary>Reads the arguments of <c>torch._utils._rebuild_tensor_v2</c>: (storage, offset, size, strides, requires_grad, hooks).</summary>
    /// <exception cref="InvalidDataException">They describe no tensor inside the storage.</exception>
    public static TorchTensor FromPickle(object?[] arguments)
    {
        if (arguments is not [TorchStorage storage, long offset, object?[] size, object?[] steps, ..]
            || size.Length != steps.Length
            || size.Length > MostDimensions
            || !Array.TrueForAll(size, length => length is >= 0L)
            || !Array.TrueForAll(steps, step => step is >= 0L))
        {
            throw new InvalidDataException("it holds a tensor that is described in a way that PyTorch does not");
        }

        var tensor = new TorchTensor(storage, offset, [.. size.Cast<long>()], [.. steps.Cast<long>()]);
        return tensor.IsInside()
            ? tensor
            : throw new InvalidDataException(
                $"it holds a tensor of shape ({string.Join(", ", tensor.Shape)}) from element {offset} on, "
                + $"which leaves its storage of {storage.Elements} elements");
    }

    // The last element must exist, and a view may not repeat elements: a small file could otherwise ask for any amount of memory.
    private bool IsInside()
    {
        var (count, last) = (Int128.One, (Int128)Offset);
        foreach (var (length, step) in Shape.Zip(Strides))
        {
            if (length == 0)
            {
                return Offset >= 0 && Offset <= Storage.Elements;
            }

            // Lengths are below 2^63, so that the product cannot leave 128 bits before it is compared.
            count *= length;
            last += (Int128)(length - 1) * step;
            if (count > Storage.Elements || last >= Storage.Elements)
            {
                return false;
            }
        }

        return Offset >= 0 && last < Storage.Elements;
    }
}
