using System.Text.Json;
using Pascl.Training.Checkpoints;

namespace Pascl.Training.Evaluation;

/// <summary>Everything an evaluation found, each number with its convention: the content of <c>report.json</c>.</summary>
public sealed record EvaluationReport
{
    /// <summary>What each number means, in words, by the name of its property.</summary>
    public IReadOnlyDictionary<string, string> Conventions { get; init; } = ReportConventions.All;

    /// <summary>Class names in label order.</summary>
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>Training images of each class.</summary>
    public required IReadOnlyList<int> TrainingCounts { get; init; }

    /// <summary>The rule behind <see cref="ShotGroups"/>.</summary>
    public required ShotRule ShotRule { get; init; }

    /// <summary>The shot group of each class.</summary>
    public required IReadOnlyList<ShotGroup> ShotGroups { get; init; }

    /// <summary>Labels of the tail classes.</summary>
    public required IReadOnlyList<int> TailClasses { get; init; }

    /// <summary>In-distribution test images.</summary>
    public required int TestImages { get; init; }

    /// <summary>The main branch alone.</summary>
    public required ReadingReport Main { get; init; }

    /// <summary>The auxiliary branch alone.</summary>
    public required ReadingReport Auxiliary { get; init; }

    /// <summary>The method as it is deployed: score of the main branch, class of the auxiliary branch.</summary>
    public required ReadingReport Deployed { get; init; }

    /// <summary>Reads a report that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing or not a report.</exception>
    public static EvaluationReport Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<EvaluationReport>(File.ReadAllBytes(path), ReportJson.Options)
                ?? throw new JsonException("it holds null.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The report {path} cannot be read: {exception.Message}", exception);
        }
        catch (JsonException exception)
        {
            throw new InputException($"{path} is not an evaluation report: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the report as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => DurableFile.Replace(path, stream => JsonSerializer.Serialize(stream, this, ReportJson.Options));
}
