using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>Stochastic gradient descent with momentum by TorchSharp, the weight decay added to the gradient.</summary>
internal sealed class SgdRule : UpdateRule
{
    private readonly SGD rule;
    private readonly int parameterCount;

    public SgdRule(OptimiserSettings settings, Parameter[] parameters)
    {
        parameterCount = parameters.Length;
        rule = torch.optim.SGD(
            parameters, settings.LearningRate, settings.Momentum, dampening: 0, settings.WeightDecay, settings.Nesterov);
        if (settings.Momentum > 0)
        {
            StartVelocities(parameters);
        }
    }

    public override double LearningRate
    {
        get => rule.ParamGroups.Single().LearningRate;
        set => rule.ParamGroups.Single().LearningRate = value;
    }

    public override void Step() => rule.step();

    public override IEnumerable<(string State, torch.Tensor Value)>[] State() =>
        [.. rule.state_dict().State.Take(parameterCount).Cast<SGD.State>().Select(Velocity)];

    public override void Restore(int parameter, Func<string, torch.Tensor> value)
    {
        // The velocities are the memory itself, and nothing is counted.
    }

    public override void Dispose() => rule.Dispose();

    private static (string State, torch.Tensor Value)[] Velocity(SGD.State state) =>
        state.momentum_buffer is { } velocity ? [("momentum_buffer", velocity)] : [];

    /// <summary>
    /// Velocities start as zeros in the parameter's memory format instead of as a copy of the first gradient. The first step is the same
    /// (0.9 * 0 + g = g), and a restored run walks the memory in the same order as one that never stopped, which bit-exactness needs.
    /// </summary>
    private void StartVelocities(Parameter[] parameters)
    {
        foreach (var (parameter, memory) in parameters.Zip(rule.state_dict().State))
        {
            using var noGradient = torch.no_grad();
            ((SGD.State)memory).momentum_buffer = torch.zeros_like(parameter).DetachFromDisposeScope();
        }
    }
}
