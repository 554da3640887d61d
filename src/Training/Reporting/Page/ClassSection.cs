using System.Globalization;
using System.Xml.Linq;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting.Html;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Pascl.Training.Reporting.Page;

/// <summary>Classification: every class against its number of training images, calibration, and risk over coverage.</summary>
internal static class ClassSection
{
    private const int MostNames = 20;
    private const int RiskRows = 10;

    // ScottPlot does not make room for rotated names, nor for the name of an axis beside its numbers.
    private const int NameHeight = 115;
    private const int RightAxisWidth = 75;

    public static IEnumerable<XElement> Of(EvaluationReport report)
    {
        yield return HtmlPage.Section("Classification", HtmlPage.Figures(Classes(report), CalibrationFigure(report), Risk(report)), HtmlPage.Details(Confusion(report)));
    }

    // A table of all pairs where it can be overlooked, and elsewhere the pairs that are confused most.
    private static TextTable Confusion(EvaluationReport report)
    {
        var (names, confusion) = (report.ClassNames, report.Deployed.Confusion);
        if (names.Count <= MostNames)
        {
            return new(
                "test images by their class (rows) and by what they are taken for (columns)",
                ["class", .. names],
                [.. confusion.Select((row, label) => (string[])[names[label], .. row.Select(Number)])]);
        }

        var confused = from label in Enumerable.Range(0, names.Count)
                       from other in Enumerable.Range(0, names.Count)
                       where label != other && confusion[label][other] > 0
                       orderby confusion[label][other] descending
                       select (string[])[names[label], names[other], Number(confusion[label][other]), Number(confusion[label].Sum())];
        return new("classes that are taken for others most", ["class", "taken for", "images", "of"], [.. confused.Take(MostNames)]);
    }

    private static string Number(int images) => images.ToString("N0", CultureInfo.InvariantCulture);

    private static XElement Classes(EvaluationReport report)
    {
        int[] order = [.. Enumerable.Range(0, report.ClassNames.Count).OrderByDescending(label => report.TrainingCounts[label])];
        var accuracy = report.Deployed.Classification.PerClassAccuracy;
        var plot = PagePlot.New(order.Length > MostNames ? "classes, those with most training images first" : "", "accuracy, %");
        var bars = plot.Add.Bars([.. order.Select(label => double.IsNaN(accuracy[label]) ? 0 : 100 * accuracy[label])]);
        bars.Color = PagePlot.Colour(0);
        bars.LegendText = "accuracy";
        // The counts span orders of magnitude, so their axis is logarithmic.
        var counts = plot.Add.Scatter(
            [.. order.Select((_, place) => (double)place)],
            order.Select(label => Math.Log10(Math.Max(1, report.TrainingCounts[label]))).ToArray(),
            PagePlot.Colour(1));
        counts.LegendText = "training images (right)";
        counts.LineWidth = 2;
        counts.Axes.YAxis = plot.Axes.Right;
        plot.Axes.Right.Label.Text = "training images";
        plot.Axes.Right.MinimumSize = RightAxisWidth;
        var top = (int)Math.Ceiling(Math.Log10(Math.Max(10, report.TrainingCounts.Max())));
        plot.Axes.Right.TickGenerator = new NumericManual(
            [.. Enumerable.Range(0, top + 1).Select(power => (double)power)],
            [.. Enumerable.Range(0, top + 1).Select(power => Math.Pow(10, power).ToString("N0", CultureInfo.InvariantCulture))]);
        plot.WithLimits(-0.75, order.Length - 0.25, 0, 100);
        plot.Axes.Right.Range.Set(0, top);
        WriteNames(plot, [.. order.Select(label => report.ClassNames[label])]);
        return SvgFigure.Of(
            plot.WithLegend(),
            "classes",
            "Accuracy of each class as deployed (bars), and its number of training images (line, logarithmic).",
            $"Bars for {order.Length} classes in order of falling training images. Accuracy in per cent, mean over classes: " +
            $"many {Percent(report.Deployed.Classification.Accuracy.Many)}, medium {Percent(report.Deployed.Classification.Accuracy.Medium)}, " +
            $"few {Percent(report.Deployed.Classification.Accuracy.Few)}.",
            ClassTable(report, order));
    }

    private static void WriteNames(Plot plot, string[] names)
    {
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.Bottom.SetTicks(
            names.Length > MostNames ? [] : [.. names.Select((_, place) => (double)place)],
            names.Length > MostNames ? [] : [.. Shortened(names).Select(HtmlPage.Clean)]);
        plot.Axes.Bottom.MinimumSize = names.Length > MostNames ? 0 : NameHeight;
        plot.Axes.Bottom.TickLabelStyle.Rotation = -90;
        plot.Axes.Bottom.TickLabelStyle.Alignment = Alignment.MiddleRight;
    }

