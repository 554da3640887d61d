using System.Text;
using System.Xml.Linq;
using Pascl.Training.Checkpoints;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

/// <summary>
/// A run as a page: <c>report.html</c>, one file that loads nothing. While a run trains it shows how far it has come; after the evaluation it
/// shows everything.
/// </summary>
internal static class RunPage
{
    /// <summary>Writes the page of what a run folder holds, whole or not at all.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="evaluation">The evaluation to show; the run's own where it is left out.</param>
    /// <returns>The sentences about what is missing.</returns>
    /// <exception cref="InputException">The folder is none of a run, or the page cannot be written.</exception>
    public static IReadOnlyList<string> Write(RunFolder folder, EvaluationFiles? evaluation = null)
    {
        var record = RunRecord.Read(folder, evaluation);
        var page = Encoding.UTF8.GetBytes(Of(record, DateTimeOffset.Now));
        DurableFile.Replace((evaluation ?? folder.Evaluation).Page, stream => stream.Write(page));
        return record.Notes;
    }

    /// <summary>Writes the page for a command that goes on whatever happens to it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="error">Told in a sentence what went wrong.</param>
    /// <returns>Whether the page was written.</returns>
    public static bool TryWrite(RunFolder folder, TextWriter error)
    {
        try
        {
            Write(folder);
            return true;
        }
        catch (Exception exception)
        {
            // Days of training are worth more than a page, whatever the cause is: a full disk, or a machine without the library that draws.
            error.WriteLine($"{folder.Evaluation.Page} was not written, and everything else goes on: {exception.Message}");
            return false;
        }
    }

    /// <summary>The page as text.</summary>
    internal static string Of(RunRecord record, DateTimeOffset now) => HtmlPage.Write(
        $"Run {Path.GetFileName(record.Folder)}",
        [
            .. HeadlineSection.Of(record, now),
            .. TrainingSection.Of(record),
            .. record.Report is { } report
                ? (XElement[])[.. DetectionSection.Of(report, record.Figures, record.Calibration), .. ClassSection.Of(report), .. WorstSection.Of(report, record.Worst)]
                : [],
            .. RecipeSection.Of(record),
        ]);
}
