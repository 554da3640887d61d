using System.Diagnostics;
using Pascl.Training;
using Pascl.Training.Cli;
using Pascl.Training.Devices;
using Pascl.Training.Ranks;

namespace Pascl.Tests.Training.Ranks;

/// <summary>The commands as a user types them behind <c>mpirun</c>.</summary>
public sealed class RankCommandTests
{
    private const string Tiny =
        "train --preset quickstart --width 2 --image-size 8 --epochs 1 --finetune-epochs 1 --threads 1 --precision fp32 --check-convolutions off";

    [Test]
    public void without_mpirun_no_library_is_loaded_and_there_is_one_rank()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ProcessGroup.Join().Size, Is.EqualTo(1));
            Assert.That(File.ReadAllText("/proc/self/maps"), Does.Not.Contain("libmpi"));
        }
    }

    [TestCase(10, 4, new[] { 2, 3, 2, 3 })]
    [TestCase(3, 4, new[] { 0, 1, 1, 1 })]
    [TestCase(0, 2, new[] { 0, 0 })]
    [TestCase(7, 1, new[] { 7 })]
    public void shares_follow_one_another_and_differ_by_one_at_most(int count, int ranks, int[] expected)
    {
        var shares = Enumerable.Range(0, ranks).Select(rank => new RankShare(rank, ranks).Of(count)).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(shares.Select(share => share.Count), Is.EqualTo(expected));
            Assert.That(shares.Select(share => share.First), Is.EqualTo(expected.Select((_, rank) => expected.Take(rank).Sum())));
        }
    }

    [Test, Long]
    public void two_ranks_train_evaluate_and_resume_and_only_the_first_one_writes_and_speaks()
    {
        OpenMpiRun.RequireIt();
        using var folder = new TemporaryFolder();
        var root = Path.Combine(folder.Path, "run");
        var trained = OpenMpiRun.Pascl(2, [.. Tiny.Split(' '), "--out", root]);
        Assert.That(trained.ExitCode, Is.Zero, trained.Output);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Count(trained.Output, "Next: pascl calibrate"), Is.EqualTo(1));
            Assert.That(Count(trained.Output, "many"), Is.EqualTo(1));
            Assert.That(File.ReadAllText(Path.Combine(root, "machine.json")), Does.Contain("\"ranks\": \"2 on "));
            Assert.That(File.ReadAllLines(Path.Combine(root, "log.jsonl")).Distinct().Count(), Is.EqualTo(File.ReadAllLines(Path.Combine(root, "log.jsonl")).Length));
        }

        // One rank says of the run what two say, to the last digit.
        var (ofTwo, ofOne) = (Path.Combine(folder.Path, "two.json"), Path.Combine(folder.Path, "one.json"));
        Assert.That(OpenMpiRun.Pascl(2, "evaluate", root, "--out", ofTwo, "--check-convolutions", "off").ExitCode, Is.Zero);
        Assert.That(OpenMpiRun.Pascl(1, "evaluate", root, "--out", ofOne, "--check-convolutions", "off").ExitCode, Is.Zero);
        Assert.That(File.ReadAllText(ofTwo), Is.EqualTo(File.ReadAllText(ofOne)));

        // A run of two ranks is continued by one, and the other way round.
        var again = OpenMpiRun.Pascl(1, "train", "--resume", root);
        Assert.That(again.ExitCode, Is.Zero, again.Output);
    }

    [Test, Long]
    public void a_rank_that_is_killed_ends_all_and_the_run_goes_on_from_its_checkpoint()
    {
        OpenMpiRun.RequireIt();
        using var folder = new TemporaryFolder();
        var root = Path.Combine(folder.Path, "run");
        KillWhenThereIsACheckpoint(root, (process, rank) => rank.Kill());
        var continued = OpenMpiRun.Pascl(2, "train", "--resume", root, "--check-convolutions", "off");
        Assert.That(continued.ExitCode, Is.Zero, continued.Output);
        Assert.That(continued.Output, Does.Contain("Page: "));
    }

    [Test, Long]
    public void a_run_whose_ranks_are_killed_at_twenty_random_moments_comes_to_the_same_weights()
    {
        OpenMpiRun.RequireIt();
        using var folder = new TemporaryFolder();
        string[] Line(string name) =>
            [.. Tiny.Replace("--epochs 1", "--epochs 20", StringComparison.Ordinal).Split(' '), "--checkpoint-every", "1s", "--resume", "auto", "--out", Path.Combine(folder.Path, name)];
        var undisturbed = OpenMpiRun.Pascl(2, Line("whole"));
        Assert.That(undisturbed.ExitCode, Is.Zero, undisturbed.Output);
        var expected = Weights(Path.Combine(folder.Path, "whole"));
        var random = new Random(17);
        for (var (kills, run) = (0, 0); kills < 20;)
        {
            using var process = OpenMpiRun.StartPascl(2, Line($"killed-{run}"));
            var said = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            WaitUntil(process, () => RanksOf(process).Length == 2);
            Thread.Sleep(random.Next(4000));
            var isKilled = RanksOf(process) is { Length: 2 } ranks && Signal(ranks[random.Next(2)], "KILL");
            Assert.That(process.WaitForExit(TimeSpan.FromSeconds(30)), "mpirun ends within 30 s");
            if (!isKilled || process.ExitCode == 0)
            {
                // It came to its end before.
                Assert.That(process.ExitCode, Is.Zero, string.Concat(said.Result));
                Assert.That(Weights(Path.Combine(folder.Path, $"killed-{run++}")), Is.EqualTo(expected));
                continue;
            }

            if (++kills == 20)
            {
                var (exitCode, output) = OpenMpiRun.Pascl(2, Line($"killed-{run}"));
                Assert.That(exitCode, Is.Zero, output);
                Assert.That(Weights(Path.Combine(folder.Path, $"killed-{run}")), Is.EqualTo(expected));
            }
        }
    }

    [Test, Long]
    public void a_killed_run_with_averaged_weights_goes_on_with_as_many_ranks_to_the_same_weights_and_with_another_number_to_its_end()
    {
        OpenMpiRun.RequireIt();
        using var folder = new TemporaryFolder();
        var (undisturbed, byTwo, byThree) = (Path.Combine(folder.Path, "whole"), Path.Combine(folder.Path, "two"), Path.Combine(folder.Path, "three"));
        string[] averaged = ["--ema-decay", "0.9"];
        Assert.That(OpenMpiRun.Pascl(2, [.. TenEpochs(undisturbed), .. averaged]).ExitCode, Is.Zero);
        foreach (var (ranks, root) in ((int, string)[])[(2, byTwo), (3, byThree)])
        {
            KillWhenThereIsACheckpoint(root, (process, rank) => rank.Kill(), averaged);
            var continued = OpenMpiRun.Pascl(ranks, "train", "--resume", root);
            Assert.That(continued.ExitCode, Is.Zero, continued.Output);
            Assert.That(continued.Output, Does.Contain("Page: "));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Weights(byTwo), Is.EqualTo(Weights(undisturbed)));
            Assert.That(Weights(byThree).Keys, Is.EquivalentTo(Weights(undisturbed).Keys));
        }
    }

    [Test, Long]
    public void a_rank_that_hangs_is_named_after_the_timeout()
    {
        OpenMpiRun.RequireIt();
        using var folder = new TemporaryFolder();
        var output = KillWhenThereIsACheckpoint(Path.Combine(folder.Path, "run"), (_, rank) => Signal(rank.Id, "STOP"));
        Assert.That(output, Does.Match(@"rank [01] on \S+: rank [01] on \S+ did not come within 10 s: .*--rank-timeout\."));
    }

    [TestCase("train --preset quickstart --batch 1", "rank 0 on", "The batch size of the first phase is 1")]
    [TestCase("doctor", "doctor is done by one process, but 2 were started", "without mpirun")]
    public void bad_input_is_one_sentence(string arguments, params string[] parts)
    {
        OpenMpiRun.RequireIt();
        var (exitCode, output) = OpenMpiRun.Pascl(2, arguments.Split(' '));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2));
            Array.ForEach(parts, part => Assert.That(output, Does.Contain(part)));
        }
    }

    [TestCase("--help")]
    [TestCase("doctor --help")]
    [TestCase("--version")]
    public void help_and_the_version_are_said_once(string arguments)
    {
        OpenMpiRun.RequireIt();
        var (alone, together) = (OpenMpiRun.Pascl(1, arguments.Split(' ')), OpenMpiRun.Pascl(2, arguments.Split(' ')));
        var firstLine = alone.Output.Trim().Split('\n')[0].Trim();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(together.ExitCode, Is.Zero, together.Output);
            Assert.That(Count(together.Output, firstLine), Is.EqualTo(Count(alone.Output, firstLine)).And.Positive);
        }
    }

    [Test]
    public void the_quickstart_is_done_by_ranks_too() =>
        Assert.That(PasclCommand.Create().Options.Select(option => option.Name), Does.Contain("--rank-timeout"));

    [Test]
    public void another_mpi_is_named()
    {
        var (exitCode, _, error) = PasclProgram.Run("train", ("PMI_SIZE", "2"), ("PMI_RANK", "0"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2));
            Assert.That(error, Does.StartWith("2 ranks were started by the mpiexec of another MPI (MPICH or Intel MPI)"));
        }
    }

    [TestCase("none", "srun started 2 processes without --mpi=pmix, so that each would do all of the work alone.")]
    [TestCase("pmi2", "2 ranks were started by srun with PMI2")]
    public void processes_of_slurm_that_cannot_meet_do_not_all_do_the_same(string mpi, string sentence)
    {
        (string, string)[] environment = [("SLURM_STEP_NUM_TASKS", "2"), .. mpi == "pmi2" ? ((string, string)[])[("PMI_SIZE", "2")] : []];
        var (exitCode, _, error) = PasclProgram.Run("train", environment);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2));
            Assert.That(error, Does.StartWith(sentence));
        }
    }

    [Test]
    public void commands_of_one_process_may_be_started_many_times_by_slurm() =>
        Assert.That(PasclProgram.Run("ptx NoSuchKernel", ("SLURM_STEP_NUM_TASKS", "2")).Error, Does.StartWith("No kernel has NoSuchKernel in its name"));

    [TestCase(0, 4, false, 0)]
    [TestCase(3, 4, false, 3)]
    [TestCase(3, 1, true, 0)] // srun --gpus-per-task=1
    [TestCase(3, 4, true, 3)] // and --gpu-bind=none
    public void a_rank_takes_the_gpu_of_its_number_or_the_one_that_it_alone_is_shown(int localRank, int found, bool areItsOwn, int expected) =>
        Assert.That(ComputeDevice.OwnGpu(localRank, found, areItsOwn), Is.EqualTo(expected));

    [Test, Long]
    public void ranks_of_a_machine_are_numbered_among_those_that_are_shown_the_same_gpus()
    {
        OpenMpiRun.RequireIt();
        string[] shown = ["sh", "-c", "CUDA_VISIBLE_DEVICES=$((OMPI_COMM_WORLD_RANK % 2)) exec \"$@\"", "sh"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(RankTraining.Of([.. OpenMpiRun.Starter(3), .. shown], "oe", "float32").LocalRanks, Is.EqualTo(["0", "0", "1"]));
            Assert.That(RankTraining.Of(2, "oe", "float32").LocalRanks, Is.EqualTo(["0", "1"]));
        }
    }

    [Test]
    public void more_ranks_than_gpus_are_refused() =>
        Assert.That(() => ComputeDevice.OwnGpu(1, 1, areItsOwn: false), Throws.TypeOf<InputException>().With.Message.StartsWith("This is rank 2 of its machine, but libtorch finds 1 GPU(s)"));

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    private static string[] TenEpochs(string root) =>
        [.. Tiny.Replace("--epochs 1", "--epochs 10", StringComparison.Ordinal).Split(' '), "--checkpoint-every", "1s", "--rank-timeout", "10s", "--out", root];

    private static Dictionary<string, byte[]> Weights(string root)
    {
        using var run = RunFolder.Open(root);
        return TinyTraining.Tensors(run);
    }

    // Ends or stops the second rank in the middle of training; what mpirun and the ranks said.
    private static string KillWhenThereIsACheckpoint(string root, Action<Process, Process> disturb, params string[] arguments)
    {
        using var process = OpenMpiRun.StartPascl(2, [.. TenEpochs(root), .. arguments]);
        var said = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        WaitUntil(process, () => File.Exists(Path.Combine(root, "checkpoint.safetensors")));
        using var second = Process.GetProcessById(RanksOf(process)[^1]);
        disturb(process, second);
        Assert.That(process.WaitForExit(TimeSpan.FromSeconds(30)), "mpirun ends within 30 s");
        return string.Concat(said.Result);
    }

    private static void WaitUntil(Process process, Func<bool> isSo)
    {
        var waited = Stopwatch.StartNew();
        while (!isSo() && !process.HasExited && waited.Elapsed < TimeSpan.FromMinutes(2))
        {
            Thread.Sleep(50);
        }
    }

    // The processes that mpirun started.
    private static int[] RanksOf(Process process) => process.HasExited
        ? []
        : [.. File.ReadAllText($"/proc/{process.Id}/task/{process.Id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];

    // Whether there was such a process.
    private static bool Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process}"]);
        kill.WaitForExit();
        return kill.ExitCode == 0;
    }
}
