using System.CommandLine.Parsing;
using System.Globalization;

namespace Pascl.Training.Cli;

/// <summary>Times on the command line: a number and <c>s</c>, <c>m</c> or <c>h</c>.</summary>
internal static class Duration
{
    private static readonly Dictionary<char, double> secondsOf = new() { ['s'] = 1, ['m'] = 60, ['h'] = 3600 };

    /// <summary>Reads the value of an option; what is no time becomes an error of the command line.</summary>
    public static TimeSpan Parse(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (text.Length > 1
            && secondsOf.TryGetValue(text[^1], out var unit)
            && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * unit is > 0 and < 1e9 and var seconds)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        result.AddError($"'{text}' is no time; expected a number above 0 and s, m or h, such as 10m.");
        return default;
    }
}
