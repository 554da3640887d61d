using Pascl.Tests.Processes;
using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training;

/// <summary>What a step costs beside time: launches, managed memory, tensors that stay, and waiting. Counted, because time is not the same twice.</summary>
[SimulatesGpu]
public sealed class TrainingStepTests
{
    /// <summary>The recipe with batches of a few images.</summary>
    internal static Recipe Small(Recipe recipe) => recipe with
    {
        OutlierBatchSize = 3,
        Representation = recipe.Representation with { BatchSize = 4 },
        AuxiliaryBranch = recipe.AuxiliaryBranch with { BatchSize = 4 },
    };

    [Test]
    public void a_step_allocates_little_managed_memory_and_leaves_no_tensor([Values(0, 1)] int phase) => Run(Backend.Torch, phase, (_, take) =>
    {
        for (var step = 0; step < 5; step++)
        {
            take();
        }

        const int Steps = 5;
        var (tensors, bytes) = (torch.Tensor.TotalCount, GC.GetAllocatedBytesForCurrentThread());
        for (var step = 0; step < Steps; step++)
        {
            take();
            Assert.That(torch.Tensor.TotalCount, Is.EqualTo(tensors), "tensors after the step");
        }

        var perStep = (GC.GetAllocatedBytesForCurrentThread() - bytes) / Steps;
        Assert.That(perStep, Is.LessThan(64 << 10));
    });

    [Test]
    public void a_step_by_kernels_launches_four_per_batchnorm_two_per_loss_one_for_all_parameters_and_never_waits() => Run(Backend.Ilgpu, phase: 0, (device, take) =>
    {
        var kernels = device.Kernels!;
        take();
        var (launches, waits) = (kernels.Launches, kernels.HostWaits);
        take();
        const int BatchNorms = 20;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(kernels.Launches - launches, Is.EqualTo((4 * BatchNorms) + 2 + 2 + 1));
            Assert.That(kernels.HostWaits, Is.EqualTo(waits), "between two readings of the losses the host never waits");
        }

        // The counter moves where the host does wait, so that the line above can fail.
        kernels.Synchronize();
        Assert.That(kernels.HostWaits, Is.EqualTo(waits + 1));
    });

    private static void Run(Backend backend, int phase, Action<ComputeDevice, Action> test) => Run(Small(TinyTraining.Recipe), backend, phase, test);

    /// <summary>Gives a test what takes a step of a phase, on one batch each time.</summary>
    internal static void Run(Recipe recipe, Backend backend, int phase, Action<ComputeDevice, Action> test)
    {
        using var device = ComputeDevice.Open("cpu", backend);
        using var model = Trainer.CreateModel(recipe, TinyTraining.Data.Training.ClassCount, device);
        var chosen = Trainer.Phases(recipe, TinyTraining.Data, device)[phase];
        using var steps = new TrainingSteps(chosen, model, TinyTraining.Data, device);
        using var loader = TrainingSteps.NewLoader(chosen, TinyTraining.Data, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        using var batch = loader.Epoch(0).First();
        model.train();
        test(device, () => steps.Take(batch, sums));
    }
}
