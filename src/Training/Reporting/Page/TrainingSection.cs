using System.Globalization;
using System.Xml.Linq;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Html;

namespace Pascl.Training.Reporting.Page;

/// <summary>How the training went: losses, learning rate and accuracy over the epochs, and how far each phase has come.</summary>
internal static class TrainingSection
{
    private const int MostPoints = 200;

    public static IEnumerable<XElement> Of(RunRecord record)
    {
        var phases = record.Epochs.GroupBy(epoch => epoch.Phase).Select(phase => (phase.Key, Epochs: phase.ToArray())).ToArray();
        List<XElement> figures =
        [
            .. phases.Select(phase => Losses(phase.Key, phase.Epochs, record)),
            .. phases.Select(phase => LearningRate(phase.Key, phase.Epochs, record)),
            .. phases.Where(phase => phase.Epochs.All(epoch => epoch.ValidationAccuracy is not null)).Select(phase => Accuracy(phase.Key, phase.Epochs)),
        ];
        yield return HtmlPage.Section("Training", [Progress(record), .. figures.Count == 0 ? [] : (XElement[])[HtmlPage.Figures(figures)], .. Sentences(record)]);
    }

    private static IEnumerable<XElement> Sentences(RunRecord record)
    {
        if (record.Epochs.Any() && record.Epochs.All(epoch => epoch.ValidationAccuracy is null))
        {
            yield return HtmlPage.Paragraph("No training images were held out (--validation), so there is no accuracy for each epoch.");
        }
    }

    private static XElement Progress(RunRecord record)
    {
        (string Name, PhaseRecipe Settings)[] phases =
        [
            (TrainingPhase.RepresentationName, record.Recipe.Representation), (TrainingPhase.AuxiliaryBranchName, record.Recipe.AuxiliaryBranch),
        ];
        return HtmlPage.Table(new(
            "Phases",
            ["phase", "epochs finished", "of", "time, s", "images per second"],
            [
                .. phases.Select(phase =>
                {
                    var steps = record.Steps.Where(step => step.Phase == phase.Name).ToArray();
                    return (string[])
                    [
                        phase.Name,
                        $"{record.Finished(phase.Name)}",
                        $"{phase.Settings.Epochs}",
                        steps.Length == 0 ? "-" : Text(steps[^1].Seconds, "0.0"),
                        steps.Length == 0 ? "-" : Text(steps.Average(step => step.ImagesPerSecond), "0"),
                    ];
                }),
            ]));
    }

    private static XElement Losses(string phase, EpochRecord[] epochs, RunRecord record)
    {
        var plot = PagePlot.OverEpochs("loss", epochs.Length);
        var (first, last) = (epochs[0], epochs[^1]);
        string[] names = [.. last.Losses.Keys];
        (double[] X, double[] Y)[] curves = [.. names.Select(name => Curve(phase, epochs, record, step => step.Losses[name], epoch => epoch.Losses[name]))];
        double[] values = [.. curves.SelectMany(curve => curve.Y)];
        var isLogarithmic = PagePlot.NeedsLogarithm(values);
        foreach (var (number, (x, y)) in curves.Index())
        {
            plot.AddLine(number, names[number], x, isLogarithmic ? Array.ConvertAll(y, Math.Log10) : y);
        }

        if (isLogarithmic)
        {
            plot.SetLogarithmic(values.Min(), values.Max());
        }

        return SvgFigure.Of(
            plot.WithLegend(),
            $"losses-{phase}",
            $"Losses of the phase {phase}: the one that is minimised, and its parts.{(isLogarithmic ? " The axis is logarithmic." : "")}",
            $"Lines over {epochs.Length} epochs. From the first to the last: " +
            string.Join(", ", names.Select(name => $"{name} {Text(first.Losses[name])} to {Text(last.Losses[name])}")) + ".",
            new(
                $"losses of the phase {phase}, mean of each epoch",
                ["epoch", .. names],
                [.. epochs.Select(epoch => (string[])[$"{epoch.Epoch}", .. names.Select(name => Text(epoch.Losses[name]))])]));
    }

    private static XElement LearningRate(string phase, EpochRecord[] epochs, RunRecord record)
    {
        var plot = PagePlot.OverEpochs("learning rate", epochs.Length);
        var (x, y) = Curve(phase, epochs, record, step => step.LearningRate, epoch => epoch.LearningRate);
        plot.AddLine(0, "learning rate", x, y);
        return SvgFigure.Of(
            plot,
            $"learning-rate-{phase}",
            $"Learning rate of the phase {phase}.",
            $"A line from {Text(y[0])} at the beginning to {Text(y[^1])}, the highest {Text(y.Max())}.",
            new(
                $"learning rate of the phase {phase}, last step of each epoch",
                ["epoch", "learning rate"],
                [.. epochs.Select(epoch => (string[])[$"{epoch.Epoch}", Text(epoch.LearningRate)])]));
    }

    private static XElement Accuracy(string phase, EpochRecord[] epochs)
    {
        var plot = PagePlot.OverEpochs("accuracy, %", epochs.Length);
        double[] accuracies = [.. epochs.Select(epoch => epoch.ValidationAccuracy!.Value)];
        plot.AddLine(0, "held-out images", [.. epochs.Select(epoch => (double)epoch.Epoch)], [.. accuracies.Select(accuracy => 100 * accuracy)]);
        var best = Array.IndexOf(accuracies, accuracies.Max());
        return SvgFigure.Of(
            plot,
            $"accuracy-{phase}",
            $"Accuracy on held-out images in the phase {phase}, mean over classes. The best epoch is kept.",
            $"A line that is highest, {ReportTable.Percentage(accuracies[best])} %, in epoch {epochs[best].Epoch} of {epochs.Length}.",
            new(
                $"accuracy on held-out images in the phase {phase}, %",
                ["epoch", "accuracy"],
                [.. epochs.Select(epoch => (string[])[$"{epoch.Epoch}", ReportTable.Percentage(epoch.ValidationAccuracy!.Value)])]));
    }

    // The log knows more than the epochs; what is more than a line can show is averaged.
    private static (double[] X, double[] Y) Curve(
        string phase, EpochRecord[] epochs, RunRecord record, Func<StepReport, double> ofStep, Func<EpochRecord, double> ofEpoch)
    {
        StepReport[] steps = [.. record.Steps.Where(step => step.Phase == phase)];
        return steps.Length == 0
            ? ([.. epochs.Select(epoch => (double)epoch.Epoch)], [.. epochs.Select(ofEpoch)])
            : Averaged(steps, step => (double)step.TotalStep / step.Steps, ofStep);
    }

    private static (double[] X, double[] Y) Averaged(StepReport[] steps, Func<StepReport, double> x, Func<StepReport, double> y)
    {
        StepReport[][] parts = [.. steps.Chunk((steps.Length + MostPoints - 1) / MostPoints)];
        return ([.. parts.Select(part => part.Average(x))], [.. parts.Select(part => part.Average(y))]);
    }

    private static string Text(double value, string format = "G4") => value.ToString(format, CultureInfo.InvariantCulture);
}
