using Pascl.Training.Pickling;

namespace Pascl.Training.Data.Formats;

/// <summary>The dictionaries in the Python form of CIFAR.</summary>
internal static class CifarPickle
{
    public static Dictionary<string, object?> Load(string source, ReadOnlyMemory<byte> file)
    {
        try
        {
            return Unpickler.Load(file, PickledFunctions.Numpy) as Dictionary<string, object?> ?? throw new InvalidDataException("it holds no dictionary");
        }
        catch (InvalidDataException exception)
        {
            throw new InputException($"{source} cannot be read as a Python file of CIFAR: {exception.Message}.", exception);
        }
    }

    /// <summary>The strings of a list in a dictionary.</summary>
    public static string[] Strings(string source, ReadOnlyMemory<byte> file, string key) =>
        Load(source, file).GetValueOrDefault(key) is List<object?> list && list.All(item => item is string or ReadOnlyMemory<byte>)
            ? [.. list.Select(PickledText.Text)]
            : throw new InputException($"{source} holds no list of class names \"{key}\".");
}
