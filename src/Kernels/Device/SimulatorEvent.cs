using System.Diagnostics;

namespace Pascl.Kernels.Device;

/// <summary>A moment of the simulator, whose launches have ended when they return: the host's time.</summary>
internal sealed class SimulatorEvent : DeviceEvent
{
    private readonly long time = Stopwatch.GetTimestamp();

    public override TimeSpan Since(DeviceEvent earlier) => Stopwatch.GetElapsedTime(((SimulatorEvent)earlier).time, time);

    public override void Dispose()
    {
        // Nothing is held.
    }
}
