using System.CommandLine;
using System.CommandLine.Parsing;

namespace Pascl.Training.Cli;

/// <summary>Says in two lines what is wrong with the arguments and where the right ones are listed.</summary>
internal static class UsageError
{
    private const int MostEdits = 3;

    /// <summary>Writes the first error of <paramref name="parsed"/>, the nearest name that exists, and which help to read.</summary>
    public static int Report(ParseResult parsed, TextWriter error)
    {
        var command = parsed.CommandResult.Command;
        error.WriteLine(parsed.UnmatchedTokens is [var unknown, ..]
            ? $"'{unknown}' is not an option or command of {command.Name}.{DidYouMean(command, unknown)}"
            : Describe(parsed.Errors[0]));
        error.WriteLine($"'{FullName(parsed.CommandResult)} --help' lists what it takes.");
        return ExitCode.BadInput;
    }

    // System.CommandLine names the type ('System.Int32') where a value cannot be read.
    private static string Describe(ParseError error) =>
        error.SymbolResult is OptionResult { Tokens.Count: 1 } result
        && Expected(result.Option.ValueType) is { } expected
        && error.Message.Contains($"'{result.Option.ValueType}'", StringComparison.Ordinal)
            ? $"{result.Option.Name} takes {expected}, not '{result.Tokens[0].Value}'."
            : error.Message;

    private static string? Expected(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type switch
        {
            { IsEnum: true } => $"one of {string.Join(", ", Enum.GetNames(type))}",
            _ when type == typeof(int) || type == typeof(long) => "a whole number",
            _ when type == typeof(uint) || type == typeof(ulong) => "a whole number from 0",
            _ when type == typeof(double) || type == typeof(float) => "a number",
            _ => null,
        };
    }

    private static string DidYouMean(Command command, string unknown)
    {
        var nearest = command.Options.Where(option => !option.Hidden).SelectMany(option => option.Aliases.Prepend(option.Name))
            .Concat(command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name))
            .Select(name => (Name: name, Edits: Edits(unknown, name)))
            .Where(candidate => candidate.Edits <= MostEdits && candidate.Edits < candidate.Name.Length)
            .DefaultIfEmpty()
            .MinBy(candidate => candidate.Edits);
        return nearest.Name is null ? "" : $" Did you mean {nearest.Name}?";
    }

    // Levenshtein distance: insertions, deletions and replacements that turn one word into the other.
    private static int Edits(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j - 1], row[j]) + 1);
            }
        }

        return row[to.Length];
    }

    private static string FullName(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{FullName(parent)} {result.Command.Name}" : result.Command.Name;
}
