using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// Updates named parameters from their gradients. All of its memory has names, <c>PARAMETER.STATE</c> with PyTorch's names of the states,
/// so that it can be stored and restored exactly.
/// </summary>
public sealed class Optimiser : IDisposable
{
    private readonly OptimizerHelper rule;
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

        rule = settings.Kind switch
        {
            OptimiserKind.Adam => torch.optim.Adam(
                this.parameters, settings.LearningRate, settings.Beta1, settings.Beta2, settings.Epsilon, settings.WeightDecay),
            OptimiserKind.Sgd => torch.optim.SGD(
                this.parameters, settings.LearningRate, settings.Momentum, dampening: 0, settings.WeightDecay, settings.Nesterov),
            _ => throw new ArgumentOutOfRangeException(nameof(settings), settings.Kind, "unknown optimiser"),
        };
        if (settings is { Kind: OptimiserKind.Sgd, Momentum: > 0 })
        {
            StartVelocities();
        }
    }

    /// <summary>The rate of the next step.</summary>
    public double LearningRate
    {
        get => rule.ParamGroups.Single().LearningRate;
        set => rule.ParamGroups.Single().LearningRate = value;
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
    public void Step() => rule.step();

    /// <summary>
    /// The memory of earlier steps: the tensors themselves, and the step counts as int64 scalars in the caller's dispose scope.
    /// Adam: <c>exp_avg</c>, <c>exp_avg_sq</c>, <c>step</c>. SGD: <c>momentum_buffer</c>.
    /// </summary>
    public Dictionary<string, torch.Tensor> State()
    {
        var state = new Dictionary<string, torch.Tensor>();
        foreach (var (name, memory) in names.Zip(rule.state_dict().State))
        {
            switch (memory)
            {
                case Adam.State adam:
                    state.Add(name + ".exp_avg", adam.exp_avg);
                    state.Add(name + ".exp_avg_sq", adam.exp_avg_sq);
                    state.Add(name + ".step", torch.tensor(adam.step));
                    break;
                case SGD.State { momentum_buffer: not null } sgd:
                    state.Add(name + ".momentum_buffer", sgd.momentum_buffer);
                    break;
            }
        }

        return state;
    }

    /// <summary>
    /// Lets <paramref name="fill"/> write the values of an earlier <see cref="State"/> into the tensors of this one, and takes them over.
    /// </summary>
    public void Restore(Action<IReadOnlyDictionary<string, torch.Tensor>> fill)
    {
        using var scope = torch.NewDisposeScope();
        var state = State();
        fill(state);
        foreach (var (name, memory) in names.Zip(rule.state_dict().State))
        {
            if (memory is Adam.State adam)
            {
                adam.step = state[name + ".step"].item<long>();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => rule.Dispose();

    /// <summary>
    /// Velocities start as zeros in the parameter's memory format instead of as a copy of the first gradient. The first step is the same
    /// (0.9 * 0 + g = g), and a restored run walks the memory in the same order as one that never stopped, which bit-exactness needs.
    /// </summary>
    private void StartVelocities()
    {
        foreach (var (parameter, memory) in parameters.Zip(rule.state_dict().State))
        {
            using var noGradient = torch.no_grad();
            ((SGD.State)memory).momentum_buffer = torch.zeros_like(parameter).DetachFromDisposeScope();
        }
    }
}
