using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Backbones;
using Pascl.Training.Optimisation;

namespace Pascl.Training.Recipes;

/// <summary>
/// A value of a recipe that users choose, declared once: what it is called on the command line and in <c>recipe.json</c>, what it says in help and
/// documentation, its range, and who uses it. <see cref="OptionTable"/> has them all.
/// </summary>
/// <param name="Name">The name on the command line, for example <c>--temperature</c>; null for a value that only <c>recipe.json</c> can change.</param>
/// <param name="Path">The place in <c>recipe.json</c>, for example <c>loss.temperature</c>; empty for another spelling of an option that has one.</param>
/// <param name="Help">What the value is, in one sentence without its end.</param>
public abstract record RecipeOption(string? Name, string Path, string Help)
{
    /// <summary>
    /// Who uses the value; null where everybody does, or where <see cref="Methods.MethodDefinition.Options"/> says which methods do.
    /// </summary>
    public OptionUse? Use { get; init; }

    /// <summary>
    /// The words that the option takes, where they are few: for an enumeration the names of its values within the range. Asked for anew each time, because methods
    /// and networks can be added.
    /// </summary>
    public Func<IEnumerable<string>>? Words { get; init; }

    /// <summary>The range in words, for example <c>a finite number above 0</c>; null where every value of the type will do.</summary>
    public abstract string? Range { get; }

    /// <summary>The value in a recipe, as users write it.</summary>
    public abstract string Text(Recipe recipe);

    /// <summary>Throws one sentence where the recipe's value is outside of the range.</summary>
    internal abstract void Check(Recipe recipe);

    /// <summary>Calls the visitor with the type of the value.</summary>
    internal abstract TResult Accept<TResult>(IRecipeOptionVisitor<TResult> visitor);
}

/// <summary>A value of a recipe that users choose.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
/// <param name="Name">The name on the command line, or null.</param>
/// <param name="Path">The place in <c>recipe.json</c>, or nothing.</param>
/// <param name="Help">What the value is, in one sentence without its end.</param>
/// <param name="Get">The value in a recipe.</param>
/// <param name="Set">A recipe with another value.</param>
/// <param name="Noun">What messages call it, for example <c>The temperature</c>; needed with <paramref name="Within"/>.</param>
/// <param name="Within">The values that a run can use; null for all.</param>
public sealed record RecipeOption<T>(
    string? Name, string Path, string Help, Func<Recipe, T> Get, Func<Recipe, T, Recipe> Set, string? Noun = null, OptionRange<T>? Within = null)
    : RecipeOption(Name, Path, Help)
{
    /// <summary>Words that mean a value beside its name, because earlier versions had them.</summary>
    public IReadOnlyDictionary<string, T> EarlierWords { get; init; } = new Dictionary<string, T>();

    /// <inheritdoc/>
    public override string? Range => Within?.Words;

    /// <summary>The same option, which sets a second value to the same.</summary>
    public RecipeOption<T> AlsoSetting(RecipeOption<T> other) => this with { Set = (recipe, value) => other.Set(Set(recipe, value), value) };

    /// <summary>The same option, which changes something else of the recipe with it.</summary>
    public RecipeOption<T> AndThen(Func<Recipe, Recipe> change) => this with { Set = (recipe, value) => change(Set(recipe, value)) };

    /// <inheritdoc/>
    public override string Text(Recipe recipe) => RecipeNames.Text(Get(recipe));

    internal override void Check(Recipe recipe)
    {
        if (Within is { } range)
        {
            var value = Get(recipe);
            RecipeChecks.Require(range.Contains(value), Noun ?? Path, RecipeNames.Text(value), range.Words);
        }
    }

    internal override TResult Accept<TResult>(IRecipeOptionVisitor<TResult> visitor) => visitor.Visit(this);
}

/// <summary>Something that is done with an option of any type.</summary>
internal interface IRecipeOptionVisitor<out TResult>
{
    TResult Visit<T>(RecipeOption<T> option);
}

/// <summary>The values that a run can use.</summary>
/// <param name="Contains">Whether a value is one of them.</param>
/// <param name="Words">What they are, as the end of "it must be ...".</param>
public sealed record OptionRange<T>(Func<T, bool> Contains, string Words);

/// <summary>Ranges that several options have.</summary>
public static class OptionRanges
{
    /// <summary>A finite number, at least 0.</summary>
    public static OptionRange<double> Weight { get; } = new(value => double.IsFinite(value) && value >= 0, "a finite number, at least 0");

    /// <summary>A finite number above 0.</summary>
    public static OptionRange<double> Positive { get; } = new(value => double.IsFinite(value) && value > 0, "a finite number above 0");

