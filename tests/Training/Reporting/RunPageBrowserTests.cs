using Pascl.Tests.Training.Reporting.Browser;
using Pascl.Tests.Training.Reporting.Comparison;
using Pascl.Training.Reporting.Comparison;
using Pascl.Training.Reporting.Page;

namespace Pascl.Tests.Training.Reporting;

/// <summary>The pages of runs and of comparisons as a browser shows them.</summary>
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
    public void nothing_is_loaded_and_nothing_is_complained_about([Values("evaluated", "training", "comparison")] string name)
    {
        using var page = browser.Open(pages[name], Desk, 900);
        Assert.Multiple(() =>
        {
            Assert.That(page.Complaints, Is.Empty);
            Assert.That(page.Requests.Where(url => !url.StartsWith("data:", StringComparison.Ordinal)), Is.EqualTo((string[])[new Uri(pages[name]).AbsoluteUri]));
        });
    }

    [Test]
    public void every_figure_is_drawn_and_has_a_name_and_a_table([Values("evaluated", "training", "comparison")] string name)
    {
        using var page = browser.Open(pages[name], Desk, 900);
        const string svgs = "[...document.querySelectorAll('figure svg')]";
        Assert.Multiple(() =>
        {
            Assert.That(page.Evaluate<int>($"{svgs}.length"), Is.EqualTo(name switch { "evaluated" => 13, "training" => 3, _ => 5 }));
            Assert.That(page.Texts($"{svgs}.filter(s => !(s.getBoundingClientRect().width > 250 && s.getBoundingClientRect().height > 150)).map(s => s.outerHTML)"), Is.Empty);
            // Something coloured is drawn inside of every one: a line, bars or points.
            Assert.That(
                page.Texts(
                    $"{svgs}.map(s => [...s.querySelectorAll('[stroke^=\"#\"], [fill^=\"#\"]')].filter(e => e.getBBox().width + e.getBBox().height > 3).length)"),
                Has.None.EqualTo("0"));
            Assert.That(page.Texts($"{svgs}.filter(s => s.getAttribute('role') != 'img' || s.getAttribute('aria-label').length < 20).map(s => s.outerHTML)"), Is.Empty);
            Assert.That(page.Texts($"{svgs}.filter(s => !s.closest('figure').querySelector('details tbody td')).map(s => s.outerHTML)"), Is.Empty);
            Assert.That(page.Texts("[...document.images].filter(i => i.naturalWidth == 0 || i.alt.length < 20).map(i => i.alt)"), Is.Empty);
        });
    }

    [Test]
    public void a_phone_shows_it_without_scrolling_sideways([Values("evaluated", "training", "comparison")] string name)
    {
        using var page = browser.Open(pages[name], Phone, 740);
        page.Evaluate<int>("[...document.querySelectorAll('details')].map(d => d.open = true).length");
        Assert.Multiple(() =>
        {
            Assert.That(page.Evaluate<int>("document.documentElement.clientWidth"), Is.EqualTo(Phone));
            Assert.That(page.Evaluate<int>("document.documentElement.scrollWidth"), Is.EqualTo(Phone));
            Assert.That(page.Evaluate<double>("Math.min(...[...document.querySelectorAll('figure svg text')].map(t => t.getBoundingClientRect().height))"), Is.GreaterThan(9));
        });
    }

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

    [Test]
    public void dark_mode_is_light_on_dark([Values("evaluated", "comparison")] string name)
    {
        using var page = browser.Open(pages[name], Desk, 900, dark: true);
        const string brightness = "(e, p) => getComputedStyle(e)[p].match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)";
        Assert.Multiple(() =>
        {
            Assert.That(page.Evaluate<double>($"({brightness})(document.body, 'backgroundColor')"), Is.LessThan(120));
            Assert.That(page.Evaluate<double>($"({brightness})(document.body, 'color')"), Is.GreaterThan(600));
            Assert.That(
                page.Evaluate<double>($"Math.min(...[...document.querySelectorAll('figure svg text')].map(t => ({brightness})(t, 'fill')))"),
                Is.GreaterThan(600),
                "texts of the figures");
        });
    }

    /// <summary>For people who want to look: <c>PASCL_SCREENSHOTS</c> names a folder.</summary>
    [Test]
    public void screenshots_show_more_than_one_colour([Values("evaluated", "training", "comparison")] string name, [Values(Phone, Desk)] int width, [Values] bool dark)
    {
        using var page = browser.Open(pages[name], width, 900, dark);
        var png = page.Screenshot();
        if (Environment.GetEnvironmentVariable("PASCL_SCREENSHOTS") is { Length: > 0 } folder)
        {
            File.WriteAllBytes(Path.Combine(folder, $"{name}-{width}{(dark ? "-dark" : "")}.png"), png);
        }

        using var image = SkiaSharp.SKBitmap.Decode(png);
        Assert.Multiple(() =>
        {
            Assert.That(image.Width, Is.EqualTo(width));
            Assert.That(image.Pixels.Distinct().Count(), Is.GreaterThan(50));
        });
    }
}
