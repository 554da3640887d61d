using System.CommandLine;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Training.Cli;

/// <summary><c>compare</c>: evaluated runs side by side.</summary>
internal static class CompareCommand
{
    public const string Name = "compare";

    public static Command Create()
    {
        var runs = new Argument<string[]>("RUN") { Description = "evaluated run folders, or folders of evaluate --features, at least two", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "folder for comparison.md, .csv, .json and .html; default: only print" };
        var command = new Command(
            Name,
            "Compares evaluated runs. Runs that differ only by their seed are one method, shown as mean and standard deviation; methods with the "
            + "same seeds are compared seed by seed.")
        {
            runs, output,
        };
        var force = OverwriteOption.AddTo(command);
        command.SetAction(result => Run(result.GetRequiredValue(runs), result.GetValue(output), result.GetValue(force)));
        return command.WithExamples(
            "compare runs/oe-0 runs/pascl-0",
            "compare runs/oe-0 runs/oe-1 runs/oe-2 runs/pascl-0 runs/pascl-1 runs/pascl-2 --out comparison");
    }

    private static int Run(string[] runs, string? output, bool overwrites)
    {
        OverwriteOption.Require(overwrites, output is null ? [] : ComparisonFiles.Of(output));
        var comparison = RunComparison.Of([.. runs.Select(ComparedRun.Read)]);
        foreach (var table in ComparisonTables.Short(comparison))
        {
            ConsoleTable.Write(table.Title, [.. table.Columns], table.Rows);
        }

        foreach (var note in comparison.Notes)
        {
            Console.WriteLine(note);
        }

        foreach (var file in output is null ? [] : ComparisonFiles.Write(output, comparison))
        {
            Console.WriteLine($"Written: {file}");
        }

        return ExitCode.Done;
    }
}
