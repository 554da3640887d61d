using Pascl.Training.Data;
using Pascl.Training.Model;
using Pascl.Training.Reporting;

namespace Pascl.Training.Loss;

/// <summary>What a phase minimises: the loss of a step from what the network made of its batch.</summary>
public abstract class Objective : IDisposable
{
    /// <summary>Names of the terms in logs: the minimised loss, then its parts and what else is measured of them.</summary>
    public abstract IReadOnlyList<string> TermNames { get; }

    /// <summary>The rows that go through the network for a batch whose tensors are in the current dispose scope; the batch itself, or more rows mixed from it.</summary>
    internal virtual Batch Input(Batch batch) => batch;

    /// <summary>The terms of a step, as many as <see cref="TermNames"/>. Nothing in it reads back from the device.</summary>
    /// <param name="output">The network's output for the rows of the batch.</param>
    /// <param name="batch">What <see cref="Input"/> gave.</param>
    /// <param name="clock">Told which part of the loss begins; null for nobody.</param>
    internal abstract LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null);

    /// <summary>The terms' values with their names.</summary>
    internal Dictionary<string, double> Named(IReadOnlyList<double> values) => TermNames.Zip(values).ToDictionary(pair => pair.First, pair => pair.Second);

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}
