namespace Pascl.Training.Reporting.Html;

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
        .scroll { overflow-x: auto; margin: 1rem 0; }
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
        img { display: block; }
        """;
}