    /// <summary>A finite number.</summary>
    public static OptionRange<double> Finite { get; } = new(double.IsFinite, "a finite number");

    /// <summary>Above 0 and at most 1.</summary>
    public static OptionRange<double> Share { get; } = new(value => value is > 0 and <= 1, "above 0 and at most 1");

    /// <summary>At least 0 and below 1.</summary>
    public static OptionRange<double> ShareBelowOne { get; } = new(value => value is >= 0 and < 1, "at least 0 and below 1");

    /// <summary>Whole numbers from <paramref name="least"/> on.</summary>
    public static OptionRange<int> AtLeast(int least) => new(value => value >= least, $"at least {least}");

    /// <summary>Whole numbers from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public static OptionRange<int> Between(int least, int most) => new(value => value >= least && value <= most, $"between {least} and {most}");

    /// <summary>The range, or no value at all.</summary>
    public static OptionRange<T?> OrNone<T>(this OptionRange<T> range)
        where T : struct
        => new(value => value is not { } given || range.Contains(given), range.Words);
}

/// <summary>Who uses a value, for the sentence "--momentum belongs to --optimiser sgd, but the optimiser is adam."</summary>
/// <param name="Words">What it belongs to.</param>
/// <param name="Holds">Whether that is in a recipe.</param>
/// <param name="Instead">What a recipe has instead, as a half-sentence.</param>
public sealed record OptionUse(string Words, Func<Recipe, bool> Holds, Func<Recipe, string> Instead)
{
    /// <summary>The use by some methods.</summary>
    public static OptionUse ByMethods(IReadOnlyList<string> names) =>
        new($"--method {string.Join(" or ", names)}", recipe => names.Contains(recipe.Method), recipe => $"the method is {recipe.Method}");
}

/// <summary>A part of a recipe, whose values become options without naming the way to it each time.</summary>
/// <param name="path">The part's place in <c>recipe.json</c>; empty for the whole.</param>
/// <param name="get">The part of a recipe.</param>
/// <param name="set">A recipe with another part.</param>
public sealed class RecipePart<TPart>(string path, Func<Recipe, TPart> get, Func<Recipe, TPart, Recipe> set)
{
    /// <summary>A part of this part.</summary>
    /// <param name="getInner">Its property.</param>
    /// <param name="setInner">This part with another value of it.</param>
    /// <param name="property">The text of <paramref name="getInner"/>, which has the property's name.</param>
    public RecipePart<TInner> Part<TInner>(
        Func<TPart, TInner> getInner, Func<TPart, TInner, TPart> setInner, [CallerArgumentExpression(nameof(getInner))] string property = "") =>
        new(Place(property), recipe => getInner(get(recipe)), (recipe, inner) => set(recipe, setInner(get(recipe), inner)));

    /// <summary>An option for a property of this part.</summary>
    /// <param name="name">The name on the command line; null for a value that only <c>recipe.json</c> can change.</param>
    /// <param name="help">What the value is, in one sentence without its end.</param>
    /// <param name="getValue">The property.</param>
    /// <param name="setValue">This part with another value of it.</param>
    /// <param name="noun">What messages call the value; needed with <paramref name="range"/>.</param>
    /// <param name="range">The values that a run can use; null for all.</param>
    /// <param name="property">The text of <paramref name="getValue"/>, which has the property's name; empty for another spelling of an option.</param>
    public RecipeOption<T> Option<T>(
        string? name,
        string help,
        Func<TPart, T> getValue,
        Func<TPart, T, TPart> setValue,
        string? noun = null,
        OptionRange<T>? range = null,
        [CallerArgumentExpression(nameof(getValue))] string property = "") =>
        new(
            name,
            property.Length == 0 ? "" : Place(property),
            help,
            recipe => getValue(get(recipe)),
            (recipe, value) => set(recipe, setValue(get(recipe), value)),
            noun,
            range)
        {
            Words = RecipeNames.Enumeration(typeof(T)) is { } type
                ? () => RecipeNames.All(type).Where(value => range?.Contains((T)(object)value) != false).Select(RecipeNames.Of)
                : null,
        };

    // "loss => loss.Temperature" is temperature in recipe.json; a test holds every place against what the option changes there.
    private string Place(string property)
    {
        var name = JsonNamingPolicy.CamelCase.ConvertName(property[(property.LastIndexOf('.') + 1)..]);
        return path.Length == 0 ? name : $"{path}.{name}";
    }
}

