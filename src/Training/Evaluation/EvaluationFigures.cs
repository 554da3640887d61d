namespace Pascl.Training.Evaluation;

/// <summary>
/// What an evaluation is drawn from, beside the numbers of <see cref="EvaluationReport"/>: the content of <c>figures.json</c>. Its size does not
/// grow with the number of images.
/// </summary>
public sealed record EvaluationFigures
{
    /// <summary>The layout that this program writes and reads: raised with every change after which an earlier file cannot be read.</summary>
    public const int CurrentLayout = 1;

    /// <summary>The layout of this file.</summary>
    public int Layout { get; init; } = CurrentLayout;

    /// <summary>Curves and histograms of the deployed score.</summary>
    public required DetectionFigures Detection { get; init; }

    /// <summary>The features of some images in a plane.</summary>
    public required FeatureMap Features { get; init; }

    /// <summary>Reads figures that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, holds no figures, or is of another layout.</exception>
    public static EvaluationFigures Read(string path) => ReportJson.Read<EvaluationFigures>(
        path, new("file of figures", "a file of figures", "detection", "it has no curves of detection.", CurrentLayout));

    /// <summary>Writes the figures as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => ReportJson.Write(path, this);
}
