using System.Diagnostics;
using System.Text.Json;
using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Methods;
using Pascl.Training.Optimisation;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training.Ranks;

/// <summary>
/// Steps of a tiny training as one of the ranks that <c>mpirun</c> starts, or alone: the shipped loader, step, objective and optimiser, in float32, with everything
/// made float64, or by the kernels on the simulator. The first rank writes what came out.
/// </summary>
internal static class RankTraining
{
    /// <summary>The argument of the tests' program that makes it a rank; behind it the method, the type, and the file of the result.</summary>
    public const string Argument = "--train-as-a-rank";

    /// <summary>Stands in the place of a method: PASCL with both kinds of virtual outliers.</summary>
    public const string OutlierFree = "pascl-outlier-free";

    /// <summary>Outlier exposure with an average of the weights.</summary>
    public const string Averaged = "oe-averaged";

    /// <summary>Stands in the place of a type: float32 by the kernels. The simulator takes its time, so the batches are small and the steps few.</summary>
    public const string Kernels = "kernels";

    /// <summary>Behind the file of the result: tensors are moved by what stands in for NCCL.</summary>
    public const string ByNccl = "nccl";

    /// <summary>What came out: the total loss of every step, and all weights and statistics.</summary>
    public sealed record Result(double[] Losses, Dictionary<string, double[]> State)
    {
        /// <summary>The number of each rank among those of its machine.</summary>
        public string[] LocalRanks { get; init; } = [];
    }

    /// <summary>Trains and writes; the exit code of the process.</summary>
    public static int Run(string method, string type, string output, bool byNccl)
    {
        NativeLibTorch.EnsureLoaded();
        var ranks = ProcessGroup.Join();
        if (byNccl)
        {
            Nccl.Moved = DeviceType.CPU;
            ranks.Nccl = Nccl.Load();
        }

        var result = Train(method, type) with { LocalRanks = ranks.GatherTexts($"{ranks.LocalRank}") };
        if (ranks.IsFirst)
        {
            File.WriteAllText(output, JsonSerializer.Serialize(result));
        }

        ranks.Leave();
        return 0;
    }

    /// <summary>The same by so many ranks, in processes of their own.</summary>
    public static Result Of(int ranks, string method, string type) => Of(OpenMpiRun.Starter(ranks), method, type);

    /// <summary>The same by whatever ranks are started.</summary>
    /// <param name="starter">What comes before the program.</param>
    /// <param name="method">Name of the method.</param>
    /// <param name="type">float32, float64 or <see cref="Kernels"/>.</param>
    /// <param name="byNccl">Whether the library that stands in for NCCL moves the tensors.</param>
    public static Result Of(string[] starter, string method, string type, bool byNccl = false)
    {
        using var folder = new TemporaryFolder();
        var output = Path.Combine(folder.Path, "result.json");
        string[] arguments = [Argument, method, type, output, .. byNccl ? (string[])[ByNccl] : []];
        var (exitCode, said) = OpenMpiRun.Tests(starter, arguments);
        Assert.That(exitCode, Is.Zero, said);
        return JsonSerializer.Deserialize<Result>(File.ReadAllText(output))!;
    }

