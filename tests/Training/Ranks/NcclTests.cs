using System.Diagnostics;
using System.Runtime.InteropServices;
using Pascl.Training.Cli;
using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Tests.Training.Ranks;

/// <summary>
/// Ranks whose tensors NCCL moves. There is no GPU in tests of several ranks: a library that stands in for NCCL moves the CPU's tensors, and refuses what NCCL would not
/// understand. It shows what Pascl calls, with which arguments and in which order; not that NCCL does it, and not how fast.
/// </summary>
public sealed class NcclTests
{
    private const string Tiny = "train --preset quickstart --device cpu --width 2 --image-size 8 --epochs 1 --finetune-epochs 1 --threads 1 --precision fp32 --check-convolutions off --collectives nccl";

    private TemporaryFolder folder = null!;

    [OneTimeSetUp]
    public void Build_what_stands_in()
    {
        OpenMpiRun.RequireIt();
        folder = new TemporaryFolder();
        var source = Path.Combine(AppContext.BaseDirectory, "Training", "Ranks", "NcclStandIn.c");
        if (!((string[])["gcc", "cc"]).Any(compiler => Compile(compiler, source)))
        {
            Assert.Ignore("There is no C compiler here (gcc or cc), so nothing stands in for NCCL.");
        }
    }

    [OneTimeTearDown]
    public void Remove_it() => folder?.Dispose();

