using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Pascl.Tests.Training.Ranks;

/// <summary>
/// Slurm with two nodes, both on this machine: a controller, two node daemons and the service that signs their messages, with a key and a configuration of their own in a temporary
/// folder, on loopback alone. Another Slurm of the machine is not touched.
/// </summary>
internal sealed class PrivateSlurm : IDisposable
{
    private static readonly TimeSpan patience = TimeSpan.FromSeconds(30);
    private static readonly string[] programs = ["munged", "slurmctld", "slurmd", "srun", "scancel", "sinfo"];

    private readonly TemporaryFolder folder = new();
    private readonly List<Process> daemons = [];
    private readonly string search = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin";

    /// <summary>Starts it; skips the test where that cannot be done.</summary>
    public PrivateSlurm()
    {
        if (Array.Find(programs, program => !search.Split(':').Any(path => File.Exists(Path.Combine(path, program)))) is { } missing)
        {
            Assert.Ignore($"There is no {missing} here (Debian: slurm-wlm, munge, libpmix-dev, which has the libpmix.so that Slurm looks for), so nothing is started by Slurm.");
        }

        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Ignore("Slurm's daemons are started by root alone, so nothing is started by Slurm.");
        }

        WriteConfiguration();
        Daemon("munged", "--foreground", "--force", "--num-threads=1", $"--key-file={At("munge.key")}", $"--socket={At("munge.socket")}", $"--pid-file={At("munge.pid")}", $"--log-file={At("munge.log")}", $"--seed-file={At("munge.seed")}");
        Daemon("slurmctld", "-D", "-c", "-f", At("n1/slurm.conf"));
        Daemon("slurmd", "-D", "-N", "n1", "-f", At("n1/slurm.conf"));
        Daemon("slurmd", "-D", "-N", "n2", "-f", At("n2/slurm.conf"));
        var waited = Stopwatch.StartNew();
        while (OpenMpiRun.Finish(Start("sinfo", "--noheader", "--format=%D %t")).Output.Trim() != "2 idle")
        {
            if (waited.Elapsed > patience)
            {
                Dispose();
                Assert.Ignore($"Slurm's two nodes are not ready after {patience.TotalSeconds:0} s, so nothing is started by Slurm.");
            }

            Thread.Sleep(500);
        }

        // Slurm lists PMIx whether it finds its library or not.
        if (OpenMpiRun.Finish(Start("srun", "--nodes=2", "--ntasks=2", "--mpi=pmix", "true")) is { ExitCode: not 0, Output: var reason })
        {
            Dispose();
            Assert.Ignore($"This Slurm cannot start ranks that meet (Debian: libpmix-dev), so nothing is started by it: {reason}");
        }
    }

    /// <summary>Runs Pascl behind <c>srun</c>, a rank on each node.</summary>
    public Process StartPascl(string options, params string[] arguments) =>
        Start("srun", ["--nodes=2", "--ntasks=2", .. options.Split(' '), Path.Combine(PasclProgram.Folder, "Pascl.Training"), .. arguments]);

    /// <summary>Runs it to its end.</summary>
    public (int ExitCode, string Output) Pascl(string options, params string[] arguments) => OpenMpiRun.Finish(StartPascl(options, arguments));

    /// <summary>Sends a signal to all ranks.</summary>
    public void Signal(string signal) => OpenMpiRun.Finish(Start("scancel", $"--signal={signal}", $"--user={Environment.UserName}"));

    /// <inheritdoc/>
    public void Dispose()
    {
        Signal("KILL");
        foreach (var daemon in Enumerable.Reverse(daemons))
        {
            daemon.Kill(entireProcessTree: true);
            daemon.WaitForExit();
            daemon.Dispose();
        }

        folder.Dispose();
    }

    private void WriteConfiguration()
    {
        File.WriteAllBytes(At("munge.key"), Enumerable.Range(0, 128).Select(_ => (byte)Random.Shared.Next(256)).ToArray());
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(At("munge.key"), UnixFileMode.UserRead);
        }

        var ports = FreePorts(4);
        var configuration = $"""
            ClusterName=pascl
            SlurmctldHost=localhost(127.0.0.1)
            CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
            SlurmUser=root
            SlurmdUser=root
            AuthType=auth/munge
            AuthInfo=socket={At("munge.socket")}
            SlurmctldPort={ports[0]}
            SlurmdPort={ports[1]}
            SlurmctldPidFile={At("slurmctld.pid")}
            SlurmdPidFile={At("%n.pid")}
            SlurmdSpoolDir={At("%n/spool")}
            StateSaveLocation={At("state")}
            SlurmctldLogFile={At("slurmctld.log")}
            SlurmdLogFile={At("%n.log")}
            ProctrackType=proctrack/linuxproc
            TaskPlugin=task/none
            SelectType=select/cons_tres
            SelectTypeParameters=CR_Core
            SlurmdParameters=config_overrides
            ReturnToService=2
            NodeName=n1 NodeHostname={Environment.MachineName} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=1000
            NodeName=n2 NodeHostname={Environment.MachineName} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=1 RealMemory=1000
            PartitionName=all Nodes=n[1-2] Default=YES MaxTime=10 State=UP

            """;
        Directory.CreateDirectory(At("state"));
        foreach (var node in (string[])["n1", "n2"])
        {
            // Two nodes of one machine would meet in one folder for PMIx, where one finds what the other has made.
            Directory.CreateDirectory(At($"{node}/spool"));
            File.WriteAllText(At($"{node}/mpi.conf"), $"PMIxCliTmpDirBase={At(node)}\n");
            File.WriteAllText(At($"{node}/slurm.conf"), configuration);
        }
    }

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        Array.ForEach(listeners, listener => listener.Start());
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        Array.ForEach(listeners, listener => listener.Stop());
        return ports;
    }

    private string At(string name) => Path.Combine(folder.Path, name);

    private void Daemon(string program, params string[] arguments)
    {
        var daemon = Start(program, arguments);
        daemon.OutputDataReceived += (_, _) => { };
        daemon.ErrorDataReceived += (_, _) => { };
        daemon.BeginOutputReadLine();
        daemon.BeginErrorReadLine();
        daemons.Add(daemon);
    }

    private Process Start(string program, params string[] arguments)
    {
        var path = search.Split(':').Select(folder => Path.Combine(folder, program)).First(File.Exists);
        var start = new ProcessStartInfo(path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["SLURM_CONF"] = At(program == "slurmd" ? $"{arguments[2]}/slurm.conf" : "n1/slurm.conf");
        return Process.Start(start)!;
    }
}
