using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary>The program's command line: every command, and the one place where a user's error becomes a sentence and an exit code.</summary>
public static class PasclCommand
{
    /// <summary>Runs the command that <paramref name="arguments"/> name and returns the exit code: 0 done, 1 a check failed, 2 bad input, 130 interrupted.</summary>
    public static int Run(string[] arguments)
    {
        try
        {
            return Create().Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (InputException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 2;
        }
    }

    private static RootCommand Create() => new("Out-of-distribution detection under long-tailed recognition: PASCL and auxiliary branch finetuning.");
}
