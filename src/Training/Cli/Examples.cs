using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace Pascl.Training.Cli;

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

    private sealed class HelpWithExamples(HelpAction help) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => help.ClearsParseErrors;

        public override int Invoke(ParseResult parseResult)
        {
            var code = help.Invoke(parseResult);
            if (Of(parseResult.CommandResult.Command) is { Count: > 0 } lines)
            {
                var output = parseResult.InvocationConfiguration.Output;
                output.WriteLine($"Examples ({RootCommand.ExecutableName} in a clone: dotnet run -c Release --project src/Training --):");
                foreach (var line in lines)
                {
                    output.WriteLine($"  {RootCommand.ExecutableName} {line}".TrimEnd());
                }

                output.WriteLine();
            }

            return code;
        }
    }
}