/// <summary>The parts of a recipe whose values are options.</summary>
public static class RecipeParts
{
    /// <summary>The recipe itself.</summary>
    public static RecipePart<Recipe> Whole { get; } = new("", recipe => recipe, (_, changed) => changed);

    /// <summary>Published weights that training starts from.</summary>
    public static RecipePart<PretrainedRecipe> Pretrained { get; } =
        Whole.Part(recipe => recipe.Pretrained, (recipe, value) => recipe with { Pretrained = value });

    /// <summary>The published model that is trained on.</summary>
    public static RecipePart<BackboneSettings> Backbone { get; } =
        Whole.Part(recipe => recipe.Backbone, (recipe, value) => recipe with { Backbone = value });

    /// <summary>Which images are read.</summary>
    public static RecipePart<DataRecipe> Data { get; } = Whole.Part(recipe => recipe.Data, (recipe, value) => recipe with { Data = value });

    /// <summary>Weights and constants of the losses.</summary>
    public static RecipePart<LossRecipe> Loss { get; } = Whole.Part(recipe => recipe.Loss, (recipe, value) => recipe with { Loss = value });

    /// <summary>Constants of single methods.</summary>
    public static RecipePart<BaselinesRecipe> Baselines { get; } = Whole.Part(recipe => recipe.Baselines, (recipe, value) => recipe with { Baselines = value });

    /// <summary>The first phase.</summary>
    public static RecipePart<PhaseRecipe> Representation { get; } =
        Whole.Part(recipe => recipe.Representation, (recipe, value) => recipe with { Representation = value });

    /// <summary>The optimiser of the first phase.</summary>
    public static RecipePart<OptimiserSettings> FirstOptimiser { get; } =
        Representation.Part(phase => phase.Optimiser, (phase, value) => phase with { Optimiser = value });

    /// <summary>The learning rate of the first phase.</summary>
    public static RecipePart<LearningRateSchedule> FirstSchedule { get; } =
        Representation.Part(phase => phase.Schedule, (phase, value) => phase with { Schedule = value });

    /// <summary>The second phase.</summary>
    public static RecipePart<PhaseRecipe> AuxiliaryBranch { get; } =
        Whole.Part(recipe => recipe.AuxiliaryBranch, (recipe, value) => recipe with { AuxiliaryBranch = value });

    /// <summary>The learning rate of the second phase.</summary>
    public static RecipePart<LearningRateSchedule> SecondSchedule { get; } =
        AuxiliaryBranch.Part(phase => phase.Schedule, (phase, value) => phase with { Schedule = value });

    /// <summary>The optimiser of the second phase.</summary>
    public static RecipePart<OptimiserSettings> SecondOptimiser { get; } =
        AuxiliaryBranch.Part(phase => phase.Optimiser, (phase, value) => phase with { Optimiser = value });
}

/// <summary>Values as users write them: the command line, messages and <c>recipe.json</c> have the same words.</summary>
internal static class RecipeNames
{
    /// <summary>Whether values of a type have names, and which type has them.</summary>
    public static Type? Enumeration(Type type) => (Nullable.GetUnderlyingType(type) ?? type) is { IsEnum: true } enumeration ? enumeration : null;

    /// <summary>The name of a value: kebab-case, or what <c>recipe.json</c> has instead.</summary>
    public static string Of(Enum value)
    {
        var name = value.ToString();
        return value.GetType().GetField(name)?.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name ?? JsonNamingPolicy.KebabCaseLower.ConvertName(name);
    }

    /// <summary>The value of that name, in lower case or not. The name in C#, which earlier versions took, does as well: <c>FewestImages</c>.</summary>
    /// <returns>Null where there is none.</returns>
    public static Enum? Find(Type enumeration, string text) => All(enumeration).FirstOrDefault(value => Same(Of(value), text) || Same(value.ToString(), text));

    /// <summary>All values of an enumeration.</summary>
    public static IEnumerable<Enum> All(Type enumeration) => Enum.GetValues(enumeration).Cast<Enum>();

    /// <summary>A value as users write it.</summary>
    public static string Text(object? value) => value switch
    {
        null => "",
        Enum named => Of(named),
        bool flag => flag ? "true" : "false",
        string text => text,
        NamedPath { Group: { } group } path => $"{Of(group)}:{Text(path with { Group = null })}",
        NamedPath { Name: null } path => path.Path,
        NamedPath path => $"{path.Name}={path.Path}",
        IEnumerable several => string.Join(" ", several.Cast<object>().Select(Text)),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static bool Same(string left, string right) => string.Equals(left, right, StringComparison.OrdinalIgnoreCase);
}
