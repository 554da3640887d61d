using System.CommandLine;
using System.Text;
using Pascl.Training.Ranks;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary><c>--rank-timeout</c>, which every command takes that several ranks do together, and what is special about being one of them.</summary>
internal static class RankOption
{
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
        return command;
    }

    /// <summary>
    /// Meets the other ranks where the program was started with others. The first one speaks from then on; what another says on standard error begins with its name.
    /// </summary>
    /// <exception cref="InputException">The command is not done by several ranks.</exception>
    public static void Join(ParseResult parsed)
    {
        var count = RankStarter.Count();
        if (count == 1)
        {
            return;
        }

        if (!parsed.CommandResult.Command.Options.Contains(option))
        {
            throw new InputException($"{parsed.CommandResult.Command.Name} is done by one process, but {count} were started; start it without mpirun or srun.");
        }

        var ranks = ProcessGroup.Join();
        ranks.Timeout = parsed.GetValue(option);
        if (!ranks.IsFirst)
        {
            Console.SetOut(TextWriter.Null);
            AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(TextWriter.Null), Ansi = AnsiSupport.No });
            Console.SetError(TextWriter.Synchronized(new NamedWriter($"{ranks.Name}: ", Console.Error)));
        }
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
