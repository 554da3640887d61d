using System.Diagnostics;

namespace Pascl.Tests.Training.Ranks;

/// <summary>
/// Two machines as far as Open MPI can tell: network namespaces joined by a virtual cable, each with its address, its loopback and its name; ranks of one reach those of the
/// other by TCP alone. In the place of ssh a script enters the second namespace.
/// </summary>
internal sealed class TwoMachines : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string first = $"pascl-a-{Environment.ProcessId}";
    private readonly string second = $"pascl-b-{Environment.ProcessId}";

    /// <summary>Sets them up; skips the test where that is not allowed.</summary>
    public TwoMachines()
    {
        string[] commands =
        [
            $"netns add {first}", $"netns add {second}", $"link add cable netns {first} type veth peer name cable netns {second}",
            $"-n {first} addr add 10.77.0.1/24 dev cable", $"-n {second} addr add 10.77.0.2/24 dev cable",
            $"-n {first} link set lo up", $"-n {second} link set lo up", $"-n {first} link set cable up", $"-n {second} link set cable up",
        ];
        if (Array.Find(commands, command => !Ip(command)) is { } refused)
        {
            Dispose();
            Assert.Ignore($"Two machines cannot be set up here: 'ip {refused}' is refused (iproute2 and root are needed).");
        }

        Agent = Path.Combine(folder.Path, "agent");
        File.WriteAllText(Agent, $"#!/bin/sh\nshift\nexec ip netns exec {second} unshare --uts sh -c \"hostname machine-b; $*\"\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Agent, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
    }

    /// <summary>What is called in the place of ssh.</summary>
    private string Agent { get; }

    /// <summary>What comes before a program so that one rank of it runs on each machine.</summary>
    public string[] Starter =>
    [
        "ip", "netns", "exec", first, "mpirun", "-n", "2", "--host", "10.77.0.1:1,10.77.0.2:1", "--bind-to", "none", "--mca", "plm_rsh_agent", Agent,
        "--mca", "btl_tcp_if_include", "10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24",
    ];

    public void Dispose()
    {
        Ip($"netns del {first}");
        Ip($"netns del {second}");
        folder.Dispose();
    }

    private static bool Ip(string arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
