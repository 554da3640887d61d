using System.Globalization;
using System.Text;

namespace Pascl.Training.Pickling;

/// <summary>A value that a pickle makes first and fills afterwards.</summary>
internal interface IPickledState
{
    /// <summary>Takes what the pickle says of it.</summary>
    void SetState(object? state);
}

/// <summary>A constructor that a pickle may call.</summary>
internal delegate object PickledFunction(object?[] arguments);

/// <summary>The only names that a pickle may ask for.</summary>
/// <param name="allowed">By module and name: a <see cref="PickledFunction"/> where the pickle may call it, else a value.</param>
/// <param name="purpose">What they make, for the message: <c>NumPy arrays</c>.</param>
internal sealed class PickledNames(IReadOnlyDictionary<string, object> allowed, string purpose)
{
    /// <summary>What a name stands for.</summary>
    /// <exception cref="InvalidDataException">It is not allowed.</exception>
    public object Find(string module, string name) => allowed.TryGetValue($"{module}.{name}", out var value)
        ? value
        : throw new InvalidDataException($"it asks for {PickledText.Shown($"{module}.{name}")}, and only {purpose} are allowed");
}

/// <summary>A set, whose items no reader here needs.</summary>
internal sealed class PickledSet;

/// <summary>A value that is read and not used: a device, a numerical type, the arguments of a script.</summary>
internal sealed class PickledUnused : IPickledState
{
    /// <summary>The only one.</summary>
    public static PickledUnused Value { get; } = new();

    /// <inheritdoc/>
    public void SetState(object? state)
    {
    }
}

/// <summary>Strings in pickles.</summary>
internal static class PickledText
{
    private const int LongestShown = 80;

    // A pickle can recall a long string any number of times, and each would be converted or hashed.
    private const int LongestName = 1000;

    /// <summary>A string of either kind as text.</summary>
    public static string Text(object? value) => value switch
    {
        string text => text,
        ReadOnlyMemory<byte> bytes => Encoding.Latin1.GetString(bytes.Span),
        _ => throw new InvalidDataException("it is damaged: a string was expected"),
    };

    /// <summary>The key of a dictionary: a string, or a whole number in decimal; null for any other, and for a long string.</summary>
    public static string? Key(object? value) => value switch
    {
        long number => number.ToString(CultureInfo.InvariantCulture),
        string { Length: <= LongestName } or ReadOnlyMemory<byte> { Length: <= LongestName } => Text(value),
        _ => null,
    };

    /// <summary>A short string of either kind as text.</summary>
    /// <exception cref="InvalidDataException">It is none, or long.</exception>
    public static string Name(object? value) => value is not long && Key(value) is { } name
        ? name
        : throw new InvalidDataException("it is damaged: a name was expected");

    /// <summary>Text from a file as a message may show it: short, and without control characters.</summary>
    public static string Shown(string text)
    {
        var visible = string.Concat(text.Take(LongestShown).Select(letter => char.IsControl(letter) ? '?' : letter));
        return text.Length <= LongestShown ? visible : visible + "...";
    }
}

/// <summary>The element type of a NumPy array, for example <c>u1</c>.</summary>
internal sealed record PickledType(string Name) : IPickledState
{
    /// <summary>Byte order and padding, which no reader here needs: the one reads single bytes, the other no values.</summary>
    public void SetState(object? state)
    {
    }
}
