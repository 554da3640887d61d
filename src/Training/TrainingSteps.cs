using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Profiling;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Training;

/// <summary>The steps of one phase: batch, model, loss, gradients, optimiser. <see cref="Trainer"/> runs them, and <c>profile</c> measures them.</summary>
internal sealed class TrainingSteps : IDisposable
{
    // Often enough that memory stays near what a step needs; the one step after it has its memory cleared anew.
    private const int StepsBetweenGivingBack = 16;

    private readonly DualBranchNetwork model;
    private readonly ComputeDevice device;
    private readonly StepClock? clock;
    private readonly BatchLoader loader;
    private readonly ProcessGroup ranks = ProcessGroup.Current;
    private readonly GradientSums gradients;
    private readonly bool keepsFreedMemory;

    /// <summary>Prepares the first step of a phase that the network has entered.</summary>
    /// <param name="phase">What is trained, and how.</param>
    /// <param name="model">The network; the phase's parameters become trainable, the others frozen.</param>
    /// <param name="data">The images.</param>
    /// <param name="device">Where the network is.</param>
    /// <param name="clock">Told when each part of a step begins, and of every batch that was prepared; null for nobody.</param>
    public TrainingSteps(TrainingPhase phase, DualBranchNetwork model, TrainingData data, ComputeDevice device, StepClock? clock = null)
    {
        keepsFreedMemory = FreedMemory.Keep();
        (Phase, this.model, this.device, this.clock) = (phase, model, device, clock);
        var trained = model.MakeTrainable(phase.Trained, phase.Branch);
        Optimiser = new Optimiser(phase.Settings.Optimiser, trained, device.Kernels, name => DualBranchNetwork.IsInHead(name) ? 1 : phase.BackboneRate);

        // The objective is computed by every rank over all rows, so what it reads directly has its whole gradient there.
        gradients = new GradientSums(ranks, trained, name => name.StartsWith(DualBranchNetwork.MethodPrefix, StringComparison.Ordinal));
        Average = phase.AverageDecay is { } decay ? new WeightAverage(decay, model.AveragedState(phase.Branch)) : null;
        Objective = phase.NewObjective(model);
        loader = NewLoader(phase, data, device);
        loader.Prepared = clock is null ? null : clock.Prepared;
    }

    public TrainingPhase Phase { get; }

    public Objective Objective { get; }

    public Optimiser Optimiser { get; }

    /// <summary>The average of the weights; null where the phase has none.</summary>
    public WeightAverage? Average { get; }

    public int PerEpoch => loader.StepsPerEpoch;

    /// <summary>How long steps have waited for their batches so far.</summary>
    public TimeSpan WaitTime => loader.WaitTime;

    public static BatchLoader NewLoader(TrainingPhase phase, TrainingData data, ComputeDevice device) =>

        // The simulator would be slower than the threads of the CPU, and its views are the same.
        new(data.Training, data.Outliers, phase.Batches, device.Kernels is { UsesHostMemory: true } ? null : device);

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
            var images = batch.RowCount;
            using (batch)
            {
                Optimiser.LearningRate = Phase.Settings.LearningRate(finished++, PerEpoch);
                Take(batch, sums);
            }

            if (keepsFreedMemory && finished % StepsBetweenGivingBack == 0)
            {
                FreedMemory.GiveBack();
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
        var moved = Objective.Input(batch.To(device.Torch)).Take(ranks.Share);
        clock?.Begin(StepPart.Forward);
        var output = GatheredRows.Of(ranks, model.forward(moved.Images, Phase.Branch), moved, Objective.Reads);
        var terms = Objective.Terms(output, moved, clock);
        clock?.Begin(StepPart.Backward);
        gradients.Begin();
        KernelGradients.Backward(terms.Total);
        gradients.Finish();
        clock?.Begin(StepPart.Optimiser);
        Optimiser.Step();
        Average?.Follow();
        clock?.Begin(StepPart.Rest);
        sums.Add(terms);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        loader.Dispose();
        Objective.Dispose();
        Optimiser.Dispose();
        Average?.Dispose();
    }
}

/// <summary>Sums of the loss terms of an epoch so far, kept on the model's device in double; reading them is the only time the host waits for it.</summary>
internal sealed class LossSums : IDisposable
{
    private readonly torch.Tensor sums;
    private readonly double[] reported;
    private int stepsReported;

    /// <summary>Starts with the sums of an interrupted epoch, or with zeros.</summary>
    /// <param name="terms">How many terms the objective has.</param>
    /// <param name="interrupted">The epoch to continue, or null.</param>
    /// <param name="device">The model's device.</param>
    public LossSums(int terms, UnfinishedEpoch? interrupted, torch.Device device)
    {
        sums = torch.tensor((interrupted?.Sums ?? new double[terms]).ToArray(), torch.float64, device).DetachFromDisposeScope(); // (terms)
        reported = [.. interrupted?.ReportedSums ?? new double[terms]];
        stepsReported = interrupted?.ReportedSteps ?? 0;
    }

    /// <summary>Adds the terms of one step.</summary>
    public void Add(LossTerms terms)
    {
        using var scope = torch.NewDisposeScope();
        using var noGradient = torch.no_grad();
        sums.add_(torch.stack(terms.InOrder()).to(torch.float64));
    }

    /// <summary>Means over the <paramref name="steps"/> steps of the epoch so far.</summary>
    public double[] EpochMeans(int steps) => [.. Read().Select(sum => sum / steps)];

    /// <summary>Means since this was called last.</summary>
    /// <param name="steps">Finished steps of the epoch.</param>
    public double[] MeansSinceReport(int steps)
    {
        var now = Read();
        var means = now.Zip(reported, (sum, before) => (sum - before) / (steps - stepsReported)).ToArray();
        now.CopyTo(reported, 0);
        stepsReported = steps;
        return means;
    }

    /// <summary>What is needed to go on later.</summary>
    public UnfinishedEpoch Interrupt() => new(Read(), reported, stepsReported);

    /// <inheritdoc/>
    public void Dispose() => sums.Dispose();

    private double[] Read()
    {
        using var scope = torch.NewDisposeScope();
        return sums.cpu().data<double>().ToArray();
    }
}

/// <summary>The loss sums of an epoch that was interrupted, so that its means come out as if it had not been.</summary>
/// <param name="Sums">Sums over the epoch's steps so far, by term of the objective.</param>
/// <param name="ReportedSums">The sums at the last report.</param>
/// <param name="ReportedSteps">The steps at the last report.</param>
public sealed record UnfinishedEpoch(IReadOnlyList<double> Sums, IReadOnlyList<double> ReportedSums, int ReportedSteps);
