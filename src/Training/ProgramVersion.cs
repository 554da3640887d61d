using System.Reflection;

namespace Pascl.Training;

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
