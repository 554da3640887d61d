using Pascl.Training.Pickling;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// The only names that a PyTorch file may ask for: tensors, plain containers, and the numbers that scripts store beside the weights, whose values are not used.
/// </summary>
internal static class TorchNames
{
    // Python pickles the eight bytes of a NumPy number as a string of their own; anything longer is not a number.
    private const int LongestNumber = 32;

    public static PickledNames Allowed { get; } = new(Create(), "tensors and plain containers");

    private static Dictionary<string, object> Create()
    {
        var names = new Dictionary<string, object>
        {
            ["collections.OrderedDict"] = (PickledFunction)NewDictionary,
            ["collections.defaultdict"] = (PickledFunction)NewDictionary,
            ["collections.Counter"] = (PickledFunction)NewDictionary,
            ["torch._utils._rebuild_tensor_v2"] = (PickledFunction)TorchTensor.FromPickle,
            ["torch._utils._rebuild_parameter"] = (PickledFunction)(arguments => arguments is [TorchTensor tensor, ..] ? tensor : throw Unexpected()),
            ["numpy.dtype"] = (PickledFunction)(_ => new PickledType("")),
            ["numpy.core.multiarray.scalar"] = (PickledFunction)NewNumber,
            ["numpy._core.multiarray.scalar"] = (PickledFunction)NewNumber,
            ["_codecs.encode"] = (PickledFunction)NewBytes,
        };
        foreach (var (name, type) in TorchStorage.Names)
        {
            names.Add($"torch.{name}", type);
        }

        return names;
    }

    // A Counter is made of the dictionary of its counts, a defaultdict of a function, which is not called.
    private static Dictionary<string, object?> NewDictionary(object?[] arguments) =>
        arguments is [Dictionary<string, object?> items] ? items : [];

    private static object NewNumber(object?[] arguments) => arguments is [PickledType, ..] ? double.NaN : throw Unexpected();

    private static object NewBytes(object?[] arguments) =>
        arguments is [string { Length: <= LongestNumber }, ..] ? ReadOnlyMemory<byte>.Empty : throw Unexpected();

    private static InvalidDataException Unexpected() => new("it makes a value in a way that PyTorch does not");
}
