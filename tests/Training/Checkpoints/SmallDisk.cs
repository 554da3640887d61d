using System.Diagnostics;

namespace Pascl.Tests.Training.Checkpoints;

/// <summary>A disk of a few kilobytes in the place of a folder; tests that need one are skipped where the user may not mount.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly string folder;

    private SmallDisk(string folder) => this.folder = folder;

    public static SmallDisk Mount(string folder, int kilobytes)
    {
        if (!Environment.IsPrivilegedProcess || !Run("mount", "-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", folder))
        {
            Assert.Ignore("This user may not mount a small disk to fill; run the tests as root, for example in a container with SYS_ADMIN.");
        }

        return new SmallDisk(folder);
    }

    public void Dispose() => Run("umount", "--lazy", folder);

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
