using System.CommandLine;
using Pascl.Training.Golden;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary><c>doctor</c>: what this machine offers, and whether it computes what it should.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var golden = new Option<string?>("--golden")
        {
            HelpName = "folder",
            Description = "also compare with the golden values in this folder, computed by the authors' code",
        };
        var command = new Command("doctor", "Shows what this machine offers and checks that it computes correctly.") { golden };
        command.SetAction(parsed => Run(parsed.GetValue(golden), ConvolutionOption.IsOn(parsed)));
        return command.WithConvolutionCheck().WithExamples("doctor", "doctor --golden golden");
    }

    private static int Run(string? goldenFolder, bool checksConvolutions)
    {
        // First, so that a bad folder is the only thing that is said.
        var golden = goldenFolder is null ? [] : CompareGolden(goldenFolder);
        var selfTest = SelfTest.Run();

        ConsoleTable.Write("Machine", ["part", "found"], [.. MachineReport.Rows().Select(row => new[] { row.Name, row.Value })]);
        Write("Self-test", selfTest);
        if (checksConvolutions)
        {
            ConsoleTable.Write(
                "Convolutions of libtorch, compared with double precision by plain loops",
                ConvolutionDoctor.Columns,
                [.. ConvolutionDoctor.Rows()]);
            Console.WriteLine("A run checks its own convolutions first; where libtorch is wrong, it takes a matrix product instead and says so.");
        }

        if (goldenFolder is not null)
        {
            Write("Golden values", golden);
        }

        return golden.Concat(selfTest).All(check => check.Passed) ? ExitCode.Done : ExitCode.CheckFailed;
    }

    private static List<GoldenResult> CompareGolden(string folder)
    {
        var checks = GoldenChecks.Run(folder);
        if (Console.IsOutputRedirected)
        {
            return [.. checks];
        }

        List<GoldenResult> results = [];
        AnsiConsole.Status().Start("Comparing golden values", status =>
        {
            foreach (var result in checks)
            {
                results.Add(result);
                status.Status(Markup.Escape($"Comparing golden values: {results.Count}, {result.Case}"));
            }
        });
        return results;
    }

    private static void Write(string title, IReadOnlyCollection<GoldenResult> checks)
    {
        string[] Row(GoldenResult check) =>
            [check.Case, check.Backend, $"{check.Error:g2}", $"{check.AllowedError:g2}", check.Passed ? "ok" : "FAILED"];

        ConsoleTable.Write(title, ["case", "backend", "error", "allowed", "result"], [.. checks.Select(Row)]);
        var failed = checks.Count(check => !check.Passed);
        Console.WriteLine($"{title}: {checks.Count - failed} passed, {failed} failed");
    }
}
