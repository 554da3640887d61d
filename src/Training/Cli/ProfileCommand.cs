using System.CommandLine;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
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
        var command = new Command(
            "profile",
            "Runs steps of training, keeps nothing, and shows where their time goes: data, forward, each loss, backward, optimiser. "
            + "It also shows images per second, memory, and the kernels that were launched.");
        source.AddTo(command, steps, warmUp, phase, trace, synchronise);
        command.SetAction(result => Run(
            source.Read(result),
            new ProfileSettings(
                AtLeast(1, steps, result), AtLeast(0, warmUp, result), result.GetRequiredValue(phase), result.GetValue(trace), result.GetValue(synchronise),
                ConvolutionOption.IsOn(result))));
        return command.WithConvolutionCheck().WithExamples(
            "profile",
            "profile --preset cifar10-lt-cpu --data DATA --steps 20 --trace trace.json",
            "profile --phase auxiliary-branch --threads 1",
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

        var data = TrainingRun.ReadForTraining(recipe);
        Trainer.PrepareTorch(recipe);
        using var device = ComputeDevice.Open(recipe.Device, recipe.Backend);
        using var model = Trainer.CreateModel(recipe, data.Training.ClassCount, device);
        var phase = Trainer.Phases(recipe, data, device).Single(phase => phase.Name == settings.Phase);
        phase.Enter(model);
        ConvolutionOption.Warn(settings.ChecksConvolutions
            ? ConvolutionCheck.Run(model, data.Training.Height, data.Training.Width, ConvolutionUse.Training(phase))
            : null);
        var ranges = NvtxRanges.Find(NativeLibTorch.EnsureLoaded().LibTorchFolder);
        var isGpu = device.Torch.type == DeviceType.CUDA;
        using var clock = new StepClock(settings.Steps, settings.Synchronise && isGpu ? () => torch.cuda.synchronize(device.Torch) : null, ranges);
        using var steps = new TrainingSteps(phase, model, data, device, clock);
        var images = Take(steps, device, clock, settings);
        var profile = new StepProfile(clock);
        new ProfileReport(profile, device, images, ranges is not null).Write($"{settings.Steps} steps of the {phase.Name} phase of {recipe.Preset}");
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
    private static long Take(TrainingSteps steps, ComputeDevice device, StepClock clock, ProfileSettings settings)
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
                    images = 0;
                }

                if (isLast)
                {
                    clock.End();
                    return images;
                }
            }
        }
    }

    private sealed record ProfileSettings(int Steps, int WarmUp, string Phase, string? Trace, bool Synchronise, bool ChecksConvolutions);
}
