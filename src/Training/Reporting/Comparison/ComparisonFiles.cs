using System.Text;
using Pascl.Training.Checkpoints;

namespace Pascl.Training.Reporting.Comparison;

/// <summary>A comparison as files: <c>comparison.md</c>, <c>.csv</c>, <c>.json</c> and <c>.html</c>.</summary>
public static class ComparisonFiles
{
    /// <summary>Writes the four files into a folder, which is made where it does not exist; earlier ones are replaced.</summary>
    /// <returns>The paths of the files.</returns>
    /// <exception cref="InputException">The folder cannot be made or a file cannot be written.</exception>
    public static IReadOnlyList<string> Write(string folder, RunComparison comparison)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var reason = File.Exists(folder) ? "a file of that name exists" : DurableFile.Reason(exception);
            throw new InputException($"{folder} could not be created: {reason}. Choose another --out.", exception);
        }

        return
        [
            Write(folder, "md", ComparisonMarkdown.Write(comparison)),
            Write(folder, "csv", ComparisonCsv.Write(comparison)),
            Write(folder, "json", ComparisonJson.Write(comparison)),
            Write(folder, "html", ComparisonPage.Write(comparison)),
        ];
    }

    private static string Write(string folder, string extension, string text)
    {
        var path = Path.Combine(folder, $"comparison.{extension}");
        DurableFile.Replace(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        return path;
    }
}
