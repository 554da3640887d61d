using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>The program's command line: every command, and the one place where an error becomes sentences and an exit code.</summary>
public static class PasclCommand
{
    /// <summary>How messages and help call the program, whatever file it was started from.</summary>
    internal const string Invocation = "pascl";

    /// <summary>
    /// Runs the command that <paramref name="arguments"/> name and returns the exit code: 0 done, 1 a check failed, 2 bad input,
    /// 3 a defect of the program, 130 interrupted, 141 nobody reads the output any more. The packages System.CommandLine, Spectre.Console and ScottPlot do not come with
    /// Pascl.Training: a project that calls this references them, and for <c>serve</c> prometheus-net and ASP.NET Core; without them a sentence says so.
    /// </summary>
    public static int Run(string[] arguments)
    {
        try
        {
            CommandLibraries.Require();
        }
        catch (InputException exception)
        {
            return Failure.Report(exception, Console.Error);
        }

        return RunWithLibraries(arguments);
    }

    // By itself, because its code cannot be loaded without the libraries.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int RunWithLibraries(string[] arguments) => Run(Create(), arguments);

    internal static int Run(RootCommand root, string[] arguments)
    {
        try
        {
            RequireWorkingFolder();
            if (AnsiConsole.Console.Profile.Out is not CurrentOutput)
            {
                AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new CurrentOutput() });
            }

            var parsed = root.Parse(arguments);
            if (parsed.Action is ParseErrorAction)
            {
                return UsageError.Report(parsed, Console.Error);
            }

            if (NeedsLibTorch(parsed))
            {
                NativeLibTorch.EnsureLoaded();
            }

            RankOption.Join(parsed, IsHelp(parsed));
            var exitCode = Invoke(parsed);
            ProcessGroup.Current.Leave();
            return exitCode;
        }
        catch (Exception exception)
        {
            return Failure.Report(exception, Console.Error);
        }
    }

    // Every library stumbles over that in its own way.
    private static void RequireWorkingFolder()
    {
        try
        {
            _ = Directory.GetCurrentDirectory();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException("The working folder is gone or cannot be entered; change to another one (cd) and start again.", exception);
        }
    }

    // Loading it takes longer than all that these do.
    private static bool NeedsLibTorch(ParseResult parsed) =>
        !IsHelp(parsed)
        && parsed.CommandResult.Command.Name is not (PtxCommand.Name or CompareCommand.Name or ReportCommand.Name)
        && !parsed.CommandResult.Command.Parents.Any(parent => parent.Name == DataCommand.Name);

    // Or the version.
    private static bool IsHelp(ParseResult parsed) =>
        parsed.Action is Examples.HelpWithExamples
        || parsed.Action == parsed.RootCommandResult.Command.Options.OfType<VersionOption>().FirstOrDefault()?.Action;

    // A command whose action takes a cancellation token is asked to stop by the first Ctrl-C and may take the time it needs to save; any
    // other ends at once.
    private static int Invoke(ParseResult parsed)
    {
        // What trains or serves goes on without a reader: its work is elsewhere than in its output.
        StandardOutput.ThrowsWithoutReader = parsed.Action is not AsynchronousCommandLineAction;
        using var interruption =
            parsed.Action is AsynchronousCommandLineAction ? new Interruption(PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP) : null;
        var token = interruption?.Token ?? default;
        try
        {
            // Without a timeout System.CommandLine leaves the signals alone; its own handling ends the process after that time.
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return parsed.InvokeAsync(configuration, token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested || !ProcessGroup.Current.IsAlone)
        {
            return ExitCode.Interrupted;
        }
    }

    internal static RootCommand Create()
    {
        var root = new RootCommand(
            "Out-of-distribution detection under long-tailed recognition: PASCL and auxiliary branch finetuning. " +
            "Without a command it runs the quickstart: it trains on built-in images for about a minute and evaluates.")
        {
            TrainCommand.Create(),
            EvaluateCommand.Create(),
            CalibrateCommand.Create(),
            ScoreCommand.Create(),
            ServeCommand.Create(),
            ExportCommand.Create(),
            ImportCommand.Create(),
            ReportCommand.Create(),
            CompareCommand.Create(),
            VerifyCommand.Create(),
            DoctorCommand.Create(),
            DataCommand.Create(),
            ProfileCommand.Create(),
            PtxCommand.Create(),
            ConvolutionDoctor.Create(),
        };
        root.SetAction((_, cancellation) => Task.FromResult(TrainingRun.Start(Presets.Find("quickstart").Recipe, null, TrainingOptions.Usual, cancellation)));
        root.WithRanks();
        EnumWords.ShowInHelp(root);
        return root
            .WithExamples("", "data check photos", "train --preset cifar10-lt-cpu --data DATA", "evaluate runs/first", "doctor")
            .ShowExamplesInHelp();
    }
}

