using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>
/// Says where a recipe asks for more threads than there are cores. It is not refused, because results depend on the number of threads: a run of another machine
/// is repeated, or continued, with its own.
/// </summary>
internal static class ThreadWarning
{
    /// <summary>Writes the warning, where there is reason for it.</summary>
    public static void Write(Recipe recipe, TextWriter error)
    {
        if (recipe.Threads is { } threads && threads > Environment.ProcessorCount)
        {
            error.WriteLine(
                $"{threads} threads (--threads) are more than the processor cores that this program may use, {Environment.ProcessorCount}, which makes it slower. " +
                "Results depend on the number of threads, so it was left as it is.");
        }
    }
}
