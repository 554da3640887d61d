namespace Pascl.Training.Reporting;

/// <summary>The words of a step report, the same on a terminal and in a file.</summary>
internal static class ProgressText
{
    /// <summary>The total loss, and its parts where there are several: <c>loss 1.234 (classification 0.813, outlier 2.571)</c>.</summary>
    public static string Losses(StepReport report)
    {
        string[] all = [.. report.Losses.Select(loss => $"{loss.Key} {loss.Value:0.000}")];
        return all.Length < 2 ? string.Concat(all) : $"{all[0]} ({string.Join(", ", all[1..])})";
    }

    /// <summary>Learning rate, speed and what the data costs of it: <c>lr 0.00098, 512 images/s, 3 % waiting for data</c>.</summary>
    public static string Speed(StepReport report) =>
        $"lr {report.LearningRate:0.0##e+0}, {report.ImagesPerSecond:0} images/s, {100 * report.DataWaitShare:0} % waiting for data";

    /// <summary>Epoch of epochs, as wide at the start as at the end.</summary>
    public static string Epoch(StepReport report) =>
        $"epoch {report.Epoch.ToString().PadLeft(report.Epochs.ToString().Length)}/{report.Epochs}";

    /// <summary>Hours, minutes and seconds; dashes while unknown.</summary>
    public static string Time(TimeSpan? time) => time is null ? "--:--:--" : $"{(int)time.Value.TotalHours:00}:{time.Value:mm\\:ss}";
}
