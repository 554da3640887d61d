using System.Globalization;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

/// <summary>The images that the score gets most wrong, as a picture and as lists.</summary>
internal static class WorstSection
{
    public static IEnumerable<XElement> Of(EvaluationReport report, byte[]? picture)
    {
        var worst = report.Worst;
        yield return HtmlPage.Section(
            "Most wrong images",
            [
                .. picture is null ? [] : (XElement[])[Picture(worst, picture)],
                HtmlPage.Details(List(report, "test images of the highest score", worst.InDistribution)),
                .. worst.OutOfDistribution.Count == 0
                    ? []
                    : (XElement[])[HtmlPage.Details(List(report, "OOD images of the lowest score", worst.OutOfDistribution))],
            ]);
    }

    private static XElement Picture(WorstImages worst, byte[] picture) => new(
        "figure",
        HtmlPage.Wide(
            "Picture of the most wrong images",
            new XElement(
                "img",
                new XAttribute("src", $"data:image/png;base64,{Convert.ToBase64String(picture)}"),
                new XAttribute(
                    "alt",
                    $"{worst.InDistribution.Count} test images that look most out-of-distribution to the model, then {worst.OutOfDistribution.Count} " +
                    "out-of-distribution images that look most familiar; the lists below name each of them."))),
        new XElement("figcaption", "The test images of the highest score, and below them the OOD images of the lowest."));

    private static TextTable List(EvaluationReport report, string title, IReadOnlyList<WorstImage> images) => new(
        title,
        ["image", "set", "class", "taken for", "score"],
        [
            .. images.Select(image => (string[])
            [
                image.Source,
                image.Set,
                image.Label is { } label ? report.ClassNames[label] : "none",
                report.ClassNames[image.Prediction],
                image.Score.ToString("0.0000", CultureInfo.InvariantCulture),
            ]),
        ]);
}
