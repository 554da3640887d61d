using Pascl.Training.Interop;

namespace Pascl.Tests.Packages;

/// <summary>The programs that the documentation shows, and programs of other languages, over the packages of <c>dotnet pack</c> on a machine without packages.</summary>
public sealed class PackageTests
{
    private const string FSharp =
        """
        let ones = TorchSharp.torch.ones(2L, 3L)
        printfn "%g" (ones.sum().item<float32>())
        """;

    private const string VisualBasic =
        """
        Module Program
            Sub Main()
                Console.WriteLine(TorchSharp.torch.ones(2L, 3L).sum().item(Of Single)())
            End Sub
        End Module
        """;

    // A loss, a detector over the run that is named, and Pascl's command line without its libraries.
    private const string Library =
        """
        using Pascl.Training.Cli;
        using Pascl.Training.Deployment;
        using Pascl.Training.Losses;
        using static TorchSharp.torch;

        using var loss = new PasclLoss(tailClasses: [false, true], temperature: 0.1);
        var features = nn.functional.normalize(ones(6, 8));
        Console.WriteLine(loss.forward(features, tensor(new long[] { 0, 1 })).item<float>() > 0);
        using var detector = Detector.Open(args[0]);
        var size = detector.Model.ImageSize;
        Console.WriteLine(detector.Model.Classes.Contains(detector.ScoreRgb(new byte[size * size * 3], size, size).Class));
        Console.WriteLine(PasclCommand.Run(["doctor"]));
        """;

    // Of the commands, their tables, figures and pages, and the service.
    private static readonly string[] left =
        ["System.CommandLine", "Spectre.Console", "ScottPlot", "HarfBuzz", "prometheus-net", "Prometheus.NetStandard", "Microsoft.AspNetCore", "Microsoft.Extensions"];

    private FreshMachine machine = null!;
    private string training = null!;

    [OneTimeSetUp]
    public void Pack()
    {
        machine = new FreshMachine();
        machine.Pack("Kernels");
        machine.Pack("Training");
        training = machine.Write("Sample", "cs", "Pascl.Training", Sample("README.md"));
    }

    [OneTimeTearDown]
    public void Delete() => machine.Dispose();

    [Long]
    [Test, Order(1)]
    public void the_sample_of_the_kernels_runs_over_their_package()
    {
        var project = machine.Write("KernelSample", "cs", "Pascl.Kernels", Sample(Path.Combine("src", "Kernels", "README.md")));
        Assert.That(machine.Run(project), Is.EqualTo("2 1.2 0 0 1.6 2\n"));
        Assert.That(Directory.GetDirectories(machine.Packages, "libtorch*"), Is.Empty, "kernels do not need it");
    }

    [Long]
    [Test, Order(2)]
    public void the_sample_of_training_runs_over_its_package()
    {
        Assert.That(machine.Run(training), Does.Match(@"^loss \d+\.\d+, gradient of \[14, 128\]\n$"));
        Assert.That(LibTorchIn(training), Is.Empty, "libtorch stays in the folder of packages");
    }

    [Long]
    [Test, Order(3)]
    public void a_program_of_the_library_gets_nothing_that_only_commands_use()
    {
        var specification = machine.Specification("Pascl.Training");
        var project = machine.Write("Library", "cs", "Pascl.Training", Library);
        var output = machine.Run(project, Path.Combine(Repository.Root, "tests", "Samples", "format-1"));
        var dependencies = File.ReadAllText(Directory.GetFiles(project, "Library.deps.json", SearchOption.AllDirectories).First(path => path.Contains("/bin/", StringComparison.Ordinal)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Does.StartWith("True\nTrue\n2\n"));
            Assert.That(output, Does.Contain("Pascl's command line needs the package System.CommandLine and the package Spectre.Console and the package ScottPlot"));
            Assert.That(specification, Does.Contain("TorchSharp").And.Contain("SkiaSharp"));
            foreach (var name in left)
            {
                Assert.That(specification, Does.Not.Contain(name));
                Assert.That(dependencies, Does.Not.Contain(name));
            }
        }
    }