    private static Result Train(string method, string type)
    {
        var (isDouble, isSingle, byKernels) = (type == "float64", type == "float32", type == Kernels);
        var (batchSize, outliers, firstSteps, secondSteps) = byKernels ? (7, 3, 3, 2) : (22, 9, 20, 5);

        // SGD, because Adam turns the last bit of a gradient of nearly zero into a whole step. In many steps of single precision the weights hardly move, because rounding
        // moves some activations across the corner of ReLU: from the second step on, what is compared would be the corners.
        var optimiser = new OptimiserSettings(OptimiserKind.Sgd, LearningRate: isSingle ? 1e-5 : 0.02);
        var recipe = Recipe(method) with { Width = isSingle ? 8 : 4, OutlierBatchSize = outliers };
        recipe = recipe with { Data = recipe.Data with { ImageSize = isSingle ? 16 : recipe.Data.ImageSize } };
        recipe = recipe with
        {
            Representation = recipe.Representation with { BatchSize = batchSize, Optimiser = optimiser },
            AuxiliaryBranch = recipe.AuxiliaryBranch with { BatchSize = batchSize, Optimiser = optimiser, Epochs = 1 },
        };
        Trainer.PrepareTorch(recipe);
        var data = isSingle ? TrainingDataReader.Read(recipe) : TinyTraining.Data;
        using var device = ComputeDevice.Open("cpu", byKernels ? Backend.Ilgpu : Backend.Torch);
        using var model = Trainer.CreateModel(recipe, data.Training.ClassCount, device);
        if (isDouble)
        {
            model.to(torch.float64);
        }

        var losses = new List<double>();
        foreach (var (phase, count) in Trainer.Phases(recipe, data, device).Zip([firstSteps, secondSteps]))
        {
            phase.Enter(model);
            using var steps = new TrainingSteps(phase, model, data, device);
            using var loader = TrainingSteps.NewLoader(phase, data, device);
            model.train();
            foreach (var batch in loader.Epoch(0).Take(count))
            {
                using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
                using (batch)
                {
                    using var scope = torch.NewDisposeScope();
                    steps.Take(isDouble ? batch with { OutlierCount = batch.OutlierCount, Images = batch.Images.to(torch.float64) } : batch, sums);
                }

                losses.Add(sums.EpochMeans(1)[0]);
            }

            steps.Average?.Keep();
        }

        using var values = torch.NewDisposeScope();
        return new Result([.. losses], model.state_dict().ToDictionary(
            entry => entry.Key, entry => entry.Value.detach().to(torch.float64).contiguous().data<double>().ToArray()));
    }

    private static Recipe Recipe(string method) => method switch
    {
        OutlierFree => TinyTraining.Recipe with { VirtualOutliers = new VirtualOutlierRecipe { InUse = true, Kind = VirtualOutlierKind.Both } },
        Averaged => MethodDefinition.Change(TinyTraining.Recipe, Method.OutlierExposure) with { EmaDecay = 0.9 },
        _ => MethodDefinition.Change(TinyTraining.Recipe, method),
    };
}

/// <summary>Starts the tests' program, or Pascl, as ranks of Open MPI.</summary>
internal static class OpenMpiRun
{
    private static readonly bool isThere = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "mpirun")));

    /// <summary>Pascl.</summary>
    public static string Program => Path.Combine(PasclProgram.Folder, "Pascl.Training");

    /// <summary>Skips a test where there is no <c>mpirun</c>.</summary>
    public static void RequireIt()
    {
        if (!isThere)
        {
            Assert.Ignore("There is no mpirun here (Debian: openmpi-bin), so nothing is trained by several ranks.");
        }
    }

    /// <summary>What comes before a program so that so many ranks of it run; nothing for one.</summary>
    public static string[] Starter(int ranks) => ranks == 1 ? [] : ["mpirun", "-n", $"{ranks}", "--oversubscribe", "--bind-to", "none"];

    /// <summary>Runs the tests' program behind a starter.</summary>
    public static (int ExitCode, string Output) Tests(string[] starter, string[] arguments) => Finish(Start(starter, Environment.ProcessPath!, arguments));

    /// <summary>Runs Pascl as so many ranks.</summary>
    public static (int ExitCode, string Output) Pascl(int ranks, params string[] arguments) => Finish(StartPascl(ranks, arguments));

    /// <summary>Starts Pascl likewise.</summary>
    public static Process StartPascl(int ranks, params string[] arguments) => Start(Starter(ranks), Program, arguments);

    /// <summary>Waits for the end of what was started.</summary>
    public static (int ExitCode, string Output) Finish(Process process)
    {
        using (process)
        {
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output + error.Result);
        }
    }

    /// <summary>Starts a program behind a starter.</summary>
    public static Process Start(string[] starter, string program, string[] arguments)
    {
        string[] line = [.. starter, program, .. arguments];
        var start = new ProcessStartInfo(line[0], line[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };

        // Containers and continuous integration often are root.
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        return Process.Start(start)!;
    }
}
