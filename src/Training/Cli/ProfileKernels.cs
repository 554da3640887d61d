using System.Globalization;
using Pascl.Kernels.Ptx;
using Pascl.Training.Devices;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary><c>profile --kernels</c>: what the GPU code of each kernel does in a training step, counted on the CPU.</summary>
/// <remarks>
/// The step is the one of <c>train</c>, with a device that runs a sample of the blocks of a large launch; torch's own operations are not counted. What the kernels compute is
/// incomplete, so the losses mean nothing.
/// </remarks>
internal static class ProfileKernels
{
    // A second of the machine at most; larger launches are sampled.
    private const long MostInstructions = 20_000_000;

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
