using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary><c>doctor</c>: what this machine offers, and whether the native libraries compute what they should.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var command = new Command("doctor", "Show what this machine offers and check that the native libraries compute correctly. Exit code 1 if a check fails.");
        command.SetAction(_ => Run());
        return command.WithExamples("doctor");
    }

    private static int Run()
    {
        ConsoleTable.Write("Machine", ["part", "found"], [.. MachineReport.Rows().Select(row => new[] { row.Name, row.Value })]);
        var checks = SelfTest.Run();
        ConsoleTable.Write("Self-test", ["check", "error", "allowed", ""], [.. checks.Select(check => Row(check.Case, check.Error, check.AllowedError, check.Passed))]);
        return checks.All(check => check.Passed) ? ExitCode.Done : ExitCode.CheckFailed;
    }

    private static string[] Row(string name, double error, double allowed, bool passed) => [name, $"{error:g2}", $"{allowed:g2}", passed ? "ok" : "FAILED"];
}
