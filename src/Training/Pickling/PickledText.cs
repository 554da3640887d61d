using System.Globalization;
using System.Text;

namespace Pascl.Training.Pickling;

/// <summary>Strings in pickles.</summary>
internal static class PickledText
{
    private const int LongestShown = 80;

    /// <summary>A string of either kind as text.</summary>
    public static string Text(object? value) => value switch
    {
        string text => text,
        ReadOnlyMemory<byte> bytes => Encoding.Latin1.GetString(bytes.Span),
        _ => throw new InvalidDataException("it is damaged: a string was expected"),
    };

    /// <summary>The key of a dictionary: a string, or a whole number in decimal.</summary>
    public static string Key(object? value) => value is long number ? number.ToString(CultureInfo.InvariantCulture) : Text(value);

    /// <summary>Text from a file as a message may show it: short, and without control characters.</summary>
    public static string Shown(string text)
    {
        var visible = string.Concat(text.Take(LongestShown).Select(letter => char.IsControl(letter) ? '?' : letter));
        return text.Length <= LongestShown ? visible : visible + "...";
    }
}
