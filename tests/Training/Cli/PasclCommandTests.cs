using System.CommandLine;
using Pascl.Training;
using Pascl.Training.Cli;
using TorchSharp;

namespace Pascl.Tests.Training.Cli;

public sealed class PasclCommandTests
{
    [TestCase("doctro", "'doctro' is not an option or command of ", "Did you mean doctor?")]
    [TestCase("doctor --gloden x", "'--gloden' is not an option or command of doctor.", "doctor --help' lists what it takes.")]
    [TestCase("work --epochs many", "--epochs takes a whole number, not 'many'.", "work --help' lists what it takes.")]
    [TestCase("work --mode loud", "--mode takes one of quiet, plain, not 'loud'.", "work --help' lists what it takes.")]
    [TestCase("work --epochs", "--epochs", "work --help' lists what it takes.")]
    public void a_usage_error_is_two_lines_and_exit_code_2(string line, string problem, string hint)
    {
        var (code, error) = Run(line, _ => 0);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain(problem).And.Contain(hint));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(2));
        });
    }

    [Test]
    public void the_words_of_an_option_are_in_small_letters_in_every_help()
    {
        var options = Commands(PasclCommand.Create()).SelectMany(command => command.Options).Where(option => option.ValueType.IsEnum).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(options.Select(option => option.Name), Does.Contain("--engine").And.Contain("--quantise"));
            Assert.That(options.Select(option => option.HelpName), Is.All.Matches<string?>(words => words?.Any(char.IsUpper) == false));
        }

        static IEnumerable<Command> Commands(Command command) => command.Subcommands.SelectMany(Commands).Prepend(command);
    }

    [Test]
    public void an_error_in_reading_an_option_is_its_sentence()
    {
        var colour = new Option<int>("--colour") { CustomParser = _ => throw new InputException("There is no such colour.") };
        Assert.That(Run("work --colour x", _ => 0, colour), Is.EqualTo((2, "There is no such colour.\n")));
    }

    [Test]
    public void an_input_error_is_its_sentence_and_exit_code_2() =>
        Assert.That(Run("work", _ => throw new InputException("photos is empty.")), Is.EqualTo((2, "photos is empty.\n")));

    [Test]
    public void an_error_of_the_disk_is_its_sentence_and_exit_code_2() =>
        Assert.That(Run("work", _ => throw new IOException("No space left: '/runs/a'")), Is.EqualTo((2, "No space left: '/runs/a'\n")));

    [Test]
    public void an_error_in_parallel_work_is_reported_as_its_cause() =>
        Assert.That(
            Run("work", _ => throw new AggregateException(new InputException("a.jpg is broken."))),
            Is.EqualTo((2, "a.jpg is broken.\n")));

    [Test]
    public void too_little_memory_is_exit_code_2_and_says_what_to_make_smaller()
    {
        var (code, error) = Run("work", _ => (int)torch.zeros(1L << 50).NumberOfElements);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error, Does.Contain("smaller batch").And.Not.Contain("frame #"));
        });
    }

    [TestCase(null, false)]
    [TestCase("1", true)]
    public void a_defect_is_one_line_and_shows_its_stack_trace_only_on_request(string? debug, bool showsTrace)
    {
        Environment.SetEnvironmentVariable(Failure.DebugVariable, debug);
        try
        {
            var (code, error) = Run("work", _ => throw new InvalidOperationException("queue closed"));
            Assert.Multiple(() =>
            {
                Assert.That(code, Is.EqualTo(3));
                Assert.That(error, Does.StartWith("The program failed: InvalidOperationException: queue closed"));
                Assert.That(error.Contains("   at Pascl.", StringComparison.Ordinal), Is.EqualTo(showsTrace));
            });
        }
        finally
        {
            Environment.SetEnvironmentVariable(Failure.DebugVariable, null);
        }
    }

    [Test]
    public void the_exit_code_of_the_command_is_the_programs() => Assert.That(Run("work", _ => 1), Is.EqualTo((1, "")));

    [Test]
    public void every_command_that_does_something_has_examples_in_its_help()
    {
        var root = PasclCommand.Create();
        var commands = Below(root, "").Where(found => found.Command.Action is not null).ToArray();
        Assert.That(commands.Select(found => found.Path), Has.Member("").And.Member(" doctor").And.Member(" train"));
        Assert.Multiple(() =>
        {
            foreach (var (command, path) in commands)
            {
                using var help = new StringWriter();
                Assert.That(root.Parse($"{path} --help").Invoke(new InvocationConfiguration { Output = help }), Is.Zero, path);
                Assert.That(help.ToString(), Does.Contain("Examples (").And.Contain($"  {PasclCommand.Invocation}{path}"), path);
            }
        });

        static IEnumerable<(Command Command, string Path)> Below(Command command, string path) =>
            command.Subcommands.SelectMany(sub => Below(sub, $"{path} {sub.Name}")).Prepend((command, path));
    }

    // A libtorch that cannot be loaded shows that none is.
    [TestCase("--help")]
    [TestCase("--version")]
    [TestCase("train --help")]
    [TestCase("data check {0}")]
    public void what_needs_no_libtorch_does_not_load_it(string line)
    {
        using var folder = new TemporaryFolder();
        folder.Write("a/1.png", Data.Formats.TestImages.Plain(8, 8, 255));
        folder.Write("b/1.png", Data.Formats.TestImages.Plain(8, 8, 0));
        var (code, output, error) = PasclProgram.Run(string.Format(System.Globalization.CultureInfo.InvariantCulture, line, folder.Path), ("LIBTORCH_PATH", "/nowhere"));
        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Is.Not.Empty);
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public void a_working_folder_that_is_gone_is_said([Values("doctor", "--help")] string line)
    {
        using var folder = new TemporaryFolder();
        var gone = Directory.CreateDirectory(Path.Combine(folder.Path, "gone")).FullName;
        var start = new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-c", $"cd '{gone}' && rmdir '{gone}' && exec '{Path.Combine(PasclProgram.Folder, "Pascl.Training")}' {line}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That((process.ExitCode, error), Is.EqualTo((2, "The working folder is gone or cannot be entered; change to another one (cd) and start again.\n")));
    }

    [Test]
    public void lines_in_a_pipe_are_never_wrapped()
    {
        using var folder = new TemporaryFolder();
        var deep = Path.Combine(folder.Path, new string('a', 100), new string('b', 100));
        var (code, output, error) = PasclProgram.Run(
            $"train --preset quickstart --image-size 8 --width 1 --epochs 0 --finetune-epochs 0 --precision fp32 --threads 1 --check-convolutions off --out {deep}");
        Assert.That(code, Is.Zero, error);
        Assert.That(output.Split('\n'), Has.Member($"Run folder: {deep}").And.Member($"Page: {deep}/report.html"));
    }

    [Test]
    public void every_example_in_the_help_can_be_parsed()
    {
        var root = PasclCommand.Create();
        var examples = root.Subcommands.SelectMany(command => command.Subcommands.Append(command)).Append(root).SelectMany(Examples.Of).ToArray();
        Assert.That(examples, Has.Length.GreaterThan(5));
        Assert.That(examples.Where(example => root.Parse(example).Errors.Count > 0), Is.Empty);
    }

    private static (int Code, string Error) Run(string line, Func<ParseResult, int> action, params Option[] options)
    {
        var work = new Command("work") { new Option<int>("--epochs"), new Option<Mode>("--mode") };
        Array.ForEach(options, work.Add);
        work.SetAction(action);
        var root = PasclCommand.Create();
        root.Add(work);
        var console = Console.Error;
        using var error = new StringWriter();
        Console.SetError(error);
        try
        {
            return (PasclCommand.Run(root, line.Split(' ')), error.ToString());
        }
        finally
        {
            Console.SetError(console);
        }
    }

    private enum Mode
    {
        Quiet,
        Plain,
    }
}
