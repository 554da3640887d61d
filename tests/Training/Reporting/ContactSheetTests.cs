using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;
using SkiaSharp;

namespace Pascl.Tests.Training.Reporting;

public sealed class ContactSheetTests
{
    private static readonly SKColor Teal = new(10, 120, 130);
    private static readonly SKColor Orange = new(230, 130, 20);

    private readonly ImageSet test = Coloured("test", Teal, 2, 0);
    private readonly ImageSet far = Coloured("far", Orange, ImageSet.NoClass, ImageSet.NoClass);

    [Test]
    public void the_sheet_shows_both_kinds_in_colour_with_a_caption_where_there_are_fonts()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "worst.png");
        ContactSheet.Write(path, Worst(7, 3), test, [far]);
        using var sheet = SKBitmap.Decode(path);
        var colours = Enumerable.Range(0, sheet.Height).SelectMany(y => Enumerable.Range(0, sheet.Width).Select(x => (Y: y, Colour: sheet.GetPixel(x, y))))
            .ToLookup(pixel => pixel.Colour, pixel => pixel.Y);
        Assert.Multiple(() =>
        {
            Assert.That(colours[Teal].Count(), Is.EqualTo(7 * 128 * 128));
            Assert.That(colours[Orange].Count(), Is.EqualTo(3 * 128 * 128));
            Assert.That(colours[Orange].Min(), Is.GreaterThan(colours[Teal].Max()));
            Assert.That(colours[new SKColor(0x20, 0x20, 0x20)].Any(), Is.EqualTo(SKTypeface.Default.GlyphCount > 0));
        });
    }

    [Test]
    public void a_sheet_without_images_is_still_a_picture()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "worst.png");
        ContactSheet.Write(path, Worst(0, 0), test, []);
        using var sheet = SKBitmap.Decode(path);
        Assert.That(sheet, Is.Not.Null);
    }

    [Test]
    public void a_sheet_that_cannot_be_written_names_the_file()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "missing", "worst.png");
        Assert.That(() => ContactSheet.Write(path, Worst(1, 1), test, [far]), Throws.TypeOf<InputException>().With.Message.Contains(path));
    }

    [TestCase("/runs/a/report.json", "/runs/a/worst.png")]
    [TestCase("noise.json", "noise-worst.png")]
    public void the_sheet_lies_beside_its_report(string report, string expected) =>
        Assert.That(new EvaluationFiles(report).Worst, Is.EqualTo(expected));

    private static WorstImages Worst(int inDistribution, int outOfDistribution) => new(
        [.. Enumerable.Range(0, inDistribution).Select(i => new WorstImage("test", i % 2, "a.png", 2, 1, 0.9))],
        [.. Enumerable.Range(0, outOfDistribution).Select(i => new WorstImage("far", i % 2, "b.png", null, 0, 0.1))]);

    private static ImageSet Coloured(string name, SKColor colour, params int[] labels)
    {
        var pixels = new PixelBlock(labels.Length, 4, 4);
        for (var i = 0; i < labels.Length; i++)
        {
            var bytes = pixels.Writable(i);
            for (var pixel = 0; pixel < bytes.Length; pixel += 3)
            {
                (bytes[pixel], bytes[pixel + 1], bytes[pixel + 2]) = (colour.Red, colour.Green, colour.Blue);
            }
        }

        return new(name, pixels, labels, ["plane", "a class whose name is far longer than its picture is wide", "<script>"]);
    }
}
