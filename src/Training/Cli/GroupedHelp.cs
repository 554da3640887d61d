using System.CommandLine;
using System.Runtime.CompilerServices;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

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
