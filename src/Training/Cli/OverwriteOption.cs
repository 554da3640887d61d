using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary><c>--force</c>: whether a command may write over files that exist. Without it, nothing of the user's is lost to a mistyped name.</summary>
internal static class OverwriteOption
{
    /// <summary>Adds the option to a command.</summary>
    public static Option<bool> AddTo(Command command)
    {
        var option = new Option<bool>("--force") { Description = "write over files that exist" };
        command.Options.Add(option);
        return option;
    }

    /// <summary>Throws where one of the files exists and may not be written over.</summary>
    /// <exception cref="InputException">It does.</exception>
    public static void Require(bool isAllowed, params IEnumerable<string> files)
    {
        if (!isAllowed && files.FirstOrDefault(File.Exists) is { } taken)
        {
            throw new InputException($"{taken} exists already; choose another --out, or write over it with --force.");
        }
    }
}
