using System.Runtime.InteropServices;

namespace Pascl.Training.Interop;

/// <summary>
/// How the threads of libtorch's arithmetic (OpenMP's) wait for each other. By themselves they spin for milliseconds, and beside another busy process they spin
/// on the processor that the thread they wait for needs; RESULTS.md has what that costs.
/// </summary>
internal static partial class WaitPolicy
{
    /// <summary>OpenMP's own variable: <c>active</c> or <c>passive</c>.</summary>
    public const string PolicyVariable = "OMP_WAIT_POLICY";

    /// <summary>How often a thread of GNU's OpenMP looks before it sleeps.</summary>
    public const string SpinVariable = "GOMP_SPINCOUNT";

    private const string Policy = "passive";
    private const string Spins = "0";

    /// <summary>Sets both variables, unless the user set one of them. OpenMP reads them when it is loaded, so this comes before libtorch.</summary>
    /// <returns>What is in force and who chose it, for people.</returns>
    public static string Apply()
    {
        string?[] given = [Given(PolicyVariable), Given(SpinVariable)];
        if (given.Any(setting => setting is not null))
        {
            return $"{string.Join(", ", given.OfType<string>())} (set by the user)";
        }

        // .NET keeps variables of its own; native code sees only those of the C library.
        return Set(PolicyVariable, Policy, overwrite: 0) == 0 && Set(SpinVariable, Spins, overwrite: 0) == 0
            ? $"{PolicyVariable}={Policy}, {SpinVariable}={Spins} (set by Pascl)"
            : "OpenMP's own (the environment could not be changed)";
    }

    private static string? Given(string name) => Environment.GetEnvironmentVariable(name) is { } value ? $"{name}={value}" : null;

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Set(string name, string value, int overwrite);
}
