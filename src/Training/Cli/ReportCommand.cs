using System.CommandLine;
using Pascl.Training.Reporting.Page;

namespace Pascl.Training.Cli;

/// <summary><c>report</c>: the page of a run, made again from what its folder holds.</summary>
internal static class ReportCommand
{
    public const string Name = "report";

    private const string Markdown = "markdown";

    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder; the run may be going on" };
        var format = new Option<string>("--format")
        {
            Description = "html: the page report.html; markdown: a model card, model-card.md",
            DefaultValueFactory = _ => "html",
        };
        format.AcceptOnlyFromAmong("html", Markdown);
        var command = new Command(
            Name,
            "Writes report.html of a run anew, or a model card, from what the folder holds, without running the model. train and evaluate write the same page.")
        {
            run, format,
        };
        command.SetAction(result => Run(result.GetRequiredValue(run), result.GetRequiredValue(format) == Markdown));
        return command.WithExamples("report runs/oe-1", "report runs/oe-1 --format markdown");
    }

    private static int Run(string path, bool asCard)
    {
        var folder = RunFolder.At(path);
        var file = asCard ? folder.ModelCard : folder.Evaluation.Page;
        foreach (var sentence in asCard ? ModelCard.Write(folder, file) : RunPage.Write(folder))
        {
            Console.WriteLine(sentence);
        }

        Console.WriteLine($"Written: {file}");
        return ExitCode.Done;
    }
}
