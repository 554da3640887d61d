using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Pascl.Training.Interop;
using Pascl.Training.Model;

namespace Pascl.Training.Cli;

/// <summary>
/// What libtorch's convolutions are worth on this machine: those of the residual networks, and others that a network of this kind may have. A wrong one may end the
/// process, so a process of its own computes them, and begins again behind the one that ended it.
/// </summary>
internal static class ConvolutionDoctor
{
    /// <summary>The hidden command that computes.</summary>
    public const string CommandName = "doctor-convolutions";

    private const int Images = 32;
    private const int Size = 32;
    private const string IsRight = "right";
    private const string IsWrong = "WRONG";
    private static readonly int[] Widths = [8, 16, 64];

    /// <summary>What the columns of <see cref="Rows"/> are.</summary>
    public static readonly string[] Columns = ["convolution", "computed by", "found", "output", "gradient of input", "of weights"];

    /// <summary>Every convolution: what it is, by which way, what was found, and the largest errors over the largest values.</summary>
    /// <param name="start">Starts the process that computes from a number on; null for the hidden command.</param>
    public static IEnumerable<string[]> Rows(Func<int, Process>? start = null)
    {
        var cases = Cases().ToArray();
        for (var next = 0; next < cases.Length;)
        {
            using var process = (start ?? Start)(next);
            var errors = process.StandardError.ReadToEndAsync();
            while (next < cases.Length && process.StandardOutput.ReadLine() is { } line)
            {
                if (line.Split('\t') is [IsRight or IsWrong, ..] found)
                {
                    yield return Row(cases[next++], found);
                }
            }

            process.WaitForExit();
            if (next < cases.Length)
            {
                yield return Row(cases[next++], [$"{NameOf(process.ExitCode)} {LastLine(errors.Result)}".Trim(), "-", "-", "-"]);
            }
        }
    }

    /// <summary>The command that <see cref="Rows"/> starts.</summary>
    public static Command Create()
    {
        var first = new Argument<int>("FIRST") { Description = "number of the first convolution" };
        var command = new Command(CommandName, "Computes convolutions for doctor.") { first };
        command.Hidden = true;
        command.SetAction(result => Compute(result.GetRequiredValue(first)));
        return command.WithExamples($"{CommandName} 0");
    }

    private static int Compute(int first)
    {
        foreach (var (shape, size, way, precision) in Cases().Skip(first))
        {
            using var convolution = new Convolution(shape) { Way = way };
            var result = ConvolutionCheck.Measure(convolution, size, size, new ConvolutionUse("doctor", Images, InputGradient: true, WeightGradient: true), precision);
            var errors = result.Parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Deviation.Error:0.0e+0}"));
            Console.WriteLine($"{(result.Passed ? IsRight : IsWrong)}\t{string.Join('\t', errors)}");
        }

        return ExitCode.Done;
    }

    // The networks' own in the ways that they are computed, then what others have: strided 1x1 and grouped convolutions of libtorch.
    private static IEnumerable<(ConvolutionShape Shape, long Size, ConvolutionWay Way, Precision Precision)> Cases()
    {
        foreach (var precision in Precisions())
        {
            foreach (var width in Widths)
            {
                using var network = new DualBranchResNet(ResNetDepth.ResNet18, 2, width);
                foreach (var (convolution, height, _) in network.Convolutions(Size, Size).DistinctBy(place => (place.Convolution.Shape, place.Height)))
                {
                    yield return (convolution.Shape, height, convolution.Way, precision);
                }
            }

            foreach (var width in Widths)
            {
                yield return (new ConvolutionShape(width, 2 * width, Kernel: 1, Stride: 2), Size, ConvolutionWay.Library, precision);
                yield return (new ConvolutionShape(4 * width, 4 * width, Kernel: 3, Stride: 2, Groups: width), Size / 4, ConvolutionWay.Library, precision);
                yield return (new ConvolutionShape(4 * width, 4 * width, Kernel: 3, Stride: 1, Groups: 4 * width), Size / 4, ConvolutionWay.Library, precision);
            }
        }
    }

    private static Precision[] Precisions() => CpuFeatures.IsFastInBFloat16 ? [Precision.Float32, Precision.BFloat16] : [Precision.Float32];

    private static string[] Row((ConvolutionShape Shape, long Size, ConvolutionWay Way, Precision Precision) computed, string[] found) =>
        [$"{computed.Shape}, images of {computed.Size}x{computed.Size}, {computed.Precision.ToString().ToLowerInvariant()}", ConvolutionReport.NameOf(computed.Way), .. found];

    // The program beside this library, which may be a part of another program.
    private static Process Start(int first)
    {
        var program = Path.Combine(AppContext.BaseDirectory, typeof(ConvolutionDoctor).Assembly.GetName().Name!);
        var number = first.ToString(CultureInfo.InvariantCulture);
        var start = File.Exists(program)
            ? new ProcessStartInfo(program, [CommandName, number])
            : new ProcessStartInfo("dotnet", [$"{program}.dll", CommandName, number]);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        return Process.Start(start)!;
    }

    // A shell's number for a process that a signal ended.
    private static string NameOf(int exitCode) => (exitCode - 128) switch
    {
        4 => "ENDED THE PROCESS by SIGILL, an instruction that this processor does not have.",
        6 => "ENDED THE PROCESS by SIGABRT, after memory was overwritten.",
        7 => "ENDED THE PROCESS by SIGBUS, an address outside its memory.",
        8 => "ENDED THE PROCESS by SIGFPE, a division by zero.",
        9 => "ENDED by SIGKILL: something killed the process, perhaps for want of memory.",
        11 => "ENDED THE PROCESS by SIGSEGV, an address outside its memory.",
        > 0 and var signal => $"ENDED THE PROCESS by signal {signal}.",
        _ => $"ENDED THE PROCESS with exit code {exitCode}.",
    };

    private static string LastLine(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "";
}
