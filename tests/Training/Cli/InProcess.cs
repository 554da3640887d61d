using Pascl.Training.Cli;

namespace Pascl.Tests.Training.Cli;

/// <summary>
/// Runs a command line in this process, which saves the start of another. For fixtures that do not run beside others, and for commands that write by
/// <see cref="Console"/> alone: Spectre.Console would keep the writer of the first test.
/// </summary>
internal static class InProcess
{
    public static (int Code, string Output, string Error) Run(string line)
    {
        var (console, errorConsole) = (Console.Out, Console.Error);
        using var output = new StringWriter();
        using var error = new StringWriter();
        Console.SetOut(output);
        Console.SetError(error);
        try
        {
            var code = PasclCommand.Run(line.Split(' '));
            return (code, output.ToString(), error.ToString());
        }
        finally
        {
            Console.SetOut(console);
            Console.SetError(errorConsole);
        }
    }

    /// <summary>Runs a command line that is refused. What is printed before that, by Spectre.Console too, goes where the tests' output goes.</summary>
    public static (int Code, string Error) Refused(string line)
    {
        var console = Console.Error;
        using var error = new StringWriter();
        Console.SetError(error);
        try
        {
            return (PasclCommand.Run(line.Split(' ')), error.ToString());
        }
        finally
        {
            Console.SetError(console);
        }
    }
}
