using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Checkpoints;
using Pascl.Training.Profiling;

namespace Pascl.Training.Reporting;

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
