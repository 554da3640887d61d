using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Pascl.Training.Interop;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary>The program's command line: every command, and the one place where an error becomes sentences and an exit code.</summary>
public static class PasclCommand
{
    /// <summary>
    /// Runs the command that <paramref name="arguments"/> name and returns the exit code: 0 done, 1 a check failed, 2 bad input,
    /// 3 a defect of the program, 130 interrupted.
    /// </summary>
    public static int Run(string[] arguments) => Run(Create(), arguments);

    internal static int Run(RootCommand root, string[] arguments)
    {
        try
        {
            var parsed = root.Parse(arguments);
            if (parsed.Action is ParseErrorAction)
            {
                return UsageError.Report(parsed, Console.Error);
            }

            if (parsed.CommandResult.Command.Name is not (PtxCommand.Name or CompareCommand.Name or ReportCommand.Name))
            {
                NativeLibTorch.EnsureLoaded();
            }

            return Invoke(parsed);
        }
        catch (Exception exception)
        {
            return Failure.Report(exception, Console.Error);
        }
    }

    // A command whose action takes a cancellation token is asked to stop by the first Ctrl-C and may take the time it needs to save; any
    // other ends at once.
    private static int Invoke(ParseResult parsed)
    {
        using var interruption =
            parsed.Action is AsynchronousCommandLineAction ? new Interruption(PosixSignal.SIGINT, PosixSignal.SIGTERM) : null;
        var token = interruption?.Token ?? default;
        try
        {
            // Without a timeout System.CommandLine leaves the signals alone; its own handling ends the process after that time.
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return parsed.InvokeAsync(configuration, token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }

    internal static RootCommand Create()
    {
        var root = new RootCommand(
            "Out-of-distribution detection under long-tailed recognition: PASCL and auxiliary branch finetuning. " +
            "Without a command it runs the quickstart: it trains on built-in images for one to two minutes and evaluates.")
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
            DoctorCommand.Create(),
            DataCommand.Create(),
            ProfileCommand.Create(),
            PtxCommand.Create(),
            ConvolutionDoctor.Create(),
        };
        root.SetAction((_, cancellation) => Task.FromResult(TrainingRun.Start(Presets.Find("quickstart").Recipe, null, checksConvolutions: true, cancellation)));
        return root
            .WithExamples("", "data check photos", "train --preset cifar10-lt-cpu --data DATA", "evaluate runs/first", "doctor")
            .ShowExamplesInHelp();
    }
}
