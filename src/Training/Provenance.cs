using System.Globalization;
using System.Reflection;
using Pascl.Training.Data;

namespace Pascl.Training;

/// <summary>What made a run, so that its numbers can be traced: the program, the images, and the weights that came out.</summary>
/// <param name="PasclVersion">The version of Pascl.</param>
/// <param name="PasclCommit">The commit that it was built from.</param>
/// <param name="Written">When this was written.</param>
/// <param name="Data">What tells the images from others.</param>
/// <param name="Warnings">What is wrong with them as a whole.</param>
/// <param name="Weights">The hash of the weights; null before the training has ended.</param>
public sealed record Provenance(
    string PasclVersion, string PasclCommit, string Written, DataFingerprint? Data, IReadOnlyList<string> Warnings, string? Weights)
{
    /// <summary>That of this program, now.</summary>
    public static Provenance Now(DataFingerprint? data, IReadOnlyList<string> warnings, string? weights) => new(
        ProgramVersion.Number, ProgramVersion.Commit, DateTimeOffset.Now.ToString("yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture), data, warnings, weights);
}

/// <summary>The version of Pascl that is running, for what it writes.</summary>
public static class ProgramVersion
{
    private static readonly string[] parts =
        (typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown").Split('+', 2);

    /// <summary>The version, for example <c>0.1.0</c>.</summary>
    public static string Number => parts[0];

    /// <summary>The commit that it was built from; <c>unknown</c> where it was built outside of a repository.</summary>
    public static string Commit => parts.Length > 1 ? parts[1] : "unknown";
}