    [Long]
    [Test]
    public void the_published_program_has_the_libraries_of_its_commands()
    {
        var published = machine.Publish("Training");
        Assert.That(
            Directory.GetFiles(published).Select(Path.GetFileName),
            Is.SupersetOf((string[])["System.CommandLine.dll", "Spectre.Console.dll", "ScottPlot.dll", "SkiaSharp.HarfBuzz.dll", "HarfBuzzSharp.dll", "libHarfBuzzSharp.so", "Prometheus.NetStandard.dll"]));
    }

    [Long]
    [TestCase("fs", FSharp, TestName = "a_program_in_FSharp_may_begin_with_torch"), Order(3)]
    [TestCase("vb", VisualBasic, TestName = "a_program_in_Visual_Basic_may_begin_with_torch")]
    public void a_program_may_begin_with_torch(string language, string program) =>
        Assert.That(machine.Run(machine.Write($"Sum{language}", language, "Pascl.Training", program)), Is.EqualTo("6\n"));

    [Long]
    [Test, Order(4)]
    public void without_libtorch_a_program_is_built_only_if_it_says_so()
    {
        var (present, aside) = (Path.Combine(machine.Packages, "libtorch-cpu-linux-x64"), Path.Combine(machine.Packages, "aside"));
        Directory.Move(present, aside);
        try
        {
            var (code, output) = machine.Build(training);
            Assert.Multiple(() =>
            {
                Assert.That(code, Is.Not.Zero);
                Assert.That(output, Does.Contain($"libtorch is missing: the package libtorch-cpu-linux-x64 2.10.0 is not in {machine.Packages}"));
                foreach (var choice in (string[])["none", "cuda"])
                {
                    var built = machine.Build(training, $"-p:LibTorch={choice}");
                    Assert.That(built.ExitCode, Is.Zero, built.Output);
                    Assert.That(LibTorchIn(training), Is.Empty);
                }

                Assert.That(machine.Build(training, "-p:LibTorch=gpu").Output, Does.Contain("LibTorch is 'gpu'"));
            });
        }
        finally
        {
            Directory.Move(aside, present);
        }
    }

    [Long]
    [Test, Order(5)]
    public void the_command_line_is_a_tool_that_brings_no_libtorch_and_finds_it_in_the_folder_of_packages()
    {
        machine.Pack("Tool");
        var packed = new DirectoryInfo(machine.Feed).GetFiles("pascl.*.nupkg");
        Assert.That(packed.Sum(file => file.Length), Is.LessThan(30_000_000), "no libtorch and no libraries for Windows");
        var tool = machine.InstallTool();
        var empty = Path.Combine(machine.Feed, "no-packages");
        var restored = Path.GetFullPath(Path.Combine(NativeLibTorch.EnsureLoaded().LibTorchFolder, "..", "..", "..", "..", ".."));
        var help = machine.RunInstalled(tool, empty, "--help");
        var check = machine.RunInstalled(tool, empty, "data", "check", Path.Combine(Repository.Samples, "cifar10-lt-jpeg.tar.gz"));
        var refused = machine.RunInstalled(tool, empty, "profile", "--steps", "1", "--warm-up-steps", "0");
        var profiled = machine.RunInstalled(tool, restored, "profile", "--steps", "1", "--warm-up-steps", "0", "--threads", "1");
        Assert.Multiple(() =>
        {
            Assert.That((help.ExitCode, help.Output), Is.EqualTo((0, help.Output)).And.Matches<(int, string)>(one => one.Item2.Contains("export", StringComparison.Ordinal)));
            Assert.That((check.ExitCode, check.Output), Is.EqualTo((0, check.Output)).And.Matches<(int, string)>(one => one.Item2.Contains("airplane", StringComparison.Ordinal)));
            Assert.That(refused.ExitCode, Is.EqualTo(2), refused.Output);
            Assert.That(refused.Output, Does.Contain("libtorch was not found in ").And.Contain("no-packages/libtorch-cpu-linux-x64/2.10.0").And.Contain("This tool comes without it").And.Contain("LIBTORCH_PATH"));
            Assert.That(profiled.ExitCode, Is.Zero, profiled.Output);
        });
    }

    private static string[] LibTorchIn(string project) => Directory.GetFiles(project, "libtorch*", SearchOption.AllDirectories);

    // The first program in C# on a page.
    private static string Sample(string page)
    {
        const string Begin = "```csharp\n";
        var text = File.ReadAllText(Path.Combine(Repository.Root, page));
        var start = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        return text[start..text.IndexOf("```", start, StringComparison.Ordinal)];
    }
}
