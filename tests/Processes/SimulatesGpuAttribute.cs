namespace Pascl.Tests.Processes;

/// <summary>
/// Marks fixtures that spend their time in the simulator of GPUs. Its lanes are threads that meet at barriers, and .NET lets a thread spin at a barrier unless the
/// machine has one processor, which takes the time of the lanes that are waited for: these tests take half of it in a worker that is told of one. The lanes
/// still run on all processors.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = false)]
internal sealed class SimulatesGpuAttribute() : PropertyAttribute(Name, "")
{
    /// <summary>The property of a fixture that is marked.</summary>
    public const string Name = "SimulatesGpu";
}
