using Pascl.Tests.Processes;
using Pascl.Tests.Training.Interop;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using TorchSharp;

namespace Pascl.Tests.Training;

/// <summary>
/// What a step by kernels asks of a GPU, counted on the CPU: our launches as they are, and each operation of libtorch that computes as one, a convolution's gradient as
/// two. Their number depends on the network's depth and the method, and on neither its width nor the batch.
/// </summary>
[SimulatesGpu]
[Platform("Linux")]
public sealed class StepLaunchTests
{
    // 900 or so before Adam was one launch, gradients were handed over and batches were counted by the host.
    [Long]
    [TestCase(Precision.Float32, 218)]
    [TestCase(Precision.BFloat16, 261)]
    public void a_step_of_the_shipped_recipe_is_so_many_launches_and_no_copy_that_is_waited_for(Precision precision, int most) => Run(precision, (kernels, torchs) =>
    {
        var count = Count(kernels, torchs);
        TestContext.Out.WriteLine($"A step in {precision}: {count.Values.Sum()} launches");
        foreach (var (part, launches) in count)
        {
            TestContext.Out.WriteLine($"{launches,5}  {part}");
        }

        foreach (var (name, launches) in torchs.Launches.OrderByDescending(launches => launches.Value))
        {
            TestContext.Out.WriteLine($"       {launches,5}  {name}");
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(count["optimiser"], Is.EqualTo(1));
            Assert.That(count["BatchNorm"], Is.EqualTo(4 * 20));
            Assert.That(count["losses"], Is.EqualTo(2 + 2));
            Assert.That(count.Values.Sum(), Is.AtMost(most));
            Assert.That(torchs.ClonedGradients, Is.Empty);
            Assert.That(torchs.Moves, Is.Empty, "a copy between host and device waits");
            Assert.That(torchs.Names, Has.None.EqualTo("aten::_local_scalar_dense"), "reading a number waits");
        }
    });

    [Test]
    public void the_second_phase_too_copies_nothing_that_is_waited_for()
    {
        var recipe = TrainingStepTests.Small(TinyTraining.Recipe);
        TrainingStepTests.Run(recipe, Backend.Ilgpu, phase: 1, (device, take) =>
        {
            take();
            var waits = device.Kernels!.HostWaits;
            using var operations = new TorchOperations();
            take();
            using (Assert.EnterMultipleScope())
            {
                Assert.That(operations.Moves, Is.Empty);
                Assert.That(operations.ClonedGradients, Is.Empty);
                Assert.That(device.Kernels.HostWaits, Is.EqualTo(waits));
            }
        });
    }

    [Test]
    public void a_gradient_that_torch_clones_is_seen()
    {
        using var scope = torch.NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Kernels.Devices.Get("simulator"), outlierWeight: 0.5);
        var logits = torch.randn(7, 3).requires_grad_();
        var total = loss.forward(logits, torch.tensor((long[])[0, 2, 1, 2])).Total;
        using var operations = new TorchOperations();
        KernelGradients.Backward(total);
        Assert.That(operations.ClonedGradients, Is.Not.Empty, "the callback returns the gradient, and still holds it when torch looks");
    }

    private static Dictionary<string, int> Count(IReadOnlyList<string> kernels, TorchOperations torchs) => new()
    {
        ["BatchNorm"] = kernels.Count(name => name.StartsWith("DualBatchNorm.", StringComparison.Ordinal)),
        ["losses"] = kernels.Count(name => name.Contains("Loss.", StringComparison.Ordinal)),
        ["optimiser"] = kernels.Count(name => name.StartsWith("FusedUpdate.", StringComparison.Ordinal)),
        ["torch: convolutions"] = torchs.Launches.Where(operation => IsConvolution(operation.Key)).Sum(operation => operation.Value),
        ["torch: casts and copies"] = torchs.Launches.GetValueOrDefault("aten::copy_"),
        ["torch: everything else"] = torchs.Launches.Where(operation => operation.Key != "aten::copy_" && !IsConvolution(operation.Key)).Sum(operation => operation.Value),
    };

    private static bool IsConvolution(string name) => name.Contains("convolution", StringComparison.Ordinal);

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
