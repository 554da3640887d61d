using System.Text;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Reporting;

namespace Pascl.Training.Cli;

/// <summary>Where the results of an evaluation go.</summary>
/// <param name="Path">The file of the report, or a folder for it; null for the usual place.</param>
/// <param name="Csv">The file for OpenOOD's table; null for none.</param>
/// <param name="Overwrites">Whether files there may be written over.</param>
internal sealed record EvaluationOutput(string? Path, string? Csv, bool Overwrites)
{
    /// <summary>Refuses the table where it cannot go, before anything is computed.</summary>
    /// <exception cref="InputException">It is a folder, or a file that may not be written over.</exception>
    public void RequireTable()
    {
        if (Csv is not null)
        {
            if (Directory.Exists(Csv))
            {
                throw new InputException($"{Csv} is a folder; --csv names a file, such as {System.IO.Path.Combine(Csv, "ood.csv")}.");
            }

            OverwriteOption.Require(Overwrites, [Csv], "--csv");
        }
    }

    /// <summary>Writes OpenOOD's table, where it was asked for.</summary>
    /// <exception cref="InputException">One of its files exists and may not be written over, or cannot be written.</exception>
    public void WriteTable(EvaluationReport? report, ScoreReport? scores)
    {
        if (Csv is null)
        {
            return;
        }

        var tables = OpenOodCsv.Files(Csv, report, scores);
        OverwriteOption.Require(Overwrites, tables.Select(table => table.Path), "--csv");
        foreach (var (path, text) in tables)
        {
            DurableFile.Replace(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        }

        Console.WriteLine($"Table: {tables[0].Path}{(tables.Count > 1 ? $", and {tables.Count - 1} beside it by the names of the scores" : "")}");
    }
}
