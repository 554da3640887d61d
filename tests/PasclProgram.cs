using System.Diagnostics;

namespace Pascl.Tests;

/// <summary>The real program as a child process, for what only a process shows: exit codes, environment variables, signals.</summary>
internal static class PasclProgram
{
    /// <summary>The folder of the program that the tests were built with.</summary>
    public static string Folder => AppContext.BaseDirectory;

    /// <summary>Runs the program to its end.</summary>
    public static (int ExitCode, string Output, string Error) Run(string arguments, params (string Name, string Value)[] environment) =>
        RunIn(Folder, arguments, environment);

    /// <summary>Runs a copy of the program that lies in another folder.</summary>
    public static (int ExitCode, string Output, string Error) RunIn(
        string folder, string arguments, params (string Name, string Value)[] environment)
    {
        using var process = Start(folder, arguments, environment);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>Starts the program with redirected output.</summary>
    public static Process Start(string folder, string arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(Path.Combine(folder, "Pascl.Training"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }
}
