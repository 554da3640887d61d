using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Globalization;
using Pascl.Kernels.Ptx;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Training.Cli;

/// <summary><c>profile</c>: some training steps, and where their time went.</summary>
internal static class ProfileCommand
{
    public static Command Create()
    {
        var source = new RecipeSource(Presets.Find("quickstart"));
        var steps = Number("--steps", "steps that are measured", 30);
        var warmUp = Number("--warm-up-steps", "steps before them that are not", 5);
        var phase = new Option<string>("--phase")
        {
            Description = "the phase whose steps are taken",
            DefaultValueFactory = _ => TrainingPhase.RepresentationName,
        };
        phase.AcceptOnlyFromAmong(TrainingPhase.RepresentationName, TrainingPhase.AuxiliaryBranchName);
        var trace = new Option<string>("--trace") { HelpName = "file", Description = "write a trace that ui.perfetto.dev and chrome://tracing open" };
        var synchronise = new Option<bool>("--synchronise")
        {
            Description = "wait for the GPU after each part of a step: its time is then attributed, and the step takes longer than in training",
        };
        var kernels = new Option<bool>("--kernels")
        {
            Description = "count what the GPU code of each kernel does in one step, on the CPU, and bound its time on a GPU: nothing is timed and nothing learned",
        };
        var gpu = new Option<string>("--gpu") { Description = "the GPU of the bounds", DefaultValueFactory = _ => GpuRates.Known[0].Name };
        gpu.AcceptOnlyFromAmong([.. GpuRates.Known.Select(known => known.Name)]);
        var command = new Command(
            "profile",
            "Runs steps of training, keeps nothing, and shows where their time goes: data, forward, each loss, backward, optimiser. "
            + "It also shows images per second, memory, and the kernels that were launched.");
        source.AddTo(command, steps, warmUp, phase, trace, synchronise, kernels, gpu);
        string[] ofTimes = [steps.Name, warmUp.Name, trace.Name, synchronise.Name, "--device", "--backend", "--check-convolutions"];
        command.SetAction(result =>
        {
            var counts = result.GetValue(kernels);
            var given = result.CommandResult.Children.OfType<OptionResult>().Where(option => !option.Implicit).Select(option => option.Option.Name).ToArray();
            if (Array.Find(counts ? ofTimes : [gpu.Name], given.Contains) is { } useless)
            {
                throw new InputException(counts
                    ? $"{useless} is for steps that are timed, and --kernels counts one on the CPU without timing it; leave one of them out."
                    : $"{useless} is for the bounds of --kernels; add that or leave it out.");
            }

            var recipe = source.Read(result);
            return counts
                ? ProfileKernels.Run(recipe, result.GetRequiredValue(phase), GpuRates.Known.Single(known => known.Name == result.GetValue(gpu)))
                : Run(
                    recipe,
                    new ProfileSettings(
                        AtLeast(1, steps, result), AtLeast(0, warmUp, result), result.GetRequiredValue(phase), result.GetValue(trace), result.GetValue(synchronise),
                        ConvolutionOption.IsOn(result)));
        });
        return command.WithConvolutionCheck().WithRanks().WithExamples(
            "profile",
            "profile --preset cifar10-lt-cpu --data DATA --steps 20 --trace trace.json",
            "profile --phase auxiliary-branch --threads 1",
            "profile --kernels --preset cifar10-lt-paper --data DATA --gpu A100",
            "profile --preset cifar10-lt-paper --data DATA --device cuda:0 --synchronise");
    }

    private static Option<int> Number(string name, string description, int usual) =>
        new(name) { Description = description, DefaultValueFactory = _ => usual };

    private static int AtLeast(int least, Option<int> option, ParseResult result) => result.GetRequiredValue(option) is var value && value >= least
        ? value
        : throw new InputException($"{option.Name} is {value}; it must be at least {least}.");

