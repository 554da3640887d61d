using Pascl.Tests.Processes;
using Pascl.Tests.Training.Interop;
using Pascl.Training.Devices;

namespace Pascl.Tests.Training;

/// <summary>
/// What a step by kernels asks of a GPU, counted on the CPU: our launches as they are, and each operation of libtorch that computes as one. Their number depends on
/// the network's depth and the method, and on neither its width nor the batch.
/// </summary>
[SimulatesGpu]
[Platform("Linux")]
public sealed class StepLaunchTests
{
    [TestCase(Precision.Float32)]
    [TestCase(Precision.BFloat16)]
    public void a_step_of_the_shipped_recipe_is_so_many_launches_and_no_copy_that_is_waited_for(Precision precision) => Run(precision, (kernels, torchs) =>
    {
        var count = Count(kernels, torchs);
        TestContext.Out.WriteLine($"A step in {precision}: {count.Values.Sum()} launches");
        foreach (var (part, launches) in count)
        {
            TestContext.Out.WriteLine($"{launches,5}  {part}");
        }

        foreach (var name in torchs.Launches.GroupBy(operation => operation.Name).OrderByDescending(group => group.Count()))
        {
            TestContext.Out.WriteLine($"       {name.Count(),5}  {name.Key}");
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(count["optimiser"], Is.EqualTo(1));
            Assert.That(count["BatchNorm"], Is.EqualTo(4 * 20));
            Assert.That(count["losses"], Is.EqualTo(2 + 2));
            Assert.That(torchs.Moves, Is.Empty, "a copy between host and device waits");
            Assert.That(torchs.Names, Has.None.EqualTo("aten::_local_scalar_dense"), "reading a number waits");
        }
    });

    private static Dictionary<string, int> Count(IReadOnlyList<string> kernels, TorchOperations torchs) => new()
    {
        ["BatchNorm"] = kernels.Count(name => name.StartsWith("DualBatchNorm.", StringComparison.Ordinal)),
        ["losses"] = kernels.Count(name => name.Contains("Loss.", StringComparison.Ordinal)),
        ["optimiser"] = kernels.Count(name => name.StartsWith("FusedUpdate.", StringComparison.Ordinal)),
        ["torch: convolutions"] = torchs.Launches.Count(operation => operation.Name.Contains("convolution", StringComparison.Ordinal)),
        ["torch: casts and copies"] = torchs.Launches.Count(operation => operation.Name is "aten::copy_"),
        ["torch: everything else"] = torchs.Launches.Count(operation => operation.Name is not "aten::copy_" && !operation.Name.Contains("convolution", StringComparison.Ordinal)),
    };

    // The second step on the same batch; the first may compile kernels.
    private static void Run(Precision precision, Action<IReadOnlyList<string>, TorchOperations> test)
    {
        var recipe = TrainingStepTests.Small(TinyTraining.Recipe) with { Precision = precision };
        TrainingStepTests.Run(recipe, Backend.Ilgpu, phase: 0, (device, take) =>
        {
            take();
            var names = new List<string>();
            device.Kernels!.LaunchObserver = launch => names.Add(launch.Kernel.Name);
            using var operations = new TorchOperations();
            take();
            device.Kernels.LaunchObserver = null;
            test(names, operations);
        });
    }
}
