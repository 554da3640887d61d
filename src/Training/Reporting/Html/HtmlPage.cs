using System.Text;
using System.Xml;
using System.Xml.Linq;

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
