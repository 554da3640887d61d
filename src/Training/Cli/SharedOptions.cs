using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Pascl.Training.Backbones;
using Pascl.Training.Deployment;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary><c>--force</c>: whether a command may write over files that exist. Without it, nothing of the user's is lost to a mistyped name.</summary>
internal static class OverwriteOption
{
    public static Option<bool> AddTo(Command command)
    {
        var option = new Option<bool>("--force") { Description = "write over files that exist" };
        command.Options.Add(option);
        return option;
    }

    /// <summary>Throws where one of the files exists and may not be written over.</summary>
    /// <exception cref="InputException">It does.</exception>
    public static void Require(bool isAllowed, params IEnumerable<string> files) => Require(isAllowed, files, "--out");

    /// <summary>The same of files that another option names.</summary>
    /// <exception cref="InputException">One of them exists.</exception>
    public static void Require(bool isAllowed, IEnumerable<string> files, string option)
    {
        if (!isAllowed && files.FirstOrDefault(File.Exists) is { } taken)
        {
            throw new InputException($"{taken} exists already; choose another {option}, or write over it with --force.");
        }
    }
}

/// <summary><c>--check-convolutions</c>, which every command with a network takes, and what is said of the check.</summary>
internal static class ConvolutionOption
{
    private const string On = "on";
    private const string Off = "off";

    /// <summary>The option of every command that asks for it.</summary>
    private static readonly Option<string> option = Create();

    public static Option Option => option;

    public static Command WithConvolutionCheck(this Command command)
    {
        command.Options.Add(option);
        return command;
    }

    public static bool IsOn(ParseResult result) => result.GetRequiredValue(option) == On;

    /// <summary>Says on standard error which convolutions are wrong on this machine and what is done about it; nothing where all are right.</summary>
    public static void Warn(ConvolutionReport? report)
    {
        if (report?.Warning is { } warning)
        {
            Console.Error.WriteLine(warning);
        }
    }

    private static Option<string> Create()
    {
        var created = new Option<string>("--check-convolutions")
        {
            Description = "compare the network's convolutions with double precision on this machine before anything is computed, which takes about as long as a training step: "
                + $"{On} or {Off}",
            DefaultValueFactory = _ => On,
        };
        return created.AcceptOnlyFromAmong(On, Off);
    }
}

/// <summary><c>--engine</c>: what computes the network where images are scored.</summary>
internal static class EngineOption
{
    private static readonly Option<ScoringEngine> option = new("--engine")
    {
        Description = "what computes the network: torch, onnx (ONNX Runtime on the CPU; its scores agree to 1e-4), or auto: the one that half a second of measuring finds faster here",
        DefaultValueFactory = _ => ScoringEngine.Auto,
    };

    public static Command WithEngine(this Command command)
    {
        command.Options.Add(option);
        return command;
    }

    public static ScoringEngine Of(ParseResult result) => result.GetRequiredValue(option);
}

/// <summary><c>--rank-timeout</c> and <c>--collectives</c>, which every command takes that several ranks do together, and what is special about being one of them.</summary>
internal static class RankOption
{
    private const string ByNccl = "nccl";

    private static readonly Option<string> collectives = CreateCollectives();

    private static readonly Option<TimeSpan> option = new("--rank-timeout")
    {
        Description = "started by mpirun or srun, the longest time that a rank waits for the others before it names those that did not come",
        DefaultValueFactory = _ => ProcessGroup.UsualTimeout,
        CustomParser = Duration.Parse,
        HelpName = "TIME",
    };

    /// <summary>Marks a command as one that ranks do together.</summary>
    public static Command WithRanks(this Command command)
    {
        command.Options.Add(option);
        command.Options.Add(collectives);
        return command;
    }

