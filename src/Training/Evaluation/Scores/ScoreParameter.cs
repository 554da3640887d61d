using System.Globalization;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>A number that a score can be given.</summary>
/// <param name="Name">How it is written, for example <c>temperature</c>.</param>
/// <param name="Default">Its value where it is not given.</param>
/// <param name="Meaning">What it is, in words.</param>
/// <param name="Range">The numbers it may be.</param>
public sealed record ScoreParameter(string Name, double Default, string Meaning, ScoreParameterRange Range)
{
    /// <summary>Reads a value; <paramref name="score"/> names the score in messages.</summary>
    /// <exception cref="InputException">It is not a number of the range.</exception>
    internal double Parse(string text, string score) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && IsAllowed(value)
            ? value
            : throw new InputException($"{Name} of the score {score} is '{text}'; it must be {RangeInWords}.");

    private string RangeInWords => Range switch
    {
        ScoreParameterRange.Positive => "a number above 0",
        ScoreParameterRange.NonNegative => "a number, at least 0",
        ScoreParameterRange.PositiveInteger => "a whole number, at least 1",
        _ => "a whole number, at least 0",
    };

    private bool IsAllowed(double value) => double.IsFinite(value) && Range switch
    {
        ScoreParameterRange.Positive => value > 0,
        ScoreParameterRange.NonNegative => value >= 0,
        ScoreParameterRange.PositiveInteger => value >= 1 && IsCount(value),
        _ => value >= 0 && IsCount(value),
    };

    private static bool IsCount(double value) => double.IsInteger(value) && value <= int.MaxValue;
}
