using System.Text;
using Microsoft.Win32.SafeHandles;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>
/// Standard output that notices when nobody reads it any more, as in <c>score RUN photos | head -1</c>: the console of .NET drops what is written then, and the
/// program would go on for nothing.
/// </summary>
internal static class StandardOutput
{
    /// <summary>Whether a write without a reader ends the command with <see cref="NoReaderException"/>; it is dropped otherwise.</summary>
    public static bool ThrowsWithoutReader { get; set; }

    /// <summary>Makes the console notice, where its output is a pipe.</summary>
    public static void NoticeReader()
    {
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected)
        {
            return;
        }

        // Into a file the console's own writer stays: this one would not move the position that the file has for other programs.
        var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        if (!stream.CanSeek)
        {
            Console.SetOut(TextWriter.Synchronized(new StreamWriter(new PipeToReader(stream), Console.OutputEncoding) { AutoFlush = true }));
        }
    }
}

/// <summary>Nobody reads the output any more.</summary>
internal sealed class NoReaderException(IOException cause) : IOException("Nobody reads the output any more.", cause);

/// <summary>The writing end of a pipe.</summary>
internal sealed class PipeToReader(Stream pipe) : Stream
{
    private const int BrokenPipe = 32;

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            pipe.Write(buffer);
        }
        catch (IOException exception) when (exception.HResult == BrokenPipe)
        {
            if (StandardOutput.ThrowsWithoutReader)
            {
                throw new NoReaderException(exception);
            }
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush() => pipe.Flush();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}

/// <summary>Where Spectre.Console writes: to the console's writer of the moment. A file or a pipe has no columns, so that no line, and no path in it, is broken there.</summary>
internal sealed class CurrentOutput : IAnsiConsoleOutput
{
    private const int NoWidth = 10_000;
    private const int UsualWidth = 80;
    private const int UsualHeight = 24;

    public TextWriter Writer => Console.Out;

    public bool IsTerminal => !Console.IsOutputRedirected;

    public int Width => IsTerminal ? OrUsual(() => Console.BufferWidth, UsualWidth) : NoWidth;

    public int Height => IsTerminal ? OrUsual(() => Console.WindowHeight, UsualHeight) : UsualHeight;

    public void SetEncoding(Encoding encoding)
    {
        if (IsTerminal)
        {
            Console.OutputEncoding = encoding;
        }
    }

    // A terminal that does not say, such as that of some containers.
    private static int OrUsual(Func<int> size, int usual)
    {
        try
        {
            return size() is > 0 and var known ? known : usual;
        }
        catch (IOException)
        {
            return usual;
        }
    }
}

/// <summary>A table on the console: bordered on a terminal, plain aligned text when redirected to a file or another program.</summary>
internal static class ConsoleTable
{
    public static void Write(string title, string[] columns, IReadOnlyCollection<string[]> rows)
    {
        if (Console.IsOutputRedirected)
        {
            WritePlain(Console.Out, title, columns, rows);
            return;
        }

        var table = new Table().RoundedBorder().Title(Markup.Escape(title)).AddColumns(Array.ConvertAll(columns, Markup.Escape));
        foreach (var row in rows)
        {
            table.AddRow(Array.ConvertAll(row, cell => new Text(cell)));
        }

        AnsiConsole.Write(table);
    }

    internal static void WritePlain(TextWriter output, string title, string[] columns, IReadOnlyCollection<string[]> rows)
    {
        string[][] lines = [columns, .. rows];
        var widths = columns.Select((_, column) => lines.Max(line => line[column].Length)).ToArray();
        output.WriteLine(title);
        foreach (var line in lines)
        {
            output.WriteLine($"  {string.Join("  ", line.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()}");
        }
    }
}
