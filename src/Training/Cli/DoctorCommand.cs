using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Pascl.Kernels.Device;
using Pascl.Training.Devices;
using Pascl.Training.Golden;
using Pascl.Training.Interop;
using Pascl.Training.Networks;
using SkiaSharp;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Pascl.Training.Cli;

/// <summary><c>doctor</c>: what this machine offers, and whether it computes what it should.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var golden = new Option<string?>("--golden")
        {
            HelpName = "folder",
            Description = "also compare with the golden values in this folder, computed by the authors' code",
        };
        var command = new Command("doctor", "Shows what this machine offers and checks that it computes correctly.") { golden };
        command.SetAction(parsed => Run(parsed.GetValue(golden), ConvolutionOption.IsOn(parsed)));
        return command.WithConvolutionCheck().WithExamples("doctor", "doctor --golden golden");
    }

    private static int Run(string? goldenFolder, bool checksConvolutions)
    {
        // First, so that a bad folder is the only thing that is said.
        var golden = goldenFolder is null ? [] : CompareGolden(goldenFolder);
        var selfTest = SelfTest.Run();

        ConsoleTable.Write("Machine", ["part", "found"], [.. MachineReport.Rows().Select(row => new[] { row.Name, row.Value })]);
        Write("Self-test", selfTest);
        if (checksConvolutions)
        {
            ConsoleTable.Write(
                "Convolutions of libtorch, compared with double precision by plain loops",
                ConvolutionDoctor.Columns,
                [.. ConvolutionDoctor.Rows()]);
            Console.WriteLine("A run checks its own convolutions first; where libtorch is wrong, it takes a matrix product instead and says so.");
        }

        if (goldenFolder is not null)
        {
            Write("Golden values", golden);
        }

        return golden.Concat(selfTest).All(check => check.Passed) ? ExitCode.Done : ExitCode.CheckFailed;
    }

    private static List<GoldenResult> CompareGolden(string folder)
    {
        var checks = GoldenChecks.Run(folder);
        if (Console.IsOutputRedirected)
        {
            return [.. checks];
        }

        List<GoldenResult> results = [];
        AnsiConsole.Status().Start("Comparing golden values", status =>
        {
            foreach (var result in checks)
            {
                results.Add(result);
                status.Status(Markup.Escape($"Comparing golden values: {results.Count}, {result.Case}"));
            }
        });
        return results;
    }

    private static void Write(string title, IReadOnlyCollection<GoldenResult> checks)
    {
        string[] Row(GoldenResult check) =>
            [check.Case, check.Backend, $"{check.Error:g2}", $"{check.AllowedError:g2}", check.Passed ? "ok" : "FAILED"];

        ConsoleTable.Write(title, ["case", "backend", "error", "allowed", "result"], [.. checks.Select(Row)]);
        var failed = checks.Count(check => !check.Passed);
        Console.WriteLine($"{title}: {checks.Count - failed} passed, {failed} failed");
    }
}

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

    // The networks' own in the ways that they are computed, then what others have: 1x1 and grouped convolutions of libtorch.
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
                yield return (new ConvolutionShape(width, 4 * width, Kernel: 1), Size, ConvolutionWay.Library, precision);
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

/// <summary>What decides how fast, and whether, this machine trains.</summary>
internal static class MachineReport
{
    public static IEnumerable<(string Name, string Value)> Rows() => Parts().Append(("backends", string.Join(", ", Backends())));

    /// <summary>The machine without a look at what kernels could run on, which takes a moment.</summary>
    public static IEnumerable<(string Name, string Value)> Parts()
    {
        var native = NativeLibTorch.EnsureLoaded();
        return
        [
            ("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}"),
            ("CPU", $"{CpuModel()} ({string.Join(", ", CpuFeatures.Names.DefaultIfEmpty("no vector features"))})"),
            ("cores", $"{Environment.ProcessorCount}, torch computes with {torch.get_num_threads()} threads"),
            ("waiting threads", native.WaitPolicy),
            ("freed memory", FreedMemory.Status),
            ("memory", $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30):0.0} GiB"),
            ("TorchSharp", $"{typeof(torch).Assembly.GetName().Version?.ToString(3)}, {native.ShimPath}: {native.Status}"),
            ("libtorch", $"{LibTorchBuild.Version} ({LibTorchBuild.CpuCapability}), {native.LibTorchFolder}"),
        ];
    }

    private static IEnumerable<string> Backends()
    {
        yield return "torch on the CPU";
        for (var device = 0; torch.cuda.is_available() && device < torch.cuda.device_count(); device++)
        {
            yield return $"torch on cuda:{device}";
        }

        yield return Kernels();
    }

    private static string Kernels()
    {
        try
        {
            using var device = KernelDevice.Open();
            return $"ILGPU kernels on {device.Name}";
        }
        catch (DeviceException exception)
        {
            return $"no ILGPU kernels: {exception.Message}";
        }
    }

    private static string CpuModel()
    {
        const string cpus = "/proc/cpuinfo";
        var lines = File.Exists(cpus) ? File.ReadLines(cpus) : [];
        var model = lines.FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        return model?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}

