using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Checkpoints;
using Pascl.Training.Profiling;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Reporting;

/// <summary>Tells everybody who listens to a run what its steps came to: the log, TensorBoard, the page, and the display. It also keeps
/// the time.</summary>
internal sealed class RunJournal : IDisposable
{
    private readonly RunFolder folder;
    private readonly RunLog? log;
    private readonly TensorBoardLog? events;
    private readonly IProgress<StepReport>? display;
    private readonly Dictionary<string, double> secondsByPhase;
    private long lastReport = Stopwatch.GetTimestamp();
    private long images;
    private TimeSpan waited;
    private Func<RunFolder, bool>? pageWriter;
    private int pages;
    private long lastPage;
    private TimeSpan pageCost;

    /// <summary>Opens the journal of a new run, or of a resumed one at its checkpoint.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="logLength">Bytes of the log at the checkpoint, 0 for a new run.</param>
    /// <param name="display">Told after the files.</param>
    /// <param name="pageWriter">Writes the page and says whether that was possible; null for no page.</param>
    public RunJournal(RunFolder folder, long logLength, IProgress<StepReport>? display, Func<RunFolder, bool>? pageWriter = null)
    {
        (this.folder, this.display, this.pageWriter) = (folder, display, folder.IsWritten ? pageWriter : null);
        if (!folder.IsWritten)
        {
            secondsByPhase = [];
            return;
        }

        log = RunLog.Open(folder.Log, logLength);
        var earlier = RunLog.Read(folder.Log);
        events = new TensorBoardLog(folder.Events, earlier);
        secondsByPhase = earlier.GroupBy(report => report.Phase).ToDictionary(phase => phase.Key, phase => phase.Last().Seconds);
    }

    /// <summary>Bytes of the log so far.</summary>
    public long LogLength => log?.Length ?? 0;

    /// <summary>Counts images that went through the network.</summary>
    public void Count(long imageCount) => images += imageCount;

    /// <summary>Leaves out of the speed what happened since the last report, for example reading a checkpoint.</summary>
    /// <param name="waitTime">How long the phase's steps have waited for batches so far.</param>
    public void RestartClock(TimeSpan waitTime) => (lastReport, images, waited) = (Stopwatch.GetTimestamp(), 0, waitTime);

    /// <summary>Writes a report; speed, time and memory are filled in here.</summary>
    /// <param name="report">The other numbers.</param>
    /// <param name="waitTime">How long the phase's steps have waited for batches so far.</param>
    public void Write(StepReport report, TimeSpan waitTime)
    {
        var seconds = Stopwatch.GetElapsedTime(lastReport).TotalSeconds;
        var total = secondsByPhase.GetValueOrDefault(report.Phase) + seconds;
        secondsByPhase[report.Phase] = total;
        var complete = report with
        {
            ImagesPerSecond = images / seconds,
            DataWaitShare = (waitTime - waited).TotalSeconds / seconds,
            Seconds = total,
            ResidentBytes = Environment.WorkingSet,
        };
        log?.Write(complete);
        events?.Write(complete);
        display?.Report(complete);
        RestartClock(waitTime);
    }

    /// <summary>
    /// Writes the page anew, after a checkpoint: at the start and after the first epoch, and later as often as costs a twentieth of the time at most. A page that failed
    /// once is not tried again, so that its sentence is said once.
    /// </summary>
    public void WritePage()
    {
        const int UsualPages = 2;
        const int LeastShare = 20;
        if (pageWriter is null || (pages >= UsualPages && Stopwatch.GetElapsedTime(lastPage) < LeastShare * pageCost))
        {
            return;
        }

        var started = Stopwatch.GetTimestamp();
        pageWriter = pageWriter(folder) ? pageWriter : null;
        (pages, lastPage, pageCost) = (pages + 1, Stopwatch.GetTimestamp(), Stopwatch.GetElapsedTime(started));
    }

    /// <inheritdoc/>
    public void Dispose() => log?.Dispose();
}

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

/// <summary>
/// The log of a run, one <see cref="StepReport"/> per line as JSON (names in snake_case), readable while the run goes on.
/// </summary>
public sealed class RunLog : IDisposable
{
    private const byte NewLine = (byte)'\n';

    private static readonly JsonSerializerOptions json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly FileStream stream;

    private RunLog(FileStream stream) => this.stream = stream;

    /// <summary>Bytes written so far; a checkpoint stores it (<see cref="CheckpointInfo.LogLength"/>).</summary>
    public long Length => stream.Position;

    /// <summary>
    /// Opens a log for appending, cut back to what it was at a checkpoint: what came later is repeated, and a kill may have torn the last
    /// line.
    /// </summary>
    /// <param name="path">Path of the log; created where it does not exist.</param>
    /// <param name="length">Bytes to keep; 0 for a new run.</param>
    /// <exception cref="InputException">The log cannot be written.</exception>
    public static RunLog Open(string path, long length = 0)
    {
        try
        {
            // Without a buffer, so that what a full disk refuses is not tried again when the log is closed.
            var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            stream.SetLength(Math.Min(length, stream.Length));
            stream.SetLength(EndOfLastLine(stream));
            stream.Seek(0, SeekOrigin.End);
            return new RunLog(stream);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} could not be opened for writing: {DurableFile.Reason(exception)}.", exception);
        }
    }

    /// <summary>Reads the lines of a log; a torn last line is left out.</summary>
    /// <exception cref="InputException">The log cannot be read or a line is damaged; the message names it.</exception>
    public static IReadOnlyList<StepReport> Read(string path)
    {
        string text;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream);
            text = reader.ReadToEnd();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} could not be read: {DurableFile.Reason(exception)}.", exception);
        }

        string[] lines = text.Split('\n')[..^1];
        return [.. lines.Select((line, index) => Parse(path, index + 1, line))];
    }

    /// <summary>Appends a line and hands it to the operating system, so that it survives the end of the process.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    public void Write(StepReport report)
    {
        try
        {
            stream.Write([.. JsonSerializer.SerializeToUtf8Bytes(report, json), NewLine]);
        }
        catch (IOException exception)
        {
            var reason = DurableFile.Reason(exception);
            throw new InputException($"{stream.Name} could not be written: {reason}; the last checkpoint is whole.", exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private static StepReport Parse(string path, int number, string line)
    {
        try
        {
            return JsonSerializer.Deserialize<StepReport>(line, json) ?? throw new JsonException("null was not expected");
        }
        catch (JsonException exception)
        {
            throw new InputException($"{path} is damaged in line {number}: {exception.Message}", exception);
        }
    }

    private static long EndOfLastLine(FileStream stream)
    {
        for (var end = stream.Length; end > 0; end--)
        {
            stream.Position = end - 1;
            if (stream.ReadByte() == NewLine)
            {
                return end;
            }
        }

        return 0;
    }
}
