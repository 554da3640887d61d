using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Measuring;

/// <summary>
/// The same operation on as many copies of its memory as exceed the device's cache, taken in turn: a training step finds its inputs in memory, not in the cache
/// of the step before.
/// </summary>
internal sealed class RotatedRun : IDisposable
{
    /// <summary>Calls that follow one another before the host waits: a launch takes microseconds, and so would waiting.</summary>
    public const int Repeats = 64;

    private const int MostCopies = 512;

    private readonly List<DeviceRun> copies = [];
    private readonly Action launchAll;
    private int next;

    /// <summary>Makes the copies.</summary>
    /// <param name="device">Where.</param>
    /// <param name="create">Makes one.</param>
    public RotatedRun(KernelDevice device, Func<DeviceRun> create)
    {
        // The last copy must have left the cache before the first is used again, so twice its size.
        do
        {
            copies.Add(create());
        }
        while (copies.Count < MostCopies && copies.Count * copies[0].AllocatedBytes < 2 * device.CacheBytes);
        launchAll = () =>
        {
            for (var repeat = 0; repeat < Repeats; repeat++)
            {
                Launch();
            }
        };
    }

    /// <summary>How many copies there are.</summary>
    public int Copies => copies.Count;

    /// <summary>Enqueues the operation <see cref="Repeats"/> times, and waits.</summary>
    public void LaunchRepeatedly() => DeviceTimes.Measure(launchAll, Repeats);

    /// <summary>Checks the result of one run of every copy.</summary>
    public void Require(string name, ReadOnlySpan<double> expected, double allowed)
    {
        foreach (var copy in copies)
        {
            copy.Launch();
            Agreement.Require(name, copy.Result(), expected, allowed);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => copies.ForEach(copy => copy.Dispose());

    private void Launch()
    {
        copies[next].Launch();
        next = (next + 1) % copies.Count;
    }
}
