using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The options that change a preset: the rows of <see cref="OptionTable"/> as the command line takes them.</summary>
internal sealed class RecipeOptions
{
    private readonly GivenOption[] options = [.. OptionTable.All.Where(row => row.Name is not null).Select(CommandLine.Of)];

    /// <summary>What <c>--ood</c> takes, in every command that has it.</summary>
    public static string OutOfDistributionHelp { get; } = OptionTable.All.Single(row => row.Name == "--ood").Help;

    public void AddTo(Command command) => Array.ForEach(options, option => command.Options.Add(option.Option));

    /// <summary>The recipe with every option that the user gave. What presets and recipe files have may be of no use to the method; what the user says may not.</summary>
    /// <exception cref="InputException">The recipe does not use one of them.</exception>
    public Recipe Apply(ParseResult result, Recipe recipe)
    {
        GivenOption[] given = [.. options.Where(option => WasGiven(result, option.Option))];
        var changed = given.Aggregate(recipe, (current, option) => option.Apply(result, current));
        Array.ForEach(given, option => OptionTable.RequireUse(option.Row, changed));
        return changed;
    }

    /// <summary>The options that the user gave, by name.</summary>
    public IEnumerable<string> Given(ParseResult result) =>
        options.Where(option => WasGiven(result, option.Option)).Select(option => option.Option.Name);

    /// <summary>
    /// Splits NAME=PATH; a path without a name takes its name from the data. A built-in set stands in the place of a path, and a text that is a path as it stands is one,
    /// though it has an equals sign.
    /// </summary>
    public static NamedPath ParseNamedPath(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0 || Path.Exists(text))
        {
            return new NamedPath(null, PathOf(text));
        }

        var (name, path) = (text[..equals], text[(equals + 1)..]);
        return name.Contains('/') && !Path.Exists(path) && !NoiseSets.IsName(path)
            ? throw new InputException($"{text} does not exist. As NAME=PATH it would be a set called {name} in {path}, which does not exist either.")
            : new NamedPath(name, PathOf(path));

        static string PathOf(string path) => NoiseSets.IsName(path) ? path : Path.GetFullPath(path);
    }

    /// <summary>A flag that is not given has a result too, but an implicit one.</summary>
    public static bool WasGiven(ParseResult result, Option option) => result.GetResult(option) is { Implicit: false };

    /// <summary>A row, what the command line has for it, and the recipe with what the user gave.</summary>
    private sealed record GivenOption(RecipeOption Row, Option Option, Func<ParseResult, Recipe, Recipe> Apply);

    /// <summary>Makes an option of a row, in the type of its value.</summary>
    private sealed class CommandLine : IRecipeOptionVisitor<GivenOption>
    {
        private static readonly CommandLine Visitor = new();

        public static GivenOption Of(RecipeOption row) => row switch
        {
            RecipeOption<IReadOnlyList<NamedPath>> sets => Create<NamedPath, string[]>(sets, texts => [.. texts.Select(ParseNamedPath)]),
            RecipeOption<IReadOnlyList<int>> numbers => Create<int, int[]>(numbers, given => given),
            _ => row.Accept(Visitor),
        };

        public GivenOption Visit<T>(RecipeOption<T> option) => Create(option, option.Set, RecipeNames.Enumeration(typeof(T)) is { } type ? Named(option, type) : null);

        private static GivenOption Create<T, TGiven>(RecipeOption<IReadOnlyList<T>> row, Func<TGiven, IReadOnlyList<T>> convert) =>
            Create<TGiven>(row, (recipe, given) => row.Set(recipe, convert(given)), null);

        private static GivenOption Create<T>(RecipeOption row, Func<Recipe, T, Recipe> set, Func<ArgumentResult, T>? parse)
        {
            var option = new Option<T>(row.Name!)
            {
                Description = OptionTable.UseOf(row) is { } use ? $"{row.Help}; with {use.Words}" : row.Help,
                CustomParser = parse,
                AllowMultipleArgumentsPerToken = typeof(T).IsArray,
            };
            if (row.Words is { } words)
            {
                option.HelpName = string.Join('|', words());
                option.CompletionSources.Clear();
                option.CompletionSources.Add(_ => words().Select(word => new CompletionItem(word)));
            }

            return new GivenOption(row, option, (result, recipe) => set(recipe, result.GetRequiredValue(option)));
        }

        private static Func<ArgumentResult, T> Named<T>(RecipeOption<T> row, Type type) => result =>
        {
            var text = result.Tokens[0].Value;
            if (row.EarlierWords.TryGetValue(text.ToLowerInvariant(), out var earlier))
            {
                return earlier;
            }

            if (RecipeNames.Find(type, text) is { } value)
            {
                return (T)(object)value;
            }

            result.AddError($"{row.Name} takes one of {string.Join(", ", row.Words!())}, not '{text}'.");
            return default!;
        };
    }
}