    private static int Run(Recipe recipe, ProfileSettings settings)
    {
        if (settings.Trace is { } path && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
        {
            throw new InputException($"{path} could not be written: its folder does not exist.");
        }

        recipe = BackboneFeatures.Resolve(recipe);
        var data = TrainingRun.WithFeatures(recipe, TrainingRun.ReadForTraining(recipe), CancellationToken.None);
        Trainer.PrepareTorch(recipe);
        using var device = ComputeDevice.Open(recipe.Device, recipe.Backend);
        using var model = Trainer.CreateModel(recipe, data.Training.ClassCount, device);
        var phase = Trainer.Phases(recipe, data, device).Single(phase => phase.Name == settings.Phase);
        phase.Enter(model);
        ConvolutionOption.Warn(settings.ChecksConvolutions
            ? ConvolutionCheck.Run(model, data.Training.Height, data.Training.Width, phase.Convolutions)
            : null);
        var ranges = NvtxRanges.Find(NativeLibTorch.EnsureLoaded().LibTorchFolder);
        var isGpu = device.Torch.type == DeviceType.CUDA;
        using var clock = new StepClock(settings.Steps, settings.Synchronise && isGpu ? () => torch.cuda.synchronize(device.Torch) : null, ranges);
        using var steps = new TrainingSteps(phase, model, data, device, clock);
        var exchange = new ExchangeProfile(ProcessGroup.Current);
        var images = Take(steps, device, clock, exchange, settings);
        var profile = new StepProfile(clock);
        new ProfileReport(profile, device, images, ranges is not null).Write($"{settings.Steps} steps of the {phase.Name} phase of {recipe.Preset}");
        exchange.Write(settings.Steps);
        if (isGpu || settings.Synchronise)
        {
            Console.WriteLine(
                !isGpu ? "On the CPU each part ends before the next begins, so --synchronise changes nothing."
                : settings.Synchronise ? "The host waited for the GPU after each part: the parts can be compared, and the whole is slower than training."
                : "These are the host's times: the GPU works through its queue meanwhile. --synchronise waits after each part, which slows the step.");
        }

        if (settings.Trace is { } trace)
        {
            ChromeTrace.Write(trace, profile);
            Console.WriteLine($"Trace: {trace}; open it in ui.perfetto.dev or chrome://tracing");
        }

        return ExitCode.Done;
    }

    // Returns the images of the measured steps.
    private static long Take(TrainingSteps steps, ComputeDevice device, StepClock clock, ExchangeProfile exchange, ProfileSettings settings)
    {
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        var (taken, images) = (0, 0L);
        if (device.Kernels is { } kernels)
        {
            kernels.LaunchObserver = clock.Launched;
        }

        for (var epoch = 0; ; epoch++)
        {
            foreach (var imagesOfStep in steps.Epoch(epoch % Math.Max(1, steps.Phase.Settings.Epochs), 0, sums))
            {
                taken++;
                images += imagesOfStep;
                var isLast = taken == settings.WarmUp + settings.Steps;
                if (isLast || taken == settings.WarmUp || taken % Trainer.StepsPerReport == 0)
                {
                    // As in training, and where the measurement begins and ends: reading the losses waits until the device has finished.
                    sums.EpochMeans(taken);
                }

                if (taken == settings.WarmUp)
                {
                    clock.Restart();
                    exchange.Restart();
                    images = 0;
                }

                if (isLast)
                {
                    clock.End();
                    exchange.End();
                    return images;
                }
            }
        }
    }

    private sealed record ProfileSettings(int Steps, int WarmUp, string Phase, string? Trace, bool Synchronise, bool ChecksConvolutions);
}

/// <summary>What the ranks exchanged in the measured steps; nothing where there is one.</summary>
internal sealed class ExchangeProfile(ProcessGroup ranks)
{
    private ExchangeTally[] tallies = Now(ranks);

    /// <summary>Forgets what came before.</summary>
    public void Restart() => tallies = Now(ranks);

    /// <summary>The last step is over.</summary>
    public void End() => tallies = [.. Now(ranks).Zip(tallies, (now, before) => now - before)];

