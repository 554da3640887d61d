using Pascl.Tests.Training.Reporting.Browser;
using Pascl.Tests.Training.Reporting.Comparison;
using Pascl.Training.Reporting.Comparison;
using Pascl.Training.Reporting.Page;

namespace Pascl.Tests.Training.Reporting;

/// <summary>The pages of runs and of comparisons as a browser shows them. Few tests, each over all pages, so that few are skipped where there is no browser.</summary>
public sealed class RunPageBrowserTests
{
    private const int Phone = 360;
    private const int Desk = 1280;

    private Chromium browser = null!;
    private TemporaryFolder parent = null!;
    private Dictionary<string, string> pages = null!;

    [OneTimeSetUp]
    public void WritePagesAndStartTheBrowser()
    {
        browser = Chromium.Start();
        parent = new TemporaryFolder();
        var (evaluated, training) = (PageSamples.WriteEvaluated(parent, "evaluated"), PageSamples.Write(parent, "training", 2));
        RunPage.Write(evaluated);
        RunPage.Write(training);
        var comparison = RunComparison.Of([.. ReportedRuns.WriteTwoMethods(parent).Select(ComparedRun.Read)]);
        ComparisonFiles.Write(Path.Combine(parent.Path, "comparison"), comparison);
        pages = new()
        {
            ["evaluated"] = evaluated.Evaluation.Page,
            ["training"] = training.Evaluation.Page,
            ["comparison"] = Path.Combine(parent.Path, "comparison", "comparison.html"),
        };
    }

    [OneTimeTearDown]
    public void StopTheBrowser()
    {
        browser?.Dispose();
        parent?.Dispose();
    }

    [Test]
    public void pages_load_nothing_complain_of_nothing_and_draw_every_figure_with_a_name_and_a_table() => Assert.Multiple(() =>
    {
        const string svgs = "[...document.querySelectorAll('figure svg')]";
        foreach (var (name, path) in pages)
        {
            using var page = browser.Open(path, Desk, 900);
            Assert.That(page.Complaints, Is.Empty, name);
            Assert.That(page.Requests.Where(url => !url.StartsWith("data:", StringComparison.Ordinal)), Is.EqualTo((string[])[new Uri(path).AbsoluteUri]), name);
            Assert.That(page.Evaluate<int>($"{svgs}.length"), Is.EqualTo(name switch { "evaluated" => 13, "training" => 3, _ => 5 }), name);
            Assert.That(
                page.Texts($"{svgs}.filter(s => !(s.getBoundingClientRect().width > 250 && s.getBoundingClientRect().height > 150)).map(s => s.outerHTML)"),
                Is.Empty,
                name);
            // Something coloured is drawn inside of every one: a line, bars or points.
            Assert.That(
                page.Texts(
                    $"{svgs}.map(s => [...s.querySelectorAll('[stroke^=\"#\"], [fill^=\"#\"]')].filter(e => e.getBBox().width + e.getBBox().height > 3).length)"),
                Has.None.EqualTo("0"),
                name);
            Assert.That(page.Texts($"{svgs}.filter(s => s.getAttribute('role') != 'img' || s.getAttribute('aria-label').length < 20).map(s => s.outerHTML)"), Is.Empty, name);
            Assert.That(page.Texts($"{svgs}.filter(s => !s.closest('figure').querySelector('details tbody td')).map(s => s.outerHTML)"), Is.Empty, name);
            Assert.That(page.Texts("[...document.images].filter(i => i.naturalWidth == 0 || i.alt.length < 20).map(i => i.alt)"), Is.Empty, name);
        }
    });

