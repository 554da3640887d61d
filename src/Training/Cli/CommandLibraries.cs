using System.Reflection;

namespace Pascl.Training.Cli;

/// <summary>
/// The libraries that the commands use and the package <c>Pascl.Training</c> does not bring. Pascl's own program has them; a project of somebody else's that runs
/// <see cref="PasclCommand"/> names them itself. Whatever calls into one asks here before.
/// </summary>
internal static class CommandLibraries
{
    private static readonly (string Assembly, string Reference)[] ofCommands =
        [("System.CommandLine", "the package System.CommandLine"), ("Spectre.Console", "the package Spectre.Console"), ("ScottPlot", "the package ScottPlot")];

    private static readonly (string Assembly, string Reference)[] ofServe =
        [("Microsoft.AspNetCore", "the framework Microsoft.AspNetCore.App"), ("Prometheus.NetStandard", "the package prometheus-net")];

    /// <summary>Refuses to go on without what every command needs.</summary>
    /// <exception cref="InputException">Some of it is missing; the message says what to add to the project.</exception>
    public static void Require() => Require("Pascl's command line", ofCommands);

    /// <summary>Refuses to go on without what <c>serve</c> needs beside that.</summary>
    /// <exception cref="InputException">Some of it is missing; the message says what to add to the project.</exception>
    public static void RequireForServe() => Require("serve", ofServe);

    private static void Require(string user, (string Assembly, string Reference)[] libraries)
    {
        string[] missing = [.. libraries.Where(library => !IsThere(library.Assembly)).Select(library => library.Reference)];
        if (missing.Length > 0)
        {
            throw new InputException(
                $"{user} needs {string.Join(" and ", missing)}, which Pascl.Training as a library does not bring; add {(missing.Length == 1 ? "it" : "them")} to the project of this program.");
        }
    }

    private static bool IsThere(string assembly)
    {
        try
        {
            return Assembly.Load(assembly) is not null;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }
}
