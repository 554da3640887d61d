using System.Globalization;
using System.Xml.Linq;
using ScottPlot;

namespace Pascl.Training.Reporting.Html;

/// <summary>
/// A plot as a figure of a page: an inline SVG in the page's colours, with a description for who cannot see it. Axis texts need a font on
/// the machine that writes the page; where there is none they are missing, which is one reason why every figure has a table beside it.
/// </summary>
internal static class SvgFigure
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>Renders a plot.</summary>
    /// <param name="plot">The plot; its black becomes the page's text colour, and its background that of the page.</param>
    /// <param name="id">A name that is unique on the page.</param>
    /// <param name="caption">What the figure shows, below it.</param>
    /// <param name="description">What can be seen in it, in words.</param>
    /// <param name="table">The numbers of the figure, to be opened below it.</param>
    /// <param name="width">Width in pixels; the page scales the figure to its own width.</param>
    /// <param name="height">Height in pixels.</param>
    public static XElement Of(
        Plot plot, string id, string caption, string description, TextTable table, int width = PagePlot.Width, int height = PagePlot.Height)
    {
        using var typeface = SansSerif.Typeface();
        plot.Font.Set(typeface.FamilyName);
        plot.FigureBackground.Color = Colors.Transparent;
        plot.DataBackground.Color = Colors.Transparent;
        plot.Legend.BackgroundColor = Colors.Transparent;
        plot.Legend.OutlineColor = Colors.Transparent;
        plot.Legend.ShadowColor = Colors.Transparent;
        var svg = XElement.Parse(plot.GetSvgXml(width, height));
        svg.SetAttributeValue("viewBox", string.Create(CultureInfo.InvariantCulture, $"0 0 {width} {height}"));
        svg.SetAttributeValue("role", "img");
        svg.SetAttributeValue("aria-label", HtmlPage.Clean(description));
        foreach (var element in svg.DescendantsAndSelf())
        {
            foreach (var attribute in element.Attributes())
            {
                attribute.Value = Adapted(attribute.Name.LocalName, attribute.Value, id);
            }

            if (element.Name == Svg + "text")
            {
                Adapt(element);
            }
        }

        return new XElement("figure", svg, new XElement("figcaption", HtmlPage.Clean(caption)), HtmlPage.Details(table));
    }

    // Several figures share a page, and with it the names of their parts.
    private static string Adapted(string name, string value, string id) => name switch
    {
        "fill" or "stroke" when value is "black" or "#010101" => "currentColor",
        "id" => $"{id}-{value}",
        "href" when value.StartsWith('#') => $"#{id}-{value[1..]}",
        _ when value.StartsWith("url(#", StringComparison.Ordinal) => $"url(#{id}-{value["url(#".Length..]}",
        // Skia ends a list of glyph positions with a comma, which a browser may refuse.
        "x" or "y" => value.TrimEnd(' ', ','),
        "font-family" => $"'{value}', sans-serif",
        _ => value,
    };

    private static void Adapt(XElement text)
    {
        text.Value = text.Value.Trim();
        if (text.Attribute("fill") is null)
        {
            text.SetAttributeValue("fill", "currentColor");
        }
    }
}
