using System.Globalization;
using System.Xml.Linq;
using ScottPlot;
using ScottPlot.TickGenerators;

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

/// <summary>What the plots of pages have in common.</summary>
internal static class PagePlot
{
    /// <summary>Width of a figure in pixels: shown at this size or larger on a desk, and still readable on a phone of 360 pixels.</summary>
    public const int Width = 440;

    /// <summary>Height of a figure in pixels.</summary>
    public const int Height = 340;

    private const float TextSize = 14;

    // Colours of Okabe and Ito, told apart by colour-blind readers and visible on white and on black.
    private static readonly Color[] Palette = [.. new[] { "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00" }.Select(Color.FromHex)];

    // Beyond the palette the colours repeat, and the dashes tell the lines apart.
    private static readonly LinePattern[] Patterns = [LinePattern.Solid, LinePattern.Dashed, LinePattern.Dotted];

    public static Color Colour(int number) => Palette[number % Palette.Length];

    /// <summary>An empty plot with named axes.</summary>
    public static Plot New(string bottom, string left)
    {
        var plot = new Plot();
        plot.Axes.Bottom.Label.Text = bottom;
        plot.Axes.Left.Label.Text = left;
        foreach (var axis in (IAxis[])[plot.Axes.Bottom, plot.Axes.Left, plot.Axes.Right])
        {
            axis.Label.FontSize = TextSize;
            axis.Label.Bold = false;
            axis.TickLabelStyle.FontSize = TextSize;
        }

        plot.Legend.FontSize = TextSize;
        plot.HideLegend();
        return plot;
    }

    /// <summary>Adds a line with a name in the legend.</summary>
    /// <param name="plot">The plot.</param>
    /// <param name="number">Which of the plot's lines it is, for its colour and dashes.</param>
    /// <param name="name">Its name.</param>
    /// <param name="x">Abscissae.</param>
    /// <param name="y">Ordinates; a line of one point is drawn as a dot.</param>
    public static void AddLine(this Plot plot, int number, string name, double[] x, double[] y)
    {
        var line = plot.Add.Scatter(x, y, Colour(number));
        line.LineWidth = 2;
        line.LinePattern = Patterns[number / Palette.Length % Patterns.Length];
        line.MarkerSize = x.Length == 1 ? 7 : 0;
        line.LegendText = HtmlPage.Clean(name);
    }

    /// <summary>Whether values lie farther apart than a decade, so that the small ones would all be on the bottom of a linear axis; never where one is not above 0.</summary>
    public static bool NeedsLogarithm(IReadOnlyCollection<double> values) => values.Count > 0 && values.Min() is > 0 and var lowest && values.Max() > 10 * lowest;

    /// <summary>Writes powers of ten at the left, for values that are drawn by their logarithm to the base 10; with twice and five times them where they are few.</summary>
    /// <param name="plot">The plot.</param>
    /// <param name="lowest">The lowest value, above 0.</param>
    /// <param name="highest">The highest value.</param>
    public static void SetLogarithmic(this Plot plot, double lowest, double highest)
    {
        var (first, last) = ((int)Math.Floor(Math.Log10(lowest)), (int)Math.Ceiling(Math.Log10(highest)));
        double[] steps = last - first <= 3 ? [1, 2, 5] : [1];
        double[] marks = [.. Enumerable.Range(first, last - first + 1).SelectMany(power => steps.Select(step => step * Math.Pow(10, power)))];
        plot.Axes.Left.TickGenerator = new NumericManual(
            Array.ConvertAll(marks, Math.Log10), Array.ConvertAll(marks, mark => mark.ToString("0.###############", CultureInfo.InvariantCulture)));
        var margin = 0.05 * Math.Log10(highest / lowest);
        plot.Axes.SetLimitsY(Math.Log10(lowest) - margin, Math.Log10(highest) + margin);
    }

    /// <summary>An empty plot over epochs.</summary>
    /// <param name="left">The name of the other axis.</param>
    /// <param name="epochs">How many there are.</param>
    public static Plot OverEpochs(string left, int epochs)
    {
        var plot = New("epoch", left);
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = epochs > 1 };
        return plot;
    }

    public static Plot WithLegend(this Plot plot)
    {
        plot.ShowLegend(Edge.Bottom);
        return plot;
    }

    /// <summary>Sets the limits of both axes.</summary>
    public static Plot WithLimits(this Plot plot, double left, double right, double bottom, double top)
    {
        plot.Axes.SetLimits(left, right, bottom, top);
        return plot;
    }
}