    [Test]
    public void a_phone_shows_them_without_scrolling_sideways() => Assert.Multiple(() =>
    {
        foreach (var (name, path) in pages)
        {
            using var page = browser.Open(path, Phone, 740);
            page.Evaluate<int>("[...document.querySelectorAll('details')].map(d => d.open = true).length");
            Assert.That(page.Evaluate<int>("document.documentElement.clientWidth"), Is.EqualTo(Phone), name);
            Assert.That(page.Evaluate<int>("document.documentElement.scrollWidth"), Is.EqualTo(Phone), name);
            Assert.That(
                page.Evaluate<double>("Math.min(...[...document.querySelectorAll('figure svg text')].map(t => t.getBoundingClientRect().height))"),
                Is.GreaterThan(9),
                name);
        }
    });

    [Test]
    public void the_keyboard_reaches_and_opens_every_table()
    {
        using var page = browser.Open(pages["evaluated"], Desk, 900);
        var summaries = page.Evaluate<int>("document.querySelectorAll('summary').length");
        var reached = new HashSet<int>();
        for (var presses = 0; presses < 5 * summaries && reached.Count < summaries; presses++)
        {
            page.Press("Tab", 9);
            var summary = page.Evaluate<int>("[...document.querySelectorAll('summary')].indexOf(document.activeElement)");
            if (summary >= 0 && reached.Add(summary))
            {
                page.Press("Enter", 13);
            }
        }

        Assert.Multiple(() =>
        {
            Assert.That(summaries, Is.GreaterThan(13));
            Assert.That(reached, Has.Count.EqualTo(summaries));
            Assert.That(page.Evaluate<int>("document.querySelectorAll('details[open]').length"), Is.EqualTo(summaries));
        });
    }

    /// <summary>For people who want to look: <c>PASCL_SCREENSHOTS</c> names a folder.</summary>
    [Long]
    [Test]
    public void dark_mode_is_light_on_dark_and_every_screenshot_has_more_than_one_colour() => Assert.Multiple(() =>
    {
        foreach (var (name, path) in pages)
        {
            foreach (var (width, dark) in ((int, bool)[])[(Phone, false), (Phone, true), (Desk, false), (Desk, true)])
            {
                using var page = browser.Open(path, width, 900, dark);
                var what = $"{name}-{width}{(dark ? "-dark" : "")}";
                if (dark)
                {
                    AssertIsLightOnDark(page, what);
                }

                AssertHasColours(page.Screenshot(), width, what);
            }
        }
    });

    private static void AssertIsLightOnDark(BrowserPage page, string what)
    {
        const string brightness = "(e, p) => getComputedStyle(e)[p].match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)";
        Assert.That(page.Evaluate<double>($"({brightness})(document.body, 'backgroundColor')"), Is.LessThan(120), what);
        Assert.That(page.Evaluate<double>($"({brightness})(document.body, 'color')"), Is.GreaterThan(600), what);
        Assert.That(
            page.Evaluate<double>($"Math.min(...[...document.querySelectorAll('figure svg text')].map(t => ({brightness})(t, 'fill')))"),
            Is.GreaterThan(600),
            $"{what}: texts of the figures");
        Assert.That(
            page.Evaluate<double>($"Math.min(765, ...[...document.querySelectorAll('.sheet div')].map(t => ({brightness})(t, 'color')))"),
            Is.GreaterThan(600),
            $"{what}: texts of the most wrong images");
        Assert.That(
            page.Texts("[...document.querySelectorAll('.sheet span')].filter(s => !getComputedStyle(s).backgroundImage.startsWith('url(\"data:image/png')).map(s => s.outerHTML)"),
            Is.Empty,
            what);
    }

    private static void AssertHasColours(byte[] png, int width, string what)
    {
        if (Environment.GetEnvironmentVariable("PASCL_SCREENSHOTS") is { Length: > 0 } folder)
        {
            File.WriteAllBytes(Path.Combine(folder, $"{what}.png"), png);
        }

        using var image = SkiaSharp.SKBitmap.Decode(png);
        Assert.That(image.Width, Is.EqualTo(width), what);
        Assert.That(image.Pixels.Distinct().Count(), Is.GreaterThan(50), what);
    }
}
