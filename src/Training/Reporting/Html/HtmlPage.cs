using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Pascl.Training.Reporting.Html;

/// <summary>
/// A self-contained page: one file without scripts or network, light or dark as the reader's system is, usable on a phone. Content is built
/// of <see cref="XElement"/>, which escapes all text.
/// </summary>
internal static class HtmlPage
{
    // HTML knows no self-closing form of any element but these; <td/> would leave the cell open.
    private static readonly HashSet<string> Void = ["meta", "br", "hr", "img", "input", "link", "col"];

    /// <summary>The page as text.</summary>
    /// <param name="title">Title of the page and its first heading.</param>
    /// <param name="content">Elements of the page's body, in order.</param>
    public static string Write(string title, params IEnumerable<XElement> content)
    {
        var page = new XElement(
            "html",
            new XAttribute("lang", "en"),
            new XElement(
                "head",
                new XElement("meta", new XAttribute("charset", "utf-8")),
                new XElement("meta", new XAttribute("name", "viewport"), new XAttribute("content", "width=device-width, initial-scale=1")),
                new XElement("meta", new XAttribute("name", "color-scheme"), new XAttribute("content", "light dark")),
                // The page needs nothing from elsewhere; a name that slipped through as markup could load nothing either.
                new XElement(
                    "meta",
                    new XAttribute("http-equiv", "Content-Security-Policy"),
                    new XAttribute("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")),
                new XElement("title", Clean(title)),
                new XElement("style", PageStyle.Css)),
            new XElement("body", new XElement("main", new XElement("h1", Clean(title)), content)));
        foreach (var element in page.DescendantsAndSelf().Where(element => element.Name.Namespace == XNamespace.None && element.IsEmpty))
        {
            if (!Void.Contains(element.Name.LocalName))
            {
                element.Value = "";
            }
        }

        return $"<!DOCTYPE html>\n{ToText(page)}\n";
    }

    public static XElement Section(string heading, params IEnumerable<XElement> content) =>
        new("section", new XElement("h2", Clean(heading)), content);

    public static XElement Paragraph(string text) => new("p", Clean(text));

    /// <summary>A table whose first column names the row. It scrolls sideways where the screen is narrow.</summary>
    public static XElement Table(TextTable table) => Wide(
        table.Title,
        new XElement(
            "table",
            new XElement("caption", Clean(table.Title)),
            new XElement(
                "thead",
                new XElement("tr", table.Columns.Select(column => new XElement("th", new XAttribute("scope", "col"), Clean(column))))),
            new XElement("tbody", table.Rows.Select(Row))));

    /// <summary>What may be wider than the screen: it scrolls by itself, by finger and by keyboard.</summary>
    /// <param name="name">What it is, for who cannot see it.</param>
    /// <param name="content">The wide element.</param>
    public static XElement Wide(string name, XElement content) => new(
        "div",
        new XAttribute("class", "scroll"),
        new XAttribute("tabindex", "0"),
        new XAttribute("role", "region"),
        new XAttribute("aria-label", Clean(name)),
        content);

    /// <summary>A table that the reader opens.</summary>
    public static XElement Details(TextTable table) =>
        new("details", new XElement("summary", Clean($"Numbers: {table.Title}")), Table(table));

    /// <summary>Figures side by side where there is room.</summary>
    public static XElement Figures(params IEnumerable<XElement> figures) => new("div", new XAttribute("class", "figures"), figures);

    /// <summary>Text without the characters that no XML or HTML file may hold; each becomes U+FFFD.</summary>
    public static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && XmlConvert.IsXmlSurrogatePair(text[i + 1], text[i]))
            {
                clean.Append(text, i++, 2);
            }
            else
            {
                clean.Append(XmlConvert.IsXmlChar(text[i]) ? text[i] : '\ufffd');
            }
        }

        return clean.ToString();
    }

    private static XElement Row(string[] cells) => new(
        "tr",
        new XElement("th", new XAttribute("scope", "row"), Clean(cells[0])),
        cells.Skip(1).Select(cell => new XElement("td", Clean(cell))));

    private static string ToText(XElement page)
    {
        var text = new StringBuilder();
        using (var writer = XmlWriter.Create(text, new XmlWriterSettings { OmitXmlDeclaration = true }))
        {
            page.Save(writer);
        }

        return text.ToString();
    }
}

/// <summary>How pages look.</summary>
internal static class PageStyle
{
    /// <summary>
    /// The style sheet. It must not hold the signs for less, greater and ampersand, which the writer of the page would escape and a style
    /// element would not read back.
    /// </summary>
    public const string Css = """
        :root { color-scheme: light dark; --ink: #1c1e21; --paper: #ffffff; --faint: #f2f3f5; --line: #c8ccd2; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --paper: #16181b; --faint: #222529; --line: #444a52; } }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.6rem; }
        h2 { font-size: 1.25rem; margin-top: 2rem; }
        /* A shadow at the side where there is more; the paper over it scrolls with the content and covers it at the end. */
        .scroll { overflow-x: auto; margin: 1rem 0; background:
            linear-gradient(90deg, var(--paper) 40%, transparent) left / 3rem 100% no-repeat local,
            linear-gradient(270deg, var(--paper) 40%, transparent) right / 3rem 100% no-repeat local,
            linear-gradient(90deg, var(--line), transparent) left / 0.8rem 100% no-repeat scroll,
            linear-gradient(270deg, var(--line), transparent) right / 0.8rem 100% no-repeat scroll; }
        .scroll:focus-visible { outline: 2px solid currentColor; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        caption { text-align: left; padding: 0.25rem 0; font-weight: 600; }
        th, td { padding: 0.25rem 0.75rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
        th:first-child { text-align: left; }
        thead th { background: var(--faint); }
        .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1rem 2rem; }
        figure { margin: 1rem 0; min-width: 0; }
        figcaption { font-size: 0.9rem; }
        details { margin: 0.5rem 0; }
        summary { cursor: pointer; padding: 0.4rem 0; font-size: 0.9rem; }
        summary:focus-visible { outline: 2px solid currentColor; }
        p, h1, h2, figcaption, summary { overflow-wrap: anywhere; }
        figure svg { width: 100%; height: auto; color: var(--ink); }
        .sheet { display: grid; grid-template-columns: repeat(auto-fill, 128px); gap: 0.75rem; list-style: none; margin: 0; padding: 0; font-size: 0.8rem; line-height: 1.3; }
        .sheet li { overflow-wrap: anywhere; }
        .sheet span { display: block; width: 128px; height: 128px; background-image: var(--sheet); background-repeat: no-repeat; print-color-adjust: exact; }
        """;
}

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
