namespace Pascl.Training.Reporting;

/// <summary>
/// The files that an evaluation leaves. In a run folder they are <c>report.json</c>, <c>figures.json</c>, <c>worst.png</c>,
/// <c>scores.json</c> and <c>report.html</c>; beside a report of another name they begin with that name.
/// </summary>
/// <param name="Report">Every number.</param>
public sealed record EvaluationFiles(string Report)
{
    private const string UsualName = "report";

    /// <summary>What the figures are drawn from.</summary>
    public string Figures => Beside("figures.json");

    /// <summary>The images that the evaluation got most wrong, as a picture.</summary>
    public string Worst => Beside("worst.png");

    /// <summary>The comparison of scores, where one was asked for.</summary>
    public string Scores => Beside("scores.json");

    /// <summary>The page for people.</summary>
    public string Page => Path.Combine(Folder, $"{Name}.html");

    private string Folder => Path.GetDirectoryName(Report) ?? "";

    private string Name => Path.GetFileNameWithoutExtension(Report);

    private string Beside(string name) => Path.Combine(Folder, Path.GetFileName(Report) == $"{UsualName}.json" ? name : $"{Name}-{name}");
}
