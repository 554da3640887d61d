using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// Updates named parameters from their gradients. All of its memory has names, <c>PARAMETER.STATE</c> with PyTorch's names of the states,
/// so that it can be stored and restored exactly.
/// </summary>
public sealed class Optimiser : IDisposable
{
    private readonly UpdateRule rule;
    private readonly string[] names;
    private readonly Parameter[] parameters;

    /// <summary>Creates an optimiser without memory of earlier steps.</summary>
    /// <param name="settings">Update rule and hyper-parameters.</param>
    /// <param name="parameters">The parameters to train, where they will stay: moving them to a device afterwards is not followed.</param>
    /// <exception cref="InputException">A setting is outside its range.</exception>
    public Optimiser(OptimiserSettings settings, IEnumerable<(string Name, Parameter Parameter)> parameters)
    {
        settings.Check();
        var named = parameters.ToArray();
        names = [.. named.Select(pair => pair.Name)];
        this.parameters = [.. named.Select(pair => pair.Parameter)];
        if (this.parameters.Length == 0)
        {
            throw new ArgumentException("There is no parameter to train.");
        }

        rule = settings.Kind == OptimiserKind.Adam ? new AdamRule(settings, this.parameters) : new SgdRule(settings, this.parameters);
    }

    /// <summary>The rate of the next step.</summary>
    public double LearningRate
    {
        get => rule.LearningRate;
        set => rule.LearningRate = value;
    }

    /// <summary>
    /// Forgets every gradient: the next ones are taken as they are. Setting them to zero would cost two more passes over all of them, and managed memory.
    /// </summary>
    public void ZeroGradients()
    {
        foreach (var parameter in parameters)
        {
            parameter.grad = null;
        }
    }

    /// <summary>Updates every parameter that has a gradient.</summary>
    public void Step() => rule.Step();

    /// <summary>
    /// The memory of earlier steps: the tensors themselves, and the step counts as int64 scalars in the caller's dispose scope.
    /// Adam: <c>exp_avg</c>, <c>exp_avg_sq</c>, <c>step</c>. SGD: <c>momentum_buffer</c>.
    /// </summary>
    public Dictionary<string, torch.Tensor> State() => names.Zip(rule.State())
        .SelectMany(parameter => parameter.Second.Select(state => (Name: $"{parameter.First}.{state.State}", state.Value)))
        .ToDictionary(state => state.Name, state => state.Value);

    /// <summary>
    /// Lets <paramref name="fill"/> write the values of an earlier <see cref="State"/> into the tensors of this one, and takes them over.
    /// </summary>
    public void Restore(Action<IReadOnlyDictionary<string, torch.Tensor>> fill)
    {
        using var scope = torch.NewDisposeScope();
        var state = State();
        fill(state);
        foreach (var (number, name) in names.Index())
        {
            rule.Restore(number, memory => state[$"{name}.{memory}"]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => rule.Dispose();
}
