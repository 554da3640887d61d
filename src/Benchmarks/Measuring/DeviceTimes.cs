namespace Pascl.Benchmarks.Measuring;

/// <summary>The GPU's own times of the benchmark that runs.</summary>
internal static class DeviceTimes
{
    private static readonly List<double> PerCall = [];

    /// <summary>Nanoseconds of a call; null where none was measured.</summary>
    public static double? Median => PerCall.Count == 0 ? null : PerCall.Order().ElementAt(PerCall.Count / 2);

    /// <summary>Forgets them: what follows counts.</summary>
    public static void Clear() => PerCall.Clear();

    /// <summary>Enqueues calls, waits until the device has finished them, and notes its time where the device is a GPU.</summary>
    /// <param name="enqueue">Enqueues all calls.</param>
    /// <param name="calls">How many.</param>
    public static void Measure(Action enqueue, int calls)
    {
        if (BenchmarkMachine.Kernels is not { } device)
        {
            enqueue();
            return;
        }

        using var begin = device.Record();
        enqueue();
        using var end = device.Record();
        PerCall.Add(end.Since(begin).TotalNanoseconds / calls);
    }
}
