using TorchSharp;

namespace Pascl.Training.Loss;

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
