using Pascl.Tests.Processes;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training;

[SimulatesGpu]
public sealed class IlgpuBackendTests
{
    private const int Steps = 4;

    private static readonly Recipe Recipe = TinyTraining.Recipe with
    {
        OutlierBatchSize = 3,
        Representation = TinyTraining.Recipe.Representation with { BatchSize = 4 },
        AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { BatchSize = 4 },
    };

    [Long]
    [Test]
    public void the_first_steps_of_the_whole_network_agree_with_torch_operations()
    {
        var (byTorch, byKernels) = (Losses(Backend.Torch), Losses(Backend.Ilgpu));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(byTorch.Any(step => step[3] > 0), "a step has tail images");
            for (var step = 0; step < Steps; step++)
            {
                for (var term = 0; term < byTorch[step].Length; term++)
                {
                    Assert.That(byKernels[step][term], Is.EqualTo(byTorch[step][term]).Within(1e-4 * byTorch[step][term]), $"step {step}, term {term}");
                }
            }
        }
    }

    // L, L_in, L_out and L_con of each step of the first phase.
    private static List<double[]> Losses(Backend backend)
    {
        using var device = ComputeDevice.Open("cpu", backend);
        using var model = Trainer.CreateModel(Recipe, TinyTraining.Data.Training.ClassCount, device);
        var phase = TrainingPhase.Representation(Recipe, TinyTraining.Data, device);
        using var loader = new BatchLoader(TinyTraining.Data.Training, TinyTraining.Data.Outliers, phase.Batches);
        using var optimiser = new Optimiser(phase.Settings.Optimiser, model.MakeTrainable(phase.Trained, phase.Branch), device.Kernels);
        using var objective = phase.NewObjective(model);
        model.train();
        var losses = new List<double[]>();
        foreach (var batch in loader.Epoch(0).Take(Steps))
        {
            using (batch)
            {
                using var scope = torch.NewDisposeScope();
                optimiser.ZeroGradients();
                var terms = objective.Terms(model.forward(batch.Images, phase.Branch), batch);
                KernelGradients.Backward(terms.Total);
                optimiser.Step();
                losses.Add([.. terms.InOrder().Select(term => (double)term.item<float>())]);
            }
        }

        return losses;
    }
}
