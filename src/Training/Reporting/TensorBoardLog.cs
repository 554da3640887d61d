using Pascl.Training.Profiling;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Reporting;

/// <summary>
/// Step reports as TensorBoard events: <c>PHASE/LOSS</c>, <c>PHASE/learning rate</c>, <c>PHASE/images per second</c>, over the steps of the
/// phase.
/// </summary>
/// <remarks>
/// The events are a copy of the log. A resumed run therefore replaces them by what is left of its log, and no step appears twice.
/// </remarks>
public sealed class TensorBoardLog
{
    private readonly SummaryWriter writer;

    /// <summary>Starts the events of a run.</summary>
    /// <param name="folder">Where the event file goes; event files of an earlier session are removed.</param>
    /// <param name="earlier">The reports of a resumed run up to its checkpoint.</param>
    /// <exception cref="InputException">The folder cannot be written.</exception>
    public TensorBoardLog(string folder, IEnumerable<StepReport> earlier)
    {
        try
        {
            Directory.CreateDirectory(folder);
            foreach (var file in Directory.GetFiles(folder, "events.out.tfevents.*"))
            {
                File.Delete(file);
            }

            writer = torch.utils.tensorboard.SummaryWriter(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{folder} could not be written: {DurableFile.Reason(exception)}.", exception);
        }

        foreach (var report in earlier)
        {
            Write(report);
        }
    }

    /// <summary>Appends the numbers of a report; they are in the file when this returns.</summary>
    /// <exception cref="InputException">They could not be written.</exception>
    public void Write(StepReport report)
    {
        try
        {
            foreach (var (name, value) in report.Losses)
            {
                Add(name, value);
            }

            Add("learning rate", report.LearningRate);
            Add("images per second", report.ImagesPerSecond);
        }
        catch (IOException exception)
        {
            var reason = DurableFile.Reason(exception);
            throw new InputException($"{writer.LogDir} could not be written: {reason}; the last checkpoint is whole.", exception);
        }

        void Add(string name, double value) =>
            writer.add_scalar($"{report.Phase}/{name}", (float)value, checked((int)report.TotalStep), report.Time.ToUnixTimeSeconds());
    }
}