/// <summary>The words that options of an enumeration take, in small letters as everywhere.</summary>
internal static class EnumWords
{
    /// <summary>The words of an enumeration.</summary>
    public static IEnumerable<string> Of(Type type) => Enum.GetNames(type).Select(name => name.ToLowerInvariant());

    /// <summary>Shows them in the help of a command and of all below it.</summary>
    public static void ShowInHelp(Command command)
    {
        foreach (var option in command.Options.Where(option => option.ValueType.IsEnum))
        {
            option.HelpName ??= string.Join('|', Of(option.ValueType));
        }

        foreach (var inner in command.Subcommands)
        {
            ShowInHelp(inner);
        }
    }
}

/// <summary>Examples at the end of a command's <c>--help</c>.</summary>
internal static class Examples
{
    private static readonly ConditionalWeakTable<Command, string[]> ByCommand = [];

    /// <summary>Adds examples: whole lines as typed after the program's name, for example <c>doctor --golden golden</c>.</summary>
    public static T WithExamples<T>(this T command, params string[] lines)
        where T : Command
    {
        ByCommand.AddOrUpdate(command, lines);
        return command;
    }

    /// <summary>The examples of a command; empty where it has none.</summary>
    public static IReadOnlyList<string> Of(Command command) => ByCommand.TryGetValue(command, out var lines) ? lines : [];

    /// <summary>Makes the help of <paramref name="root"/> and of every command below it end with its examples.</summary>
    public static RootCommand ShowExamplesInHelp(this RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    internal sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => help.ClearsParseErrors;

        public override int Invoke(ParseResult parseResult)
        {
            var command = parseResult.CommandResult.Command;
            if (GroupedHelp.Of(command) is { } grouped)
            {
                grouped.Write(command, parseResult.InvocationConfiguration.Output);
            }
            else
            {
                _ = help.Invoke(parseResult);
            }

            if (Of(command) is { Count: > 0 } lines)
            {
                var output = parseResult.InvocationConfiguration.Output;
                output.WriteLine($"Examples ({PasclCommand.Invocation} in a clone: dotnet run -c Release --project src/Training --):");
                foreach (var line in lines)
                {
                    output.WriteLine($"  {PasclCommand.Invocation} {line}".TrimEnd());
                }

                output.WriteLine();
            }

            return ExitCode.Done;
        }
    }
}

/// <summary>What the program's exit code says.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The program worked, and a check that it made did not pass.</summary>
    public const int CheckFailed = 1;

    /// <summary>Arguments, data or files that the user can mend.</summary>
    public const int BadInput = 2;

    /// <summary>A defect of the program itself.</summary>
    public const int Defect = 3;

    /// <summary>Stopped by Ctrl-C after saving; the shell's convention for SIGINT.</summary>
    public const int Interrupted = 130;

    /// <summary>Nobody reads the output any more, as behind <c>head</c>; the shell's convention for SIGPIPE.</summary>
    public const int NoReader = 141;
}

/// <summary>Turns an exception that ended a command into plain sentences and an exit code.</summary>
internal static class Failure
{
    /// <summary>Set to 1 to see the stack trace of a defect.</summary>
    public const string DebugVariable = "PASCL_DEBUG";