/// <summary>
/// A training step in small, and the image decoder, against stored numbers: a libtorch that loads but does not fit TorchSharp, or a fault of
/// the machine, shows here.
/// </summary>
/// <remarks>
/// With x = Sequence(1) as (2, 3, 5, 5) and w = Sequence(2) as (4, 3, 3, 3): loss = mean(relu(conv2d(x, w, padding 1))^2), its gradient by
/// w, and the loss after three steps of Adam(0.01, weight decay 5e-4); and the gradient of the sum of (x^3)^2 through an autograd function
/// written in C#. The stored numbers come from plain loops in double precision.
/// </remarks>
internal static class SelfTest
{
    private const double Loss = 0.08714984397940252;
    private const double GradientNorm = 0.07539127333351553;
    private const double LossAfterAdam = 0.07005943378493756;
    private const double CubeGradientNorm = 0.8191749568350232;

    // float32 rounding (6e-8) over sums of a few hundred terms.
    private const double RelativeTolerance = 1e-5;

    // JPEG and WebP are lossy; a decoder that works gives a plain colour back within a few of 255 levels.
    private const double ColourTolerance = 8;

    public static IReadOnlyList<GoldenResult> Run()
    {
        using var scope = NewDisposeScope();
        using var weights = FromSequence(2, 4, 3, 3, 3);
        using var images = FromSequence(1, 2, 3, 5, 5);
        using var adam = optim.Adam([weights], 0.01, weight_decay: 5e-4);

        var loss = LossOf(images, weights);
        loss.backward();
        List<GoldenResult> results =
        [
            Compare("forward: convolution, ReLU, mean square", loss.item<float>(), Loss),
            Compare("backward: norm of the gradient", weights.grad!.norm().item<float>(), GradientNorm),
        ];

        for (var step = 0; step < 3; step++)
        {
            adam.zero_grad();
            LossOf(images, weights).backward();
            adam.step();
        }

        results.Add(Compare("loss after three steps of Adam", LossOf(images, weights).item<float>(), LossAfterAdam));

        images.grad!.zero_();
        Cube.apply(images).square().sum().backward();
        results.Add(Compare("autograd function written in C#", images.grad!.norm().item<float>(), CubeGradientNorm));

        results.AddRange(new[] { SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp }.Select(Decode));
        return results;
    }

    private static Parameter FromSequence(uint seed, params long[] shape)
    {
        var count = (int)shape.Aggregate((product, size) => product * size);
        return new Parameter(tensor(GoldenInputs.Sequence(seed, count), shape, dtype: ScalarType.Float32));
    }

    private static Tensor LossOf(Tensor images, Tensor weights) =>
        nn.functional.conv2d(images, weights, padding: [1, 1]).relu().square().mean();

    private static GoldenResult Compare(string name, double value, double stored) =>
        new(name, "torch", Math.Abs(value - stored) / stored, RelativeTolerance);

    private static GoldenResult Decode(SKEncodedImageFormat format)
    {
        var colour = new SKColor(200, 100, 50);
        using var drawn = new SKBitmap(16, 16);
        drawn.Erase(colour);
        using var file = drawn.Encode(format, 95);
        using var decoded = SKBitmap.Decode(file);
        var pixel = decoded?.GetPixel(8, 8) ?? SKColor.Empty;
        int[] differences = [pixel.Red - colour.Red, pixel.Green - colour.Green, pixel.Blue - colour.Blue];
        return new GoldenResult($"decode {format}".ToLowerInvariant(), "SkiaSharp", differences.Max(Math.Abs), ColourTolerance);
    }

    private sealed class Cube : autograd.SingleTensorFunction<Cube>
    {
        public override string Name => nameof(Cube);

        public override Tensor forward(autograd.AutogradContext context, params object[] arguments)
        {
            var input = (Tensor)arguments[0];
            context.save_for_backward([input]);
            return input.pow(3);
        }

        public override List<Tensor> backward(autograd.AutogradContext context, Tensor gradient)
        {
            using var input = context.get_saved_variables()[0];
            return [gradient * 3 * input.square()];
        }
    }
}
