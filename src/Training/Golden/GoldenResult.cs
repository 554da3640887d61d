namespace Pascl.Training.Golden;

/// <summary>One comparison with a number computed by the authors' code.</summary>
/// <param name="Case">File and case, for example <c>losses/contrastive/one-sample loss</c>.</param>
/// <param name="Backend">What computed our number, and in which precision where there are several: <c>torch bfloat16</c>, <c>simulator float32</c>.</param>
/// <param name="Error">The difference, relative or absolute as the case says.</param>
/// <param name="AllowedError">The largest difference that passes.</param>
public sealed record GoldenResult(string Case, string Backend, double Error, double AllowedError)
{
    /// <summary>Whether the number agrees; an error that is not a number does not.</summary>
    public bool Passed => Error <= AllowedError;
}
