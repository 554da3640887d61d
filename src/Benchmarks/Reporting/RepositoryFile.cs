using Pascl.Benchmarks.Growth;

namespace Pascl.Benchmarks.Reporting;

/// <summary>Files of the repository that this program writes. Each returns the program's exit code.</summary>
internal static class RepositoryFile
{
    /// <summary>Writes the page of results from what the last runs kept in the current directory.</summary>
    public static int WriteResults()
    {
        var suites = SuiteResult.ReadAll();
        return suites.Count == 0
            ? Refuse($"There are no results in {SuiteResult.Folder} here. Run suites first, in the same directory.")
            : Write(Path.Combine("src", "Benchmarks", "RESULTS.md"), ResultsPage.Of(suites, GrowthResult.Read()), $" from {suites.Count} suites");
    }

    /// <summary>Writes a file below the root of the repository.</summary>
    public static int Write(string path, string text, string from = "")
    {
        var folder = Path.GetDirectoryName(path);
        if (!Directory.Exists(folder))
        {
            return Refuse($"There is no {folder} here to write {Path.GetFileName(path)} to. Run this at the root of the repository.");
        }

        File.WriteAllText(path, text);
        Console.WriteLine($"Wrote {path}{from}.");
        return 0;
    }

    private static int Refuse(string sentence)
    {
        Console.Error.WriteLine(sentence);
        return 2;
    }
}
