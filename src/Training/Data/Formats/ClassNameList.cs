using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>A <c>classes.txt</c> with one line <c>label name ...</c> per class; what follows the name is ignored.</summary>
internal static class ClassNameList
{
    /// <summary>The names in label order, or null where the file is not such a list.</summary>
    public static string[]? Read(FileTree tree, string file)
    {
        var names = new SortedDictionary<int, string>();
        var lines = tree.ReadLines(file);
        foreach (var line in lines)
        {
            if (line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is not [var number, var name, ..]
                || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var label))
            {
                return null;
            }

            if (label >= lines.Length || !names.TryAdd(label, name))
            {
                throw new InputException(
                    $"{tree.Describe(file)} has the line \"{line}\"; expected each label from 0 to {lines.Length - 1} once.");
            }
        }

        return [.. names.Values];
    }
}
