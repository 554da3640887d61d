using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Names that look the same and are not: macOS writes an accent as a character of its own behind the letter, others as one character with it. The runtime has no table of
/// such characters without ICU, so the two are recognised and not made equal.
/// </summary>
internal static class Spelling
{
    /// <summary>Whether a name has accents, or parts of Korean syllables, as characters of their own.</summary>
    public static bool HasMarks(string name) => name.Any(IsMark);

    /// <summary>Whether two different names are equal but for letters that the one has with an accent behind them and the other as one character.</summary>
    public static bool IsOtherOf(string first, string second) => first != second && HasMarks(first) != HasMarks(second) && Plain(first) == Plain(second);

    // What is neither a letter with an accent nor one before an accent.
    private static string Plain(string name) =>
        string.Concat(name.Where((letter, i) => letter < '\u0080' && (i + 1 == name.Length || !IsMark(name[i + 1]))));

    private static bool IsMark(char letter) =>
        CharUnicodeInfo.GetUnicodeCategory(letter) is UnicodeCategory.NonSpacingMark || letter is >= '\u1100' and <= '\u11ff';
}
