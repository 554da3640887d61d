using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pascl.Training.Recipes;

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
        NamedPath { Name: null } path => path.Path,
        NamedPath path => $"{path.Name}={path.Path}",
        IEnumerable several => string.Join(" ", several.Cast<object>().Select(Text)),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static bool Same(string left, string right) => string.Equals(left, right, StringComparison.OrdinalIgnoreCase);
}
