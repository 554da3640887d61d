using TorchSharp;

namespace Pascl.Training.Optimisation;

/// <summary>How parameters follow from their gradients.</summary>
internal abstract class UpdateRule : IDisposable
{
    /// <summary>The rate of the next step.</summary>
    public abstract double LearningRate { get; set; }

    /// <summary>Updates every parameter that has a gradient.</summary>
    public abstract void Step();

    /// <summary>The memory of earlier steps, for each parameter by PyTorch's names; counts are tensors of the caller's dispose scope.</summary>
    public abstract IEnumerable<(string State, torch.Tensor Value)>[] State();

    /// <summary>Takes over counts that were written into the tensors of a <see cref="State"/>; the other tensors are the memory itself.</summary>
    /// <param name="parameter">Number of the parameter.</param>
    /// <param name="value">The value of a state of it, by the state's name.</param>
    public abstract void Restore(int parameter, Func<string, torch.Tensor> value);

    /// <inheritdoc/>
    public abstract void Dispose();
}
