using System.Xml.Linq;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;
using Pascl.Training.Reporting.Html;
using Pascl.Training.Reporting.Page;

namespace Pascl.Tests.Training.Reporting;

/// <summary>The page of a run as a file: what it says, and what it says of what is missing.</summary>
public sealed class RunPageTests
{
    private static readonly string[] trainingFigures =
    [
        "losses-representation", "losses-auxiliary-branch", "learning-rate-representation", "learning-rate-auxiliary-branch",
        "accuracy-representation", "accuracy-auxiliary-branch",
    ];

    private static readonly string[] evaluationFigures = ["roc", "precision-recall", "scores", "features", "classes", "reliability", "risk-coverage"];

    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void an_evaluated_run_has_every_figure_with_its_table_and_nothing_is_missing()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        Assert.That(RunPage.Write(folder), Is.Empty);
        var page = Read(folder);
        Assert.Multiple(() =>
        {
            Assert.That(FiguresOf(page), Is.EqualTo([.. trainingFigures, .. evaluationFigures]));
            foreach (var figure in page.Descendants("figure"))
            {
                Assert.That(figure.Element("details")?.Descendants("tbody").Single().Elements("tr").Count(), Is.GreaterThan(0), figure.Value);
            }
        });
    }

    [Test]
    public void the_threshold_is_said_and_drawn_where_one_was_chosen_for_the_score()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        RunPage.Write(folder);
        Assert.That(File.ReadAllText(folder.Evaluation.Page), Does.Contain("No threshold was chosen").And.Not.Contain(">threshold<"));

        Checkpoint.Store(folder.Checkpoint, new ScoreThreshold(EvaluationReport.Read(folder.Report).Score, 0.95, 0.25, 1234));
        RunPage.Write(folder);
        Assert.That(File.ReadAllText(folder.Evaluation.Page), Does.Contain("score is at most 0.25, chosen on 1,234 images so that at least 95 %").And.Contain(">threshold<"));

        Checkpoint.Store(folder.Checkpoint, new ScoreThreshold("max-logit", 0.95, 0.25, 1234));
        RunPage.Write(folder);
        Assert.That(File.ReadAllText(folder.Evaluation.Page), Does.Contain("its max-logit score").And.Not.Contain(">threshold<"), "the histogram is of another score");
    }

    [Test]
    public void the_numbers_are_those_of_the_report()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        RunPage.Write(folder);
        var report = EvaluationReport.Read(folder.Report);
        var cells = Read(folder).Descendants("tr").Select(row => row.Elements().Select(cell => cell.Value).ToArray()).ToArray();
        var metrics = report.Deployed.Average!.Metrics;
        Assert.Multiple(() =>
        {
            Assert.That(cells.Single(row => row[0] == "average")[2..5], Is.EqualTo(
                new[] { metrics.Auroc, metrics.AuprOut, metrics.Fpr95 }.Select(ReportTable.Percentage)));
            Assert.That(cells.Single(row => row[0] == "plane" && row.Length == 7)[1], Is.EqualTo("500"));
            Assert.That(cells.Single(row => row[0] == "representation")[1..3], Is.EqualTo((string[])["3", "3"]));
            Assert.That(cells.Count(row => row[0] == "loss.temperature"), Is.EqualTo(1), "the recipe");
            Assert.That(cells.Single(row => row[0] == "memory")[1], Is.EqualTo("16 GiB"), "the machine");
        });
    }

    [Test]
    public void no_name_becomes_markup()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        RunPage.Write(folder);
        var page = Read(folder);
        Assert.Multiple(() =>
        {
            Assert.That(page.Descendants().Select(element => element.Name.LocalName), Has.None.EqualTo("script"));
            Assert.That(page.Descendants("img"), Is.Empty);
            Assert.That(
                page.Descendants().Attributes("style").Select(style => style.Value),
                Has.All.Matches("^(--sheet: url\\(data:image/png;base64,[A-Za-z0-9+/=]+\\)|background-position: -\\d+px -\\d+px)$"));
            Assert.That(page.Descendants("th").Select(cell => cell.Value), Has.Some.StartsWith("<script>alert(1)</script>"));
        });
    }

    [Test]
    public void the_most_wrong_images_are_parts_of_one_sheet_with_texts_of_the_page()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        RunPage.Write(folder);
        var report = EvaluationReport.Read(folder.Report);
        using var sheet = SkiaSharp.SKBitmap.Decode(folder.Evaluation.Worst);
        XElement[] lists = [.. Read(folder).Descendants("ul").Where(list => list.Attribute("class")?.Value == "sheet")];
        Assert.That(lists.Select(list => list.Elements("li").Count()), Is.EqualTo((int[])[report.Worst.InDistribution.Count, report.Worst.OutOfDistribution.Count]));
        Assert.That(lists[0].Elements("li").First().Elements("div").Select(line => line.Value).Last(), Is.EqualTo(report.Worst.InDistribution[0].Score.ToString("0.0000")));
        var corners = lists.SelectMany(list => list.Descendants("span")).Select(picture => picture.Attribute("style")!.Value.Split('-', 'p').Where(part => int.TryParse(part, out _)).Select(int.Parse).ToArray()).ToArray();
        Assert.That(corners, Is.Unique.And.All.Matches<int[]>(corner => corner[0] + ContactSheet.Side <= sheet.Width && corner[1] + ContactSheet.Side <= sheet.Height));
        Assert.That(Array.ConvertAll(corners, corner => sheet.GetPixel(corner[0], corner[1] - 1)), Has.All.EqualTo(SkiaSharp.SKColors.White), "a picture begins here");
    }

    [TestCase(new[] { 0.1, 2 }, true)]
    [TestCase(new[] { 0.3, 2 }, false)]
    [TestCase(new[] { 0.0, 2 }, false)]
    [TestCase(new[] { -1.0, 2 }, false)]
    [TestCase(new[] { double.NaN, 2 }, false)]
    [TestCase(new double[0], false)]
    public void values_that_lie_a_decade_apart_are_drawn_by_their_logarithm(double[] values, bool expected) =>
        Assert.That(PagePlot.NeedsLogarithm(values), Is.EqualTo(expected));

    [TestCase(0.02, 3, "0.02", "0.1", "0.5", "2")]
    [TestCase(1e-6, 30, "0.000001", "0.01", "10")]
    public void a_logarithmic_axis_is_marked_with_the_values_themselves(double lowest, double highest, params string[] marks)
    {
        var plot = PagePlot.New("epoch", "loss");
        plot.AddLine(0, "loss", [1, 2], [Math.Log10(highest), Math.Log10(lowest)]);
        plot.SetLogarithmic(lowest, highest);
        var figure = SvgFigure.Of(plot, "losses", "", "", new("", ["epoch"], [["1"]]));
        string[] texts = [.. figure.Descendants().Where(element => element.Name.LocalName == "text").Select(text => text.Value)];
        Assert.That(texts.Length, Is.Zero.Or.GreaterThan(marks.Length), "a machine without fonts has no texts");
        Assert.That(texts.Length == 0 || marks.All(texts.Contains), string.Join(' ', texts));
    }

    [TestCase(0, "0 of 3 epochs of the phase representation")]
    [TestCase(2, "2 of 3 epochs of the phase representation")]
    [TestCase(4, "1 of 2 epochs of the phase auxiliary-branch")]
    [TestCase(5, "Trained; the evaluation is still missing.")]
    public void a_run_that_goes_on_says_how_far_it_has_come(int epochs, string state)
    {
        var folder = PageSamples.Write(parent, "run", epochs, withAccuracy: false);
        RunPage.Write(folder);
        var page = Read(folder);
        string[] expected = epochs switch
        {
            0 => [],
            <= 3 => ["losses-representation", "learning-rate-representation"],
            _ => trainingFigures[..4],
        };
        Assert.Multiple(() =>
        {
            Assert.That(page.Descendants("p").First().Value, Does.Contain(state));
            Assert.That(FiguresOf(page), Is.EqualTo(expected));
            Assert.That(page.Descendants("p").Select(p => p.Value), epochs == 0 ? Has.None.Contains("--validation") : Has.One.Contains("--validation"));
        });
    }

    [TestCase("figures.json", "There is no figures.json")]
    [TestCase("worst.png", "There is no worst.png")]
    [TestCase("machine.json", "There is no machine.json")]
    [TestCase("log.jsonl", "There is no log.jsonl")]
    [TestCase("report.json", "There is no report.json")]
    [TestCase("checkpoint.safetensors", "There is no checkpoint.safetensors")]
    public void what_is_missing_is_said_and_left_out(string file, string sentence)
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        File.Delete(Path.Combine(folder.Root, file));
        var notes = RunPage.Write(folder);
        Assert.Multiple(() =>
        {
            Assert.That(notes, Has.Count.EqualTo(1));
            Assert.That(notes[0], Does.StartWith(sentence));
            Assert.That(Read(folder).Descendants("p").Select(p => p.Value), Has.One.EqualTo(notes[0]));
        });
    }

    [TestCase("figures.json")]
    [TestCase("machine.json")]
    [TestCase("log.jsonl")]
    [TestCase("report.json")]
    [TestCase("checkpoint.safetensors")]
    public void what_is_damaged_is_said_and_left_out(string file)
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        File.WriteAllText(Path.Combine(folder.Root, file), "{ damaged\n");
        Assert.That(RunPage.Write(folder), Has.One.StartsWith($"{file} was left out: "));
    }

    [Test]
    public void a_page_that_cannot_be_written_is_a_sentence_and_the_run_goes_on()
    {
        var folder = PageSamples.Write(parent, "run", 1);
        Directory.CreateDirectory(Path.Combine(folder.Root, "report.html", "in-the-way"));
        using var error = new StringWriter();
        Assert.Multiple(() =>
        {
            Assert.That(RunPage.TryWrite(folder, error), Is.False);
            Assert.That(error.ToString(), Does.Contain("report.html was not written, and everything else goes on").And.EndsWith("\n"));
            Assert.That(error.ToString().TrimEnd().Split('\n'), Has.Length.EqualTo(1));
        });
    }

    [Test]
    public void figures_of_another_layout_are_refused()
    {
        var folder = PageSamples.WriteEvaluated(parent, "run");
        var text = File.ReadAllText(folder.Evaluation.Figures).Replace("\"layout\": 1", "\"layout\": 99", StringComparison.Ordinal);
        File.WriteAllText(folder.Evaluation.Figures, text);
        Assert.That(RunPage.Write(folder), Has.One.Contains("layout 99").And.One.Contains("evaluate RUN"));
    }

    private static XDocument Read(RunFolder folder) => XDocument.Load(folder.Evaluation.Page);

    // The names of a figure's parts begin with its own.
    private static string[] FiguresOf(XDocument page) =>
    [
        .. page.Descendants("figure").Select(figure => figure.Descendants().Attributes("id").FirstOrDefault()?.Value)
            .Where(id => id is not null).Select(id => id![..id!.LastIndexOf('-')]),
    ];
}
