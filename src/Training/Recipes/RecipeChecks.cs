namespace Pascl.Training.Recipes;

/// <summary>What the values of a recipe are checked with.</summary>
internal static class RecipeChecks
{
    public static bool IsPositive(double value) => double.IsFinite(value) && value > 0;

    public static bool IsNonNegative(double value) => double.IsFinite(value) && value >= 0;

    /// <summary>Requires a weight: a finite number, at least 0.</summary>
    public static void RequireWeight(double value, string what) => Require(IsNonNegative(value), what, value, "a finite number, at least 0");

    /// <summary>Throws one sentence that names a value and its range where the value is outside of it.</summary>
    /// <exception cref="InputException">It is.</exception>
    public static void Require(bool holds, string what, object? value, string range)
    {
        if (!holds)
        {
            throw new InputException(FormattableString.Invariant($"{what} is {value}; it must be {range}."));
        }
    }
}
