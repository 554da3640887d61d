using System.Xml.Linq;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

/// <summary>Every value that was used, and where the run was trained.</summary>
internal static class RecipeSection
{
    public static IEnumerable<XElement> Of(RunRecord record)
    {
        yield return HtmlPage.Section(
            "Recipe and machine",
            [
                HtmlPage.Details(new(
                    "recipe, every value",
                    ["value", "is"],
                    [.. RecipeValues.Of(RecipeFile.Write(record.Recipe)).Select(value => (string[])[value.Key, value.Value])])),
                .. record.Machine.Count == 0
                    ? []
                    : (XElement[])
                    [
                        HtmlPage.Details(new(
                            "machine that the run was trained on", ["part", "is"], [.. record.Machine.Select(part => (string[])[part.Key, part.Value])])),
                    ],
                .. record.Convolutions.Count == 0
                    ? []
                    : (XElement[])
                    [
                        HtmlPage.Details(new(
                            "convolutions on that machine, compared with double precision",
                            ["convolution", "how it is computed, and its largest error"],
                            [.. record.Convolutions.Select(part => (string[])[part.Key[ConvolutionReport.RowPrefix.Length..], part.Value])])),
                    ],
                HtmlPage.Paragraph($"Folder: {record.Folder}"),
            ]);
    }
}