    /// <summary>
    /// Meets the other ranks where the program was started with others. The first one speaks from then on; what another says on standard error begins with its name.
    /// </summary>
    /// <param name="parsed">What is done.</param>
    /// <param name="isHelp">Whether that is help alone, which any number of processes may be asked for.</param>
    /// <exception cref="InputException">The command is not done by several ranks, or what it asks for is not installed.</exception>
    public static void Join(ParseResult parsed, bool isHelp)
    {
        var (count, isShared) = (RankStarter.Count(), parsed.CommandResult.Command.Options.Contains(option));
        if (isShared && !isHelp)
        {
            RankStarter.RequireMeeting();
        }

        if (count == 1)
        {
            return;
        }

        if (!isShared && !isHelp)
        {
            throw new InputException($"{parsed.CommandResult.Command.Name} is done by one process, but {count} were started; start it without mpirun or srun.");
        }

        var ranks = ProcessGroup.Join();
        ranks.Timeout = isShared ? parsed.GetValue(option) : ProcessGroup.UsualTimeout;
        if (!ranks.IsFirst)
        {
            Console.SetOut(TextWriter.Null);
            AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(TextWriter.Null), Ansi = AnsiSupport.No });
            Console.SetError(TextWriter.Synchronized(new NamedWriter($"{ranks.Name}: ", Console.Error)));
        }

        if (isShared && !isHelp && parsed.GetValue(collectives) == ByNccl)
        {
            ranks.Nccl = Nccl.Load();
        }
    }

    private static Option<string> CreateCollectives()
    {
        const string ByMpi = "mpi";
        var created = new Option<string>("--collectives")
        {
            Description = $"started by mpirun or srun, what moves tensors of GPUs between the ranks: {ByMpi} (through the host's memory) or {ByNccl} (libnccl.so.2, from GPU to GPU; not yet tried on one)",
            DefaultValueFactory = _ => ByMpi,
        };
        return created.AcceptOnlyFromAmong(ByMpi, ByNccl);
    }

    /// <summary>Begins every line with a name.</summary>
    private sealed class NamedWriter(string name, TextWriter inner) : TextWriter
    {
        private readonly StringBuilder line = new();

        public override Encoding Encoding => inner.Encoding;

        public override void Write(char value)
        {
            if (value == '\n')
            {
                inner.WriteLine($"{name}{line}");
                line.Clear();
            }
            else
            {
                line.Append(value);
            }
        }
    }
}

/// <summary>The computing of features as the user sees it: a line for each set and view that is done, and every ten seconds.</summary>
internal sealed class FeatureLines : IProgress<FeatureProgress>
{
    private static readonly TimeSpan interval = TimeSpan.FromSeconds(10);

    private long last = Stopwatch.GetTimestamp();

    public static FeatureListener Listener() => new(Console.WriteLine, new FeatureLines());

    public void Report(FeatureProgress value)
    {
        if (value.Done == value.Total || Stopwatch.GetElapsedTime(last) >= interval)
        {
            last = Stopwatch.GetTimestamp();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"features of {value.What}: {value.Done:N0} of {value.Total:N0} images, {value.ImagesPerSecond:0.#} images/s"));
        }
    }
}

/// <summary>Where the backbone of a run is now, which every command takes that runs its network.</summary>
internal static class BackboneOption
{
    private static readonly Option<string> backbone = new("--backbone")
    {
        Description = "where the ONNX file of the run's frozen backbone is now, if it moved and is not in the run folder",
    };

    private static readonly Option<string> cache = new("--feature-cache") { Description = "folder where the backbone's features are kept, if not where they were" };

    public static Option FileOption => backbone;

    public static Option CacheOption => cache;

    public static Command WithBackbone(this Command command, bool hasCache = false)
    {
        command.Options.Add(backbone);
        if (hasCache)
        {
            command.Options.Add(cache);
        }

        return command;
    }

    public static string? File(ParseResult result) => result.GetValue(backbone);

    public static string? Cache(ParseResult result) => result.GetValue(cache);
}