    public static int Report(Exception exception, TextWriter error)
    {
        var cause = exception is AggregateException several ? several.Flatten().InnerExceptions[0] : exception;
        if (cause is NoReaderException)
        {
            return ExitCode.NoReader;
        }

        var (sentence, code) = cause switch
        {
            InputException or DeviceException or IOException or UnauthorizedAccessException => (cause.Message, ExitCode.BadInput),
            OutOfMemoryException => ("There is not enough memory. Use a smaller batch or width, or fewer images.", ExitCode.BadInput),
            ExternalException when IsOutOfMemory(cause.Message) =>
                ($"There is not enough memory for libtorch ({FirstLine(cause.Message)}). Use a smaller batch or width.", ExitCode.BadInput),
            _ => (
                $"The program failed: {cause.GetType().Name}: {FirstLine(cause.Message)} " +
                $"This is a defect; {DebugVariable}=1 shows where it happened.", ExitCode.Defect),
        };
        ProcessGroup.Current.Announce(error);
        error.WriteLine(sentence);
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            error.WriteLine(exception);
        }

        ProcessGroup.Current.End(code);
        return code;
    }

    // libtorch's words for the host and for CUDA.
    private static bool IsOutOfMemory(string message) =>
        message.Contains("can't allocate memory", StringComparison.Ordinal) || message.Contains("out of memory", StringComparison.Ordinal);

    private static string FirstLine(string message) => message.Split('\n', 2)[0].Trim();
}

/// <summary>Says in two lines what is wrong with the arguments and where the right ones are listed.</summary>
internal static class UsageError
{
    private const int MostEdits = 3;

    /// <summary>Writes the first error of <paramref name="parsed"/>, the nearest name that exists, and which help to read.</summary>
    public static int Report(ParseResult parsed, TextWriter error)
    {
        var command = parsed.CommandResult.Command;
        error.WriteLine(parsed.UnmatchedTokens is [var unknown, ..]
            ? $"'{unknown}' is not an option or command of {command.Name}.{DidYouMean(command, unknown)}"
            : Describe(parsed.Errors[0]));
        error.WriteLine($"'{FullName(parsed.CommandResult)} --help' lists what it takes.");
        return ExitCode.BadInput;
    }

    // System.CommandLine names the type ('System.Int32') where a value cannot be read.
    private static string Describe(ParseError error) =>
        error.SymbolResult is OptionResult { Tokens.Count: 1 } result
        && Expected(result.Option.ValueType) is { } expected
        && error.Message.Contains($"'{result.Option.ValueType}'", StringComparison.Ordinal)
            ? $"{result.Option.Name} takes {expected}, not '{result.Tokens[0].Value}'."
            : error.Message;

    private static string? Expected(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type switch
        {
            { IsEnum: true } => $"one of {string.Join(", ", EnumWords.Of(type))}",
            _ when type == typeof(int) || type == typeof(long) => "a whole number",
            _ when type == typeof(uint) || type == typeof(ulong) => "a whole number from 0",
            _ when type == typeof(double) || type == typeof(float) => "a number",
            _ => null,
        };
    }

    private static string DidYouMean(Command command, string unknown)
    {
        var nearest = command.Options.Where(option => !option.Hidden).SelectMany(option => option.Aliases.Prepend(option.Name))
            .Concat(command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name))
            .Select(name => (Name: name, Edits: Edits(unknown, name)))
            .Where(candidate => candidate.Edits <= MostEdits && candidate.Edits < candidate.Name.Length)
            .DefaultIfEmpty()
            .MinBy(candidate => candidate.Edits);
        return nearest.Name is null ? "" : $" Did you mean {nearest.Name}?";
    }

    // Levenshtein distance: insertions, deletions and replacements that turn one word into the other.
    private static int Edits(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 1; i <= from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j - 1], row[j]) + 1);
            }
        }

        return row[to.Length];
    }

    private static string FullName(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{FullName(parent)} {result.Command.Name}" : PasclCommand.Invocation;
}
