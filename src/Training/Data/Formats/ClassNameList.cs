using System.Globalization;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// The names of a file <c>classes.txt</c>, in label order. A line is <c>label name</c>, where the name is the rest of the line; many lists have the number of images
/// behind the name, and a description behind that. Which words are the name shows by the folders that are called so, or by the numbers.
/// </summary>
/// <param name="Names">The whole rest of each line.</param>
/// <param name="Shorter">What else the names may be: without a number at the end, the words before a number, the first word.</param>
internal sealed record ClassNameList(string[] Names, IReadOnlyList<ClassNameList.Form> Shorter)
{
    /// <summary>The form that is a set of names; null where none is.</summary>
    public string[]? Matching(IReadOnlyCollection<string> names) =>
        Shorter.Select(form => form.Names).Prepend(Names).FirstOrDefault(form => form.ToHashSet(StringComparer.Ordinal).SetEquals(names));

    /// <summary>The names by the numbers behind them: where these are the numbers of images, they are no part of the names.</summary>
    public string[] Of(IReadOnlyList<int> counts) => Shorter.FirstOrDefault(form => form.Numbers?.SequenceEqual(counts) == true)?.Names ?? Names;

    /// <summary>A way to read the names.</summary>
    /// <param name="Names">The names.</param>
    /// <param name="Numbers">The number behind each; null where there are none.</param>
    internal sealed record Form(string[] Names, int[]? Numbers);

    /// <summary>The names in label order, or null where the file is not such a list.</summary>
    /// <exception cref="InputException">A label is missing or occurs twice, or two classes have one name.</exception>
    public static ClassNameList? Read(FileTree tree, string file)
    {
        string[] lines = [.. tree.ReadLines(file).Where(line => !string.IsNullOrWhiteSpace(line))];
        var words = new SortedDictionary<int, string[]>();
        foreach (var line in lines)
        {
            var split = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (split.Length < 2 || !int.TryParse(split[0], NumberStyles.None, CultureInfo.InvariantCulture, out var label))
            {
                return null;
            }

            if (label >= lines.Length || !words.TryAdd(label, split[1..]))
            {
                throw new InputException(
                    $"{tree.Describe(file)} has the line \"{line}\"; expected each label from 0 to {lines.Length - 1} once.");
            }
        }

        string[] names = [.. words.Values.Select(word => string.Join(' ', word))];
        return names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice
            ? throw new InputException($"{tree.Describe(file)} gives two labels the name {twice.Key}; every class needs a name of its own.")
            : new ClassNameList(names, [.. Forms(words.Values)]);
    }

    private static IEnumerable<Form> Forms(IReadOnlyCollection<string[]> words)
    {
        foreach (var place in (Func<string[], int>[])[word => word.Length - 1, word => Math.Max(1, Array.FindIndex(word, 1, text => Number(text) is not null))])
        {
            if (words.All(word => word.Length > 1 && Number(word[place(word)]) is not null))
            {
                yield return new Form([.. words.Select(word => string.Join(' ', word[..place(word)]))], [.. words.Select(word => Number(word[place(word)])!.Value)]);
            }
        }

        yield return new Form([.. words.Select(word => word[0])], null);
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
