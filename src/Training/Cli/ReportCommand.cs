using System.CommandLine;
using Pascl.Training.Reporting.Page;

namespace Pascl.Training.Cli;

/// <summary><c>report</c>: the page of a run, made again from what its folder holds.</summary>
internal static class ReportCommand
{
    public const string Name = "report";

    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder; the run may be going on" };
        var command = new Command(
            Name,
            "Writes report.html of a run anew from what the folder holds, without running the model. train and evaluate write the same page.")
        {
            run,
        };
        command.SetAction(result => Run(result.GetRequiredValue(run)));
        return command.WithExamples("report runs/oe-1");
    }

    private static int Run(string path)
    {
        var folder = RunFolder.At(path);
        foreach (var sentence in RunPage.Write(folder))
        {
            Console.WriteLine(sentence);
        }

        Console.WriteLine($"Written: {folder.Evaluation.Page}");
        return ExitCode.Done;
    }
}
