using System.Text.Json.Nodes;
using System.Xml.Linq;
using Pascl.Training;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Comparison;

namespace Pascl.Tests.Training.Reporting.Comparison;

public sealed class ComparisonFilesTests
{
    private const string Hostile = "<script>alert(1)</script>|\"a\",\u0001b&amp;\nc";

    private TemporaryFolder parent = null!;
    private string[] files = null!;

    [OneTimeSetUp]
    public void WriteAHostileComparison()
    {
        parent = new TemporaryFolder();
        var runs = ReportedRuns.WriteTwoMethods(parent, report => report with
        {
            Deployed = Renamed(report.Deployed),
            Main = Renamed(report.Main),
            Auxiliary = Renamed(report.Auxiliary),
        });
        var comparison = RunComparison.Of([.. runs.Select(ComparedRun.Read)]);
        files = [.. ComparisonFiles.Write(Path.Combine(parent.Path, "out", "comparison"), comparison)];
    }

    [OneTimeTearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void there_is_one_file_of_each_kind_and_nothing_else() =>
        Assert.That(Directory.GetFiles(Path.Combine(parent.Path, "out", "comparison")), Is.EquivalentTo(files).And.Length.EqualTo(4));

    [Test]
    public void the_json_has_every_number_and_every_difference()
    {
        var json = JsonNode.Parse(Text("json"))!;
        var result = json["methods"]![0]!["results"]!.AsArray()
            .Single(r => (string)r!["reading"]! == "deployed" && (string?)r["set"] == "average" && (string)r["metric"]! == "auroc")!;
        var difference = json["differences"]![0]!["results"]!.AsArray()
            .Single(r => (string)r!["reading"]! == "main" && (string?)r["set"] == Hostile && (string)r["metric"]! == "auroc")!;
        Assert.Multiple(() =>
        {
            Assert.That((double)result["mean"]!, Is.EqualTo(0.68).Within(1e-12));
            Assert.That((double)result["standardDeviation"]!, Is.EqualTo(Math.Sqrt(26e-4 / 2)).Within(1e-12));
            Assert.That(result["values"]!.AsArray(), Has.Count.EqualTo(3));
            Assert.That((int)difference["n"]!, Is.EqualTo(3));
            Assert.That((double)difference["confidenceInterval"]![0]!, Is.EqualTo(0.04 - (4.302653 * 0.01 / Math.Sqrt(3))).Within(1e-8));
        });
    }

    [Test]
    public void the_csv_has_a_line_for_every_number_and_seed_with_all_fields()
    {
        var rows = Fields(Text("csv")).ToArray();
        var value = rows.Single(row => row.Take(5).SequenceEqual((string[])["oe", "2", "deployed", Hostile, "auroc"]))[5];
        Assert.Multiple(() =>
        {
            Assert.That(rows, Has.All.Length.EqualTo(6));
            // Two methods, three seeds, three readings; four detection metrics on two sets and average, and two accuracies.
            Assert.That(rows, Has.Length.EqualTo(1 + (2 * 3 * 3 * ((4 * 3) + 2))));
            Assert.That(value, Is.EqualTo("0.77"));
        });
    }

    [Test]
    public void the_markdown_shows_mean_and_spread_and_no_name_becomes_markup()
    {
        var lines = Text("md").Split('\n');
        Assert.Multiple(() =>
        {
            Assert.That(lines, Has.Some.StartsWith("| oe | 3 | 68.00 ± 3.61 |"));
            Assert.That(lines, Has.Some.StartsWith("| pascl - oe | 3 | +4.00 ± 1.00 \\[+1.52, +6.48\\] |"));
            Assert.That(string.Join('\n', lines), Does.Not.Contain("<script>"));
            foreach (var table in lines.Where(line => line.StartsWith('|')).GroupBy(Columns))
            {
                Assert.That(table.Key, Is.AnyOf(7, 8), table.First());
            }
        });
    }

    [Test]
    public void the_page_is_well_formed_self_contained_and_no_name_becomes_markup()
    {
        var html = Text("html");
        var page = XDocument.Parse(html);
        var elements = page.Descendants().ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(elements.Select(element => element.Name.LocalName), Has.None.EqualTo("script"));
            Assert.That(elements.Where(element => element.Name == "td" && element.Value == "68.00 ± 3.61").Count(), Is.EqualTo(3 + 1), "readings, and the figure");
            Assert.That(elements.Attributes().Select(attribute => attribute.Name.LocalName), Has.None.EqualTo("src").And.None.StartsWith("on"));
            Assert.That(elements.Attributes().Where(a => a.Name.LocalName == "href").Select(a => a.Value), Has.All.StartsWith("#"));
            Assert.That(elements.Where(e => e.Name == "th").Select(e => e.Value), Has.Some.StartsWith("<script>alert(1)</script>"));
            Assert.That(html, Does.Contain("</td>").And.Not.Contain("<td />").And.Not.Contain("\u0001"));
            Assert.That(elements.Single(element => element.Name == "style").Value, Does.Contain("prefers-color-scheme: dark"));
        });
    }

    [Test]
    public void every_figure_is_described_and_draws_a_point_for_each_method_and_set()
    {
        var figures = XDocument.Parse(Text("html")).Descendants("figure").ToArray();
        var svgs = figures.Select(figure => figure.Elements().First()).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(figures, Has.Length.EqualTo(5));
            Assert.That(svgs.Select(svg => (string)svg.Attribute("aria-label")!), Has.All.Contains("oe ").And.All.Contains("pascl "));
            Assert.That(
                svgs.Select(svg => svg.Descendants().Count(element => (string?)element.Attribute("fill") == "#E69F00")),
                Has.All.GreaterThanOrEqualTo(2));
            Assert.That(
                svgs[0].Descendants().Where(element => element.Name.LocalName == "path" && element.Parent!.Name.LocalName == "g").Sum(path => ((string)path.Attribute("d")!).Count(letter => letter == 'M')),
                Is.GreaterThanOrEqualTo(6),
                "a line of the standard deviation on each point");
            Assert.That(svgs[0].Descendants().Count(element => (string?)element.Attribute("fill") == "#E69F00"), Is.EqualTo(3 + 1), "points of a method and its mark in the legend");
            var ids = svgs.SelectMany(svg => svg.Descendants().Attributes("id")).Select(id => id.Value).ToArray();
            Assert.That(ids, Is.Unique);
            Assert.That(
                svgs.SelectMany(svg => svg.Descendants().Attributes("clip-path")).Select(clip => clip.Value[5..^1]), Is.SubsetOf(ids));
            Assert.That(svgs.SelectMany(svg => svg.Descendants().Attributes("x")).Select(x => x.Value), Has.None.EndsWith(","));
        });
    }

    [Test]
    public void a_folder_that_cannot_be_made_is_named()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("taken", "");
        var runs = ReportedRuns.WriteTwoMethods(folder);
        var comparison = RunComparison.Of([.. runs.Select(ComparedRun.Read)]);
        Assert.That(
            () => ComparisonFiles.Write(file, comparison),
            Throws.TypeOf<InputException>().With.Message.Contains(file).And.Message.Contains("a file of that name exists"));
    }

    private static ReadingReport Renamed(ReadingReport reading) =>
        reading with { Sets = [reading.Sets[0] with { Name = Hostile }, reading.Sets[1]] };

    // Pipes that are not escaped end a cell.
    private static int Columns(string line) => line.Replace("\\|", "").Count(letter => letter == '|') - 1;

    private string Text(string extension) => File.ReadAllText(files.Single(file => file.EndsWith(extension, StringComparison.Ordinal)));

    // RFC 4180 read letter by letter, independently of the writer.
    private static IEnumerable<string[]> Fields(string csv)
    {
        var (fields, field, quoted) = (new List<string>(), new System.Text.StringBuilder(), false);
        for (var i = 0; i < csv.Length; i++)
        {
            if (quoted && csv[i] == '"' && i + 1 < csv.Length && csv[i + 1] == '"')
            {
                field.Append(csv[i++]);
            }
            else if (csv[i] == '"')
            {
                quoted = !quoted;
            }
            else if (!quoted && csv[i] is ',' or '\r')
            {
                fields.Add(field.ToString());
                field.Clear();
                if (csv[i] == '\r')
                {
                    yield return [.. fields];
                    fields.Clear();
                    i++;
                }
            }
            else
            {
                field.Append(csv[i]);
            }
        }
    }
}
