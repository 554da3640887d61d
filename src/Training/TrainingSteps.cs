using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Model;
using Pascl.Training.Optimisation;
using Pascl.Training.Reporting;
using TorchSharp;

namespace Pascl.Training;

/// <summary>The steps of one phase: batch, model, loss, gradients, optimiser. <see cref="Trainer"/> runs them, and <c>profile</c> measures them.</summary>
internal sealed class TrainingSteps : IDisposable
{
    private readonly DualBranchResNet model;
    private readonly ComputeDevice device;
    private readonly StepClock? clock;
    private readonly BatchLoader loader;

    /// <summary>Prepares the first step of a phase that the network has entered.</summary>
    /// <param name="phase">What is trained, and how.</param>
    /// <param name="model">The network; the phase's parameters become trainable, the others frozen.</param>
    /// <param name="data">The images.</param>
    /// <param name="device">Where the network is.</param>
    /// <param name="clock">Told when each part of a step begins, and of every batch that was prepared; null for nobody.</param>
    public TrainingSteps(TrainingPhase phase, DualBranchResNet model, TrainingData data, ComputeDevice device, StepClock? clock = null)
    {
        (Phase, this.model, this.device, this.clock) = (phase, model, device, clock);
        Optimiser = new Optimiser(phase.Settings.Optimiser, model.MakeTrainable(phase.Trained));
        Objective = phase.NewObjective(model);
        loader = NewLoader(phase, data, device);
        loader.Prepared = clock is null ? null : clock.Prepared;
    }

    /// <summary>The phase that the steps belong to.</summary>
    public TrainingPhase Phase { get; }

    /// <summary>What is minimised.</summary>
    public Objective Objective { get; }

    /// <summary>What updates the parameters.</summary>
    public Optimiser Optimiser { get; }

    /// <summary>Steps of an epoch.</summary>
    public int PerEpoch => loader.StepsPerEpoch;

    /// <summary>How long steps have waited for their batches so far.</summary>
    public TimeSpan WaitTime => loader.WaitTime;

    /// <summary>The batches of a phase.</summary>
    public static BatchLoader NewLoader(TrainingPhase phase, TrainingData data, ComputeDevice device) =>

        // The simulator would be slower than the threads of the CPU, and its views are the same.
        new(data.Training, data.Outliers, phase.Batches, device.Kernels is { IsSimulator: false } ? device : null);

    /// <summary>Takes the steps of an epoch, one whenever the caller asks for the next; each gives the images that went through the network.</summary>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="firstStep">The first step that is taken, from 0.</param>
    /// <param name="sums">The losses are added to it.</param>
    public IEnumerable<long> Epoch(int epoch, int firstStep, LossSums sums)
    {
        model.train();
        var finished = ((long)epoch * PerEpoch) + firstStep;
        clock?.Begin(StepPart.Data);
        foreach (var batch in loader.Epoch(epoch, firstStep))
        {
            var images = batch.Images.shape[0];
            using (batch)
            {
                Optimiser.LearningRate = Phase.Settings.LearningRate(finished++, PerEpoch);
                Take(batch, sums);
            }

            clock?.Begin(StepPart.Report);
            yield return images;
            clock?.Begin(StepPart.Data);
        }
    }

    /// <summary>One step on a batch; the caller disposes it. Nothing in it reads back from the device.</summary>
    public void Take(Batch batch, LossSums sums)
    {
        using var scope = torch.NewDisposeScope();
        clock?.Begin(StepPart.Optimiser);
        Optimiser.ZeroGradients();
        clock?.Begin(StepPart.Move);
        var moved = Objective.Input(batch.To(device.Torch));
        clock?.Begin(StepPart.Forward);
        var output = model.forward(moved.Images, Phase.Branch);
        var terms = Objective.Terms(output, moved, clock);
        clock?.Begin(StepPart.Backward);
        KernelGradients.Backward(terms.Total);
        clock?.Begin(StepPart.Optimiser);
        Optimiser.Step();
        clock?.Begin(StepPart.Rest);
        sums.Add(terms);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        loader.Dispose();
        Objective.Dispose();
        Optimiser.Dispose();
    }
}