    [TestCase(2)]
    [TestCase(3)]
    public void it_moves_what_mpi_moves(int ranks)
    {
        var (exitCode, output) = OpenMpiRun.Tests(Starter(ranks), [NcclRank.Argument, NcclRank.Exchange]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.Zero, output);
            Assert.That(Log(), Has.Length.EqualTo(ranks).And.All.Match(@"[1-9]\d* sums, [1-9]\d* broadcasts, [1-9]\d* in groups"));
        }
    }

    [TestCase("float32")]
    [TestCase(RankTraining.Kernels)]
    [Long]
    public void two_ranks_come_to_the_losses_and_weights_that_they_come_to_by_mpi_to_the_bit(string type)
    {
        var (byMpi, byNccl) = (RankTraining.Of(2, "pascl", type), RankTraining.Of(Starter(2), "pascl", type, byNccl: true));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(byNccl.Losses, Is.EqualTo(byMpi.Losses));
            foreach (var (name, values) in byMpi.State)
            {
                Assert.That(byNccl.State[name], Is.EqualTo(values), name);
            }

            Assert.That(Log(), Has.Length.EqualTo(2).And.All.Match(@"[1-9]\d* sums, [1-9]\d* broadcasts"));
        }
    }

    // A sum of three in another order has another last digit. (In float64 torch's own differ from run to run.)
    [Test, Long]
    public void three_ranks_come_to_those_that_they_come_to_by_mpi()
    {
        var (byMpi, byNccl) = (RankTraining.Of(3, "pascl", "float64"), RankTraining.Of(Starter(3), "pascl", "float64", byNccl: true));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(byNccl.Losses, Is.EqualTo(byMpi.Losses).Within(1e-7).Percent);
            foreach (var (name, values) in byMpi.State)
            {
                Assert.That(byNccl.State[name], Is.EqualTo(values).Within(1e-7 * Math.Max(1e-6, values.Max(Math.Abs))), name);
            }
        }
    }

    [Test, Long]
    public void the_program_trains_and_evaluates_with_it()
    {
        using var runs = new TemporaryFolder();
        var root = Path.Combine(runs.Path, "run");
        var (exitCode, output) = Program([], $"{Tiny} --out {root}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.Zero, output);
            Assert.That(output, Does.Contain("Next: pascl calibrate"));
            Assert.That(Log(), Has.Length.EqualTo(2), "every rank took leave");
        }
    }

    [TestCase("STANDIN_FAIL=ncclAllReduce:1", "rank 1 on ", "NCCL 2.21.5 could not sum over the ranks (ncclAllReduce): unhandled system error (ncclAllReduce was told to fail). NCCL_DEBUG=INFO shows more")]
    [TestCase("STANDIN_FAIL=ncclBroadcast:0", "rank 0 on ", "could not broadcast to the ranks (ncclBroadcast): unhandled system error")]
    [TestCase("STANDIN_FAIL=ncclCommInitRank:1", "rank 1 on ", "could not connect the ranks (ncclCommInitRank): unhandled system error (Duplicate GPU detected). ")]
    [TestCase("STANDIN_HANG=1", "rank 0 on ", "NCCL 2.21.5 did not connect the 2 ranks within 3 s, although they met by MPI")]
    [TestCase("STANDIN_BREAK=1", "rank 1 on ", "could not go on: remote process exited or there was a network error (the connection was told to break)")]
    public void a_failure_is_one_sentence_of_the_rank_and_ends_all(string setting, params string[] parts)
    {
        using var runs = new TemporaryFolder();
        var watch = Stopwatch.StartNew();
        var (exitCode, output) = Program([setting], $"{Tiny} --rank-timeout 3s --out {Path.Combine(runs.Path, "run")}");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.Not.Zero);
            Array.ForEach(parts, part => Assert.That(output, Does.Contain(part)));
            Assert.That(output, Does.Not.Contain("   at Pascl").And.Not.Contain("defect"));
            Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(50)), "the stand-in's own patience is 60 s");
        }
    }

    [Test, Long]
    public void a_rank_that_does_not_come_is_named_as_without_it()
    {
        var (exitCode, output) = OpenMpiRun.Tests(Starter(3), [NcclRank.Argument, NcclRank.Late]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.Not.Zero);
            Assert.That(output, Does.Match(@"rank 1 on \S+ did not come within 2 s: "));
        }
    }

    [Test]
    public void ranks_on_cpus_are_refused()
    {
        var (exitCode, output) = OpenMpiRun.Finish(OpenMpiRun.Start(Starter(2), OpenMpiRun.Program, Tiny.Split(' ')));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2), output);
            Assert.That(output, Does.Match(@"rank \d on \S+: --collectives nccl moves tensors of GPUs, but this rank computes on the device cpu; use --collectives mpi, or a --device that is a GPU\."));
        }
    }

    [Test]
    public void a_missing_library_is_named()
    {
        if (NativeLibrary.TryLoad("libnccl.so.2", out _))
        {
            Assert.Ignore("NCCL is installed here.");
        }

        var (exitCode, output) = OpenMpiRun.Pascl(2, Tiny.Split(' '));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2), output);
            Assert.That(output, Does.Contain("libnccl.so.2 was not found, which --collectives nccl needs: install NCCL").And.Contain("or use --collectives mpi."));
        }
    }

    [Test]
    public void other_collectives_are_refused_with_those_that_there_are()
    {
        var (exitCode, _, error) = PasclProgram.Run("train --collectives gloo");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2));
            Assert.That(error, Does.Contain("gloo").And.Contain("mpi").And.Contain("nccl"));
        }
    }

    // What comes before a program so that so many ranks find the library that stands in.
    private string[] Starter(int ranks, params string[] settings)
    {
        File.Delete(LogFile);
        return
        [
            .. OpenMpiRun.Starter(ranks), "env", $"LD_LIBRARY_PATH={folder.Path}:{Environment.GetEnvironmentVariable("LD_LIBRARY_PATH")}",
            $"STANDIN_FOLDER={folder.Path}", $"STANDIN_LOG={LogFile}", .. settings,
        ];
    }

    // Pascl as two ranks whose tensors of the CPU the stand-in moves.
    private (int ExitCode, string Output) Program(string[] settings, string arguments) =>
        OpenMpiRun.Tests(Starter(2, settings), [NcclRank.Argument, NcclRank.Program, .. arguments.Split(' ')]);

    private string LogFile => Path.Combine(folder.Path, "log");

    private string[] Log() => File.Exists(LogFile) ? File.ReadAllLines(LogFile) : [];

    private bool Compile(string compiler, string source)
    {
        try
        {
            using var process = Process.Start(compiler, ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", Path.Combine(folder.Path, "libnccl.so.2"), source]);
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.Zero, $"{compiler} compiles {source}");
            return true;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}

/// <summary>What a rank does whose tensors of the CPU are moved by the library that stands in for NCCL.</summary>
internal static class NcclRank
{
    /// <summary>The argument of the tests' program that makes it such a rank; behind it what it does.</summary>
    public const string Argument = "--by-nccl-as-a-rank";

    /// <summary>Moves tensors of every kind, by MPI first, and compares.</summary>
    public const string Exchange = "exchange";

    /// <summary>Does not come, if it is rank 1.</summary>
    public const string Late = "late";

    /// <summary>Runs Pascl; its arguments follow.</summary>
    public const string Program = "pascl";

    private static readonly torch.ScalarType[] exchanged = [torch.float32, torch.float64, torch.int64];

    /// <summary>Does it; the exit code of the process.</summary>
    public static int Run(string[] work)
    {
        Nccl.Moved = DeviceType.CPU;
        if (work is [Program, .. var arguments])
        {
            return PasclCommand.Run(PasclCommand.Create(), arguments);
        }

        try
        {
            NativeLibTorch.EnsureLoaded();
            var ranks = ProcessGroup.Join();
            var byMpi = Results(ranks);
            ranks.Nccl = Nccl.Load();
            ranks.Connect(torch.CPU);
            if (work is [Late])
            {
                ranks.Timeout = TimeSpan.FromSeconds(2);
                Thread.Sleep(ranks.Rank == 1 ? TimeSpan.FromMinutes(1) : TimeSpan.Zero);
            }

            RequireEqual(byMpi, Results(ranks));
            ranks.Leave();
            return 0;
        }
        catch (Exception exception)
        {
            return Failure.Report(exception, Console.Error);
        }
    }

    // Whole numbers, whose sums are exact in every order. What is exchanged, and the operations and bytes that are counted for it.
    private static List<(string Name, string Values)> Results(ProcessGroup ranks)
    {
        var results = new List<(string, string)>();
        var before = ranks[ExchangePart.Outputs];
        var own = ranks.Rank + 1;
        foreach (var type in exchanged)
        {
            foreach (var count in (long[])[0, 1, 1000])
            {
                using var values = torch.arange(count, torch.float64).mul(own).to(type);
                ranks.Sum(values, ExchangePart.Outputs);
                using var expected = torch.arange(count, torch.float64).mul(ranks.Size * (ranks.Size + 1) / 2).to(type);
                Keep($"sum of {count} {type}", values, expected);
            }

            // Views of one tensor that are begun together and finished from the last to the first.
            using var parts = torch.full(12, own, type);
            var pending = Enumerable.Range(0, 3).Select(part => ranks.BeginSum(parts.narrow(0, 4 * part, 4), ExchangePart.Outputs)).Reverse().ToList();
            pending.ForEach(sum => sum.Finish());
            pending.ForEach(sum => sum.Dispose());
            Keep($"sums of parts, {type}", parts, torch.full(12, ranks.Size * (ranks.Size + 1) / 2, type));

            // (rows, 3), (rows, 0) and (rows): rank r has 2r rows, so the first has none; then only the last one has some; then nobody.
            foreach (var rows in (int[][])[[.. Enumerable.Range(0, ranks.Size).Select(rank => 2 * rank)], [.. Enumerable.Range(0, ranks.Size).Select(rank => rank == ranks.Size - 1 ? 3 : 0)], new int[ranks.Size]])
            {
                foreach (var columns in (long[][])[[3], [0], []])
                {
                    using var all = torch.cat([.. rows.Select((count, rank) => torch.full([count, .. columns], rank + 1, type))]);
                    using var part = torch.full([rows[ranks.Rank], .. columns], own, type);
                    Keep($"rows {string.Join(' ', rows)} of {string.Join(' ', columns)} {type}", ranks.Gather(part, rows, ExchangePart.Outputs), all);
                }
            }
        }

        foreach (var type in (torch.ScalarType[])[.. exchanged, torch.@bool, torch.int8, torch.int32, torch.float16, torch.bfloat16])
        {
            // Every second column, none, and a scalar.
            using var values = torch.full([3, 8], ranks.IsFirst ? 1 : 0, type);
            ranks.Broadcast(values.slice(1, 0, 8, 2));
            Keep($"every second column, {type}", values.slice(1, 0, 8, 2), torch.ones([3, 4], type));
            Keep($"the others, {type}", values.slice(1, 1, 8, 2), torch.full([3, 4], ranks.IsFirst ? 1 : 0, type));
            using var scalar = torch.full([], ranks.IsFirst ? 1 : 0, type);
            ranks.Broadcast(scalar);
            Keep($"scalar, {type}", scalar, torch.ones([], type));
            using var nothing = torch.empty([0, 2], type);
            ranks.Broadcast(nothing);
        }

        var counted = ranks[ExchangePart.Outputs] - before;
        results.Add(("counted", $"{counted.Operations} operations, {counted.Bytes} bytes"));
        return results;

        void Keep(string name, torch.Tensor actual, torch.Tensor expected)
        {
            var isRight = actual.dtype == expected.dtype && actual.shape.SequenceEqual(expected.shape) && actual.equal(expected).all().item<bool>();
            results.Add((name, $"{(isRight ? "right" : "wrong")}: {string.Join(' ', actual.to(torch.float64).flatten().data<double>().ToArray())}"));
        }
    }

    private static void RequireEqual(List<(string Name, string Values)> byMpi, List<(string Name, string Values)> byNccl)
    {
        foreach (var (expected, actual) in byMpi.Zip(byNccl))
        {
            if (expected != actual || actual.Values.StartsWith("wrong", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"{actual.Name}: {expected.Values} by MPI, {actual.Values} by NCCL.");
            }
        }
    }
}