    // Cut at the end, or where that makes two names equal in the middle.
    private static IEnumerable<string> Shortened(string[] names)
    {
        const int longest = 14, ending = 6;
        string[] cut = [.. names.Select(name => name.Length > longest ? $"{name[..(longest - 1)]}…" : name)];
        return names.Zip(cut, (name, shorter) => cut.Count(other => other == shorter) > 1 && name.Length > longest ? $"{name[..(longest - ending - 1)]}…{name[^ending..]}" : shorter);
    }

    private static TextTable ClassTable(EvaluationReport report, int[] order)
    {
        var rejection = report.Deployed.Average?.OperatingPoints[OperatingPoint.At95].RejectionPerClass;
        return new(
            "each class; rejected: where 95 % of OOD images are found, mean over the sets",
            ["class", "training images", "group", "tail", "test images", "accuracy, %", "rejected, %"],
            [
                .. order.Select(label => (string[])
                [
                    report.ClassNames[label],
                    $"{report.TrainingCounts[label]}",
                    report.ShotGroups[label].ToString().ToLowerInvariant(),
                    report.TailClasses.Contains(label) ? "yes" : "no",
                    $"{report.Deployed.Confusion[label].Sum()}",
                    Percent(report.Deployed.Classification.PerClassAccuracy[label]),
                    rejection is null ? "-" : Percent(rejection[label]),
                ]),
            ]);
    }

    private static XElement CalibrationFigure(EvaluationReport report)
    {
        var plot = PagePlot.New("mean probability of the predicted class", "share correct");
        var ideal = plot.Add.Line(0, 0, 1, 1);
        ideal.Color = Colors.Gray;
        ideal.LinePattern = LinePattern.Dotted;
        ideal.LegendText = "ideal";
        (string Name, Calibration Calibration)[] groups =
        [
            ("all classes", report.Deployed.Calibration.Overall),
            .. report.Deployed.Calibration.Few.Images.Sum() == 0 ? [] : new[] { ("few-shot classes", report.Deployed.Calibration.Few) },
        ];
        foreach (var (number, (name, reliability)) in groups.Index())
        {
            var filled = Enumerable.Range(0, Calibration.BinCount).Where(bin => reliability.Images[bin] > 0).ToArray();
            var line = plot.Add.Scatter(
                filled.Select(bin => reliability.MeanProbability[bin]).ToArray(),
                filled.Select(bin => reliability.Accuracy[bin]).ToArray(),
                PagePlot.Colour(number));
            line.LegendText = name;
            line.MarkerSize = 7;
        }

        return SvgFigure.Of(
            plot.WithLimits(0, 1, 0, 1).WithLegend(),
            "reliability",
            "Reliability as deployed: what the model states against what is true. Below the diagonal it is too sure of itself.",
            "Points over 15 bins of probability. Expected calibration error in per cent: " +
            string.Join(", ", groups.Select(group => $"{group.Name} {Percent(group.Calibration.ExpectedCalibrationError)}")) + ".",
            new(
                "images, mean probability and share correct in 15 bins, all classes",
                ["probability up to, %", "images", "mean probability, %", "correct, %"],
                [
                    .. Enumerable.Range(0, Calibration.BinCount).Select(bin => (string[])
                    [
                        (100.0 * (bin + 1) / Calibration.BinCount).ToString("0.0", CultureInfo.InvariantCulture),
                        $"{groups[0].Calibration.Images[bin]}",
                        Percent(groups[0].Calibration.MeanProbability[bin]),
                        Percent(groups[0].Calibration.Accuracy[bin]),
                    ]),
                ]));
    }

    private static XElement Risk(EvaluationReport report)
    {
        var plot = PagePlot.New("coverage: share of test images accepted", "risk: share wrong");
        (string Name, ReadingReport Reading)[] readings = report.Model is { } model
            ? [(model.Name, report.Deployed)]
            : [("deployed", report.Deployed), ("main", report.Main), ("auxiliary", report.Auxiliary)];
        foreach (var (number, (name, reading)) in readings.Index())
        {
            plot.AddLine(number, name, reading.RiskCoverage.Coverage, reading.RiskCoverage.Risk);
        }

        var coverage = report.Deployed.RiskCoverage.Coverage;
        int[] rows = [.. Enumerable.Range(1, RiskRows).Select(step => Array.FindIndex(coverage, share => share >= (double)step / RiskRows - 1e-12)).Distinct()];
        plot.Axes.SetLimitsX(0, 1);
        return SvgFigure.Of(
            plot.WithLegend(),
            "risk-coverage",
            "Risk over coverage: errors among the test images accepted when those of the highest score are rejected first. Lower is better.",
            "One line for each reading. Area under the curve in per cent: " +
            string.Join(", ", readings.Select(reading => $"{reading.Name} {Percent(reading.Reading.Risk.Aurc)}")) + ".",
            new(
                "risk in % by coverage",
                ["coverage, %", .. readings.Select(reading => reading.Name)],
                [.. rows.Select(row => (string[])[Percent(coverage[row]), .. readings.Select(reading => Percent(reading.Reading.RiskCoverage.Risk[row]))])]));
    }

    private static string Percent(double fraction) => ReportTable.Percentage(fraction);
}
