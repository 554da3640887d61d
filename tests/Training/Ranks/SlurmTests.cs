using System.Diagnostics;

namespace Pascl.Tests.Training.Ranks;

/// <summary>Ranks that Slurm starts, one on each of two nodes.</summary>
[Platform("Linux")]
public sealed class SlurmTests
{
    private const string Tiny =
        "train --preset quickstart --width 2 --image-size 8 --epochs 1 --finetune-epochs 1 --threads 1 --precision fp32 --check-convolutions off";

    private static readonly string[] Longer = Tiny.Replace("--epochs 1", "--epochs 500", StringComparison.Ordinal).Split(' ');

    [Test, Long]
    public void slurm_starts_ranks_that_meet_and_none_where_they_cannot()
    {
        using var slurm = new PrivateSlurm();
        using var folder = new TemporaryFolder();
        var root = Path.Combine(folder.Path, "run");
        string[] arguments = [.. Tiny.Split(' '), "--out", root];
        foreach (var (mpi, sentence) in new[] { ("none", "srun started 2 processes without --mpi=pmix"), ("pmi2", "2 ranks were started by srun with PMI2") })
        {
            var (refused, said) = slurm.Pascl($"--mpi={mpi}", arguments);
            Assert.That(refused, Is.EqualTo(2), said);
            Assert.That(said, Does.Contain(sentence));
            Assert.That(Directory.Exists(root), Is.False);
        }

        var (exitCode, output) = slurm.Pascl("--mpi=pmix", arguments);
        Assert.That(exitCode, Is.Zero, output);
        Assert.That(File.ReadAllText(Path.Combine(root, "machine.json")), Does.Contain("\"ranks\": \"2 on "));
    }

    [Test, Long]
    public void a_rank_of_slurm_that_is_killed_ends_all_within_thirty_seconds_and_one_signal_saves()
    {
        using var slurm = new PrivateSlurm();
        using var folder = new TemporaryFolder();
        var killed = Path.Combine(folder.Path, "killed");
        var (time, said, _) = Disturb(slurm, "--mpi=pmix --kill-on-bad-exit=1", killed, () => RankOf(killed, 1).Kill());
        TestContext.Out.WriteLine($"{time.TotalSeconds:0.0} s after a rank was killed all had ended");
        Assert.That(time, Is.LessThan(TimeSpan.FromSeconds(30)), said);
        Assert.That(said, Does.Contain("rank 1 on ").And.Contain("did not come within 20 s"));

        // As before the time limit with srun --signal, which is only exact to a minute.
        var stopped = Path.Combine(folder.Path, "stopped");
        var (_, interrupted, exitCode) = Disturb(slurm, "--mpi=pmix", stopped, () => slurm.Signal("TERM"));
        Assert.That(exitCode, Is.EqualTo(130), interrupted);
        Assert.That(interrupted, Does.Contain("continue with: pascl train --resume"));
    }

    // How long the ranks went on after they were disturbed in the middle of training, and what they said.
    private static (TimeSpan Time, string Said, int ExitCode) Disturb(PrivateSlurm slurm, string options, string root, Action disturb)
    {
        using var process = slurm.StartPascl(options, [.. Longer, "--checkpoint-every", "1s", "--out", root]);
        var said = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        var waited = Stopwatch.StartNew();
        while (!File.Exists(Path.Combine(root, "checkpoint.safetensors")) && !process.HasExited && waited.Elapsed < TimeSpan.FromMinutes(2))
        {
            Thread.Sleep(50);
        }

        disturb();
        var disturbed = Stopwatch.StartNew();
        Assert.That(process.WaitForExit(TimeSpan.FromMinutes(2)), "srun ends");
        return (disturbed.Elapsed, string.Concat(said.Result), process.ExitCode);
    }

    private static Process RankOf(string root, int rank) => Process.GetProcessesByName("Pascl.Training").Single(process =>
        File.ReadAllText($"/proc/{process.Id}/cmdline").Contains(root, StringComparison.Ordinal)
        && File.ReadAllText($"/proc/{process.Id}/environ").Split('\0').Contains($"PMIX_RANK={rank}"));
}
