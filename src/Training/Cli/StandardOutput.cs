using System.CommandLine;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Pascl.Training.Recipes;
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

/// <summary>
/// Help for the commands that take a recipe: some seventy options in a row help nobody, so those that are needed first stand first, and the others by what they
/// change, with their defaults.
/// </summary>
internal sealed class GroupedHelp
{
    private const int NameColumn = 36;
    private const int LeastWidth = 100;
    private const int MostWidth = 140;

    private static readonly string[] first =
        ["--preset", "--data", "--id", "--outliers", "--ood", "--method", "--epochs", "--width", "--image-size", "--seed", "--out", "--resume"];

    private static readonly ConditionalWeakTable<Command, GroupedHelp> byCommand = [];

    public static void AddTo(Command command) => byCommand.AddOrUpdate(command, new GroupedHelp());

    /// <summary>The help of a command in groups; null where it has the usual help.</summary>
    public static GroupedHelp? Of(Command command) => byCommand.TryGetValue(command, out var help) ? help : null;

    public void Write(Command command, TextWriter output)
    {
        var arguments = string.Concat(command.Arguments.Select(argument => $" <{argument.Name}>"));
        output.WriteLine($"Description:\n  {command.Description}\n\nUsage:\n  {PasclCommand.Invocation} {command.Name}{arguments} [options]\n");
        if (command.Arguments.Count > 0)
        {
            Write(output, "Arguments", command.Arguments.Select(argument => ($"<{argument.Name}>", argument.Description ?? "")));
        }

        var byName = command.Options.Where(option => !option.Hidden).ToDictionary(option => option.Name);
        var rows = OptionTable.All.Where(row => row.Name is not null && byName.ContainsKey(row.Name)).ToDictionary(row => row.Name!);
        Write(output, "Needed first", first.Where(byName.ContainsKey).Select(Line));
        Write(output, "Of this command", byName.Keys.Except(rows.Keys).Except(first).Select(Line));
        foreach (var group in OptionTable.Groups)
        {
            Write(output, group.Title, group.Options.Select(row => row.Name).OfType<string>().Where(rows.ContainsKey).Except(first).Select(Line));
        }

        output.WriteLine("Defaults are those of --id PATH without a preset. docs/options.md has every option with its range and who uses it.\n");

        (string Name, string Text) Line(string name)
        {
            var option = byName[name];
            var value = option.HelpName is { } words ? $" <{words}>" : option.ValueType == typeof(bool) ? "" : $" <{ValueName(option)}>";
            var usual = rows.TryGetValue(name, out var row) ? row.Text(Presets.Custom) : "";
            return ($"{name}{value}", $"{option.Description}{(usual.Length > 0 ? $" [{usual}]" : "")}");
        }
    }

    private static string ValueName(Option option) => (Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType) switch
    {
        var type when type == typeof(int) => "number",
        var type when type == typeof(double) => "number",
        var type when type == typeof(int[]) => "numbers",
        _ => option.Name[2..] is "out" or "from" or "resume" or "data" ? "folder" : option.Name is "--ood" ? "name=path" : "path",
    };

    private static void Write(TextWriter output, string title, IEnumerable<(string Name, string Text)> lines)
    {
        var written = lines.ToList();
        if (written.Count == 0)
        {
            return;
        }

        output.WriteLine($"{title}:");
        foreach (var (name, text) in written)
        {
            var column = $"  {name}".PadRight(NameColumn);
            if (column.TrimEnd().Length >= NameColumn)
            {
                output.WriteLine(column.TrimEnd());
                column = new string(' ', NameColumn);
            }

            foreach (var line in Wrapped(text, Width - NameColumn))
            {
                output.WriteLine(column + line);
                column = new string(' ', NameColumn);
            }
        }

        output.WriteLine();
    }

    private static int Width => Console.IsOutputRedirected ? MostWidth : Math.Clamp(Console.WindowWidth - 1, LeastWidth, MostWidth);

    private static IEnumerable<string> Wrapped(string text, int width)
    {
        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        yield return line;
    }
}