    /// <summary>Writes what a rank gave and how long the first one waited.</summary>
    public void Write(int steps)
    {
        if (ranks.IsAlone)
        {
            return;
        }

        ConsoleTable.Write(
            $"Exchanged by {ranks.Size} ranks on {ranks.Hosts.Distinct().Count()} machine(s), per step and rank",
            ["part", "operations", "bytes given", "ms waited"],
            [.. Enum.GetValues<ExchangePart>().Zip(tallies).Where(part => part.Second.Operations > 0).Select(part => (string[])[
                part.First.ToString(),
                ((double)part.Second.Operations / steps).ToString("0.#", CultureInfo.InvariantCulture),
                (part.Second.Bytes / steps).ToString("N0", CultureInfo.InvariantCulture),
                (part.Second.Wait.TotalMilliseconds / steps).ToString("0.000", CultureInfo.InvariantCulture),
            ])]);
    }

    private static ExchangeTally[] Now(ProcessGroup ranks) => [.. Enum.GetValues<ExchangePart>().Select(part => ranks[part])];
}

internal sealed class ProfileReport(StepProfile profile, ComputeDevice device, long images, bool hasNvtx)
{
    private const double BytesPerMebibyte = 1 << 20;

    public void Write(string title)
    {
        Console.WriteLine($"Computes on: {device}");
        ConsoleTable.Write(
            $"{title}: time per step",
            ["part", "ms", "share", "longest ms", "managed bytes"],
            [.. profile.Parts.Select(Row), WholeStep()]);
        ConsoleTable.Write("The steps", ["what", "value"], [.. Rows().Select(row => new[] { row.Name, row.Value })]);
        if (device.Kernels is not null)
        {
            WriteKernels(device.Kernels.UsesHostMemory ? null : MachineCeiling.Measure(device.Torch));
        }
    }

    // The simulator's times say nothing about a GPU.
    private void WriteKernels(MachineCeiling? ceiling) => ConsoleTable.Write(
        $"Kernels, {PerStep(profile.Clock.Launches.Count)} launches per step"
            + (ceiling is null ? "" : string.Create(CultureInfo.InvariantCulture, $"; a copy reaches {ceiling.GigabytesPerSecond:0} GB/s here")),
        ["kernel", "launches per step", "KB of arrays per launch", .. ceiling is null ? (string[])[] : ["us per launch", "GB/s", "of the copy"]],
        [.. profile.Kernels().Select(kernel => (string[])[
            kernel.Kernel,
            PerStep(kernel.Launches),
            Count(kernel.ArrayBytes / kernel.Launches / 1024),
            .. ceiling is null ? (string[])[] :
            [
                (kernel.Time / kernel.Launches).TotalMicroseconds.ToString("0.0", CultureInfo.InvariantCulture),
                kernel.GigabytesPerSecond.ToString("0", CultureInfo.InvariantCulture),
                (kernel.GigabytesPerSecond / ceiling.GigabytesPerSecond).ToString("P0", CultureInfo.InvariantCulture),
            ]])]);

    private static string[] Row(PartSummary part) =>
    [
        part.Part.Name(), Milliseconds(part.Mean), string.Create(CultureInfo.InvariantCulture, $"{100 * part.Share:0.0} %"), Milliseconds(part.Longest),
        Count(part.AllocatedBytes),
    ];

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private string PerStep(int count) => ((double)count / profile.Steps.Count).ToString("0.##", CultureInfo.InvariantCulture);

    private string[] WholeStep() =>
    [
        "whole step", Milliseconds(profile.Duration / profile.Steps.Count), "100 %", Milliseconds(profile.StepTimes[^1]),
        Count(profile.Spans.Sum(span => span.AllocatedBytes) / profile.Steps.Count),
    ];

    private IEnumerable<(string Name, string Value)> Rows()
    {
        var median = profile.StepTimes[profile.StepTimes.Count / 2];
        yield return ("images/s", Count((long)(images / profile.Duration.TotalSeconds)));
        yield return ("images per step", Count(images / profile.Steps.Count));
        yield return ("median step", $"{Milliseconds(median)} ms");
        if (profile.TimePerBatch is { } batch)
        {
            yield return ("a data thread prepares a batch in", $"{Milliseconds(batch)} ms");
        }

        yield return ("managed bytes per step, all threads", Count(profile.Clock.AllocatedBytes / profile.Steps.Count));
        using var process = Process.GetCurrentProcess();
        var peak = process.PeakWorkingSet64 / BytesPerMebibyte;
        yield return ("resident memory, peak of the process", string.Create(CultureInfo.InvariantCulture, $"{peak:0} MiB"));
        yield return ("NVTX", hasNvtx ? "found; Nsight Systems shows the parts by name" : "not found; Nsight Systems would not show the parts by name");
    }
}

/// <summary><c>profile --kernels</c>: what the GPU code of each kernel does in a training step, counted on the CPU.</summary>
/// <remarks>
/// The step is the one of <c>train</c>, with a device that runs a sample of the blocks of a large launch; torch's own operations are not counted. What the kernels compute is
/// incomplete, so the losses mean nothing.
/// </remarks>
internal static class ProfileKernels
{
    // Less than a second of the machine; larger launches are sampled.
    private const long MostInstructions = 4_000_000;

    public static int Run(Recipe recipe, string phaseName, GpuRates gpu)
    {
        var data = TrainingRun.ReadForTraining(recipe);
        Trainer.PrepareTorch(recipe);
        var launches = new List<KernelWork>();
        using var device = ComputeDevice.OpenCounter(gpu, MostInstructions, launches.Add);
        using var model = Trainer.CreateModel(recipe, data.Training.ClassCount, device);
        var phase = Trainer.Phases(recipe, data, device).Single(phase => phase.Name == phaseName);
        phase.Enter(model);
        using var steps = new TrainingSteps(phase, model, data, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        launches.Clear();
        var images = steps.Epoch(0, 0, sums).First();
        Write(launches, string.Create(CultureInfo.InvariantCulture, $"One step of {images} images of {recipe.Preset}"), gpu);
        return ExitCode.Done;
    }

    private static void Write(List<KernelWork> launches, string title, GpuRates gpu)
    {
        var kernels = launches.GroupBy(work => work.Kernel)
            .Select(group => group.Aggregate((sum, work) => sum + work))
            .OrderByDescending(work => work.BoundMicroseconds(gpu)).ToArray();
        ConsoleTable.Write(
            $"{title}: thousands of warp-instructions by class, large launches by a sample of their blocks",
            ["kernel", "launches", .. Enum.GetNames<InstructionClass>().Select(name => name.ToLowerInvariant()), "divergent branches"],
            [.. kernels.Select(work => (string[])[
                work.Kernel,
                $"{work.Launches}",
                .. Enum.GetValues<InstructionClass>().Select(instructions => Number(work.Warps.GetValueOrDefault(instructions) / 1e3)),
                Number(work.DivergentBranches)])]);
        ConsoleTable.Write(
            string.Create(CultureInfo.InvariantCulture, $"Bounds on {gpu.Name} ({gpu.MemoryGigabytesPerSecond:0} GB/s, {gpu.Multiprocessors} multiprocessors, {gpu.ClockGigahertz} GHz)"),
            ["kernel", "MB of arrays", "MB of sectors", "sectors / needed", "wavefronts / needed", "memory us", "issue us", "bound us"],
            [.. kernels.Select(work => (string[])[
                work.Kernel,
                Number(work.ArrayBytes / 1e6),
                Number(work.GlobalBytes / 1e6),
                Ratio(work.SectorsPerNeeded),
                Ratio(work.WavefrontsPerNeeded),
                Number(work.MemoryMicroseconds(gpu)),
                Number(work.IssueMicroseconds(gpu)),
                Number(work.BoundMicroseconds(gpu))])]);
        var total = kernels.Sum(work => work.BoundMicroseconds(gpu));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{launches.Count} launches, at least {total:0} us together. A bound is what memory and issue rates allow at most; no GPU reaches it, and none was measured here."));
        Console.WriteLine(
            "Torch's own operations, convolutions above all, are not counted. Free are copies between registers and products that join a sum. "
            + "Sectors are those of 32 bytes that requests touch, by those that the same bytes would fill: below 1 where lanes read the same.");
    }

    private static string Number(double number) => number.ToString(number < 10 ? "0.0" : "N0", CultureInfo.InvariantCulture);

    private static string Ratio(double ratio) => ratio.ToString("0.00", CultureInfo.InvariantCulture);
}
