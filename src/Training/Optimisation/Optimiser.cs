using Pascl.Kernels.Device;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// Updates named parameters from their gradients. All of its memory has names, <c>PARAMETER.STATE</c> with PyTorch's names of the states,
/// so that it can be stored and restored exactly.
/// </summary>
public sealed class Optimiser : IDisposable
{
    private readonly ParameterGroup[] groups;
    private double learningRate;

    /// <summary>Creates an optimiser without memory of earlier steps.</summary>
    /// <param name="settings">Update rule and hyper-parameters.</param>
    /// <param name="parameters">The parameters to train, where they will stay: moving them to a device afterwards is not followed.</param>
    /// <param name="kernels">
    /// What kernels run on, the parameters' device: a step is one launch, if all parameters are float32. Null for torch's operations.
    /// </param>
    /// <param name="rateOf">What the learning rate is multiplied by for the parameter of a name; null for 1. One launch for each factor that there is.</param>
    /// <exception cref="InputException">A setting is outside its range.</exception>
    public Optimiser(
        OptimiserSettings settings, IEnumerable<(string Name, Parameter Parameter)> parameters, KernelDevice? kernels = null, Func<string, double>? rateOf = null)
    {
        settings.Check();
        groups = [.. parameters.GroupBy(pair => rateOf?.Invoke(pair.Name) ?? 1).Select(group => new ParameterGroup(settings, group.Key, [.. group], kernels))];
        if (groups.Length == 0)
        {
            throw new ArgumentException("There is no parameter to train.");
        }

        LearningRate = settings.LearningRate;
    }

    /// <summary>The rate of the next step.</summary>
    public double LearningRate
    {
        get => learningRate;
        set
        {
            learningRate = value;
            Array.ForEach(groups, group => group.Rule.LearningRate = value * group.Factor);
        }
    }

    /// <summary>
    /// Forgets every gradient: the next ones are taken as they are. Setting them to zero would cost two more passes over all of them, and managed memory.
    /// </summary>
    public void ZeroGradients()
    {
        foreach (var parameter in groups.SelectMany(group => group.Parameters))
        {
            parameter.grad = null;
        }
    }

    /// <summary>Updates every parameter that has a gradient.</summary>
    public void Step() => Array.ForEach(groups, group => group.Rule.Step());

    /// <summary>
    /// The memory of earlier steps: the tensors themselves, and the step counts as int64 scalars in the caller's dispose scope.
    /// Adam: <c>exp_avg</c>, <c>exp_avg_sq</c>, <c>step</c>. SGD: <c>momentum_buffer</c>.
    /// </summary>
    public Dictionary<string, torch.Tensor> State() => groups.SelectMany(group => group.Names.Zip(group.Rule.State()))
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
        foreach (var group in groups)
        {
            foreach (var (number, name) in group.Names.Index())
            {
                group.Rule.Restore(number, memory => state[$"{name}.{memory}"]);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(groups, group => group.Rule.Dispose());

    /// <summary>Parameters with one learning rate.</summary>
    private sealed class ParameterGroup
    {
        public ParameterGroup(OptimiserSettings settings, double factor, (string Name, Parameter Parameter)[] named, KernelDevice? kernels)
        {
            Factor = factor;
            Names = [.. named.Select(pair => pair.Name)];
            Parameters = [.. named.Select(pair => pair.Parameter)];
            var areSingle = Parameters.All(parameter => parameter.dtype == torch.ScalarType.Float32);
            Rule = kernels is not null && areSingle ? new KernelUpdateRule(settings, Parameters, kernels)
                : settings.Kind == OptimiserKind.Adam ? new AdamRule(settings, Parameters)
                : new SgdRule(settings, Parameters);
        }

        public double Factor { get; }

        public string[] Names { get; }

        public Parameter[] Parameters { get; }

        public UpdateRule Rule { get; }
    }
}

/// <summary>The update rule.</summary>
public enum OptimiserKind
{
    /// <summary>
    /// Adam (Kingma, Ba 2015) with coupled weight decay: the decay is added to the gradient, as in PyTorch's <c>Adam</c>.
    /// </summary>
    Adam,

    /// <summary>Stochastic gradient descent with momentum, as in PyTorch's <c>SGD</c>.</summary>
    Sgd,
}

/// <summary>Update rule and hyper-parameters; the values not named are PyTorch's defaults.</summary>
/// <param name="Kind">The update rule.</param>
/// <param name="LearningRate">The rate that a <see cref="LearningRateSchedule"/> multiplies.</param>
/// <param name="WeightDecay">Factor of the parameter that is added to its gradient.</param>
/// <param name="Momentum">SGD only: factor of the velocity.</param>
/// <param name="Nesterov">SGD only: look ahead along the velocity.</param>
/// <param name="Beta1">Adam only: decay of the mean of the gradient.</param>
/// <param name="Beta2">Adam only: decay of the mean of its square.</param>
/// <param name="Epsilon">Adam only: added to the root of the latter.</param>
public sealed record OptimiserSettings(
    OptimiserKind Kind,
    double LearningRate,
    double WeightDecay = 0,
    double Momentum = 0.9,
    bool Nesterov = false,
    double Beta1 = 0.9,
    double Beta2 = 0.999,
    double Epsilon = 1e-8)
{
    /// <summary>Checks every value.</summary>
    /// <exception cref="InputException">A value is outside its range.</exception>
    public void Check()
    {
        Require(LearningRate > 0, "learning rate", LearningRate, "above 0");
        Require(WeightDecay >= 0, "weight decay", WeightDecay, "at least 0");
        Require(Momentum is >= 0 and < 1, "momentum", Momentum, "at least 0 and below 1");
        Require(!Nesterov || Momentum > 0, "momentum", Momentum, "above 0 with Nesterov's rule");
        Require(Beta1 is >= 0 and < 1, "beta1 of Adam", Beta1, "at least 0 and below 1");
        Require(Beta2 is >= 0 and < 1, "beta2 of Adam", Beta2, "at least 0 and below 1");
        Require(Epsilon > 0, "epsilon of Adam", Epsilon, "above 0");
    }

    private static void Require(bool holds, string name, double value, string expected)
    {
        if (!holds || !double.IsFinite(value))
        {
            throw new InputException($"The {name} is {value}; it must be a finite number {expected}.");
        }
    }
}

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

/// <summary>
/// Adam (Kingma and Ba, ICLR 2015), the weight decay added to the gradient, by the operations of PyTorch's implementation in their order:
/// <code>
/// g += decay x;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  x -= rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// </code>
/// TorchSharp's own does the same, and makes a dozen managed objects for each parameter and step.
/// </summary>
internal class AdamRule : UpdateRule
{
    /// <summary>PyTorch's name of the number of steps.</summary>
    public const string StepCount = "step";

    private readonly OptimiserSettings settings;
    private readonly Parameter[] parameters;
    private readonly torch.Tensor[] first;
    private readonly torch.Tensor[] second;
    private readonly long[] steps;
    private readonly Scalar beta1;
    private readonly Scalar ofGradient;
    private readonly Scalar beta2;
    private readonly Scalar ofSquare;
    private readonly Scalar epsilon;
    private readonly Scalar weightDecay;

    public AdamRule(OptimiserSettings settings, Parameter[] parameters)
    {
        (this.settings, this.parameters, LearningRate) = (settings, parameters, settings.LearningRate);
        first = [.. parameters.Select(parameter => torch.zeros_like(parameter).requires_grad_(false).DetachFromDisposeScope())];
        second = [.. parameters.Select(parameter => torch.zeros_like(parameter).requires_grad_(false).DetachFromDisposeScope())];
        steps = new long[parameters.Length];
        (beta1, ofGradient) = (settings.Beta1, 1 - settings.Beta1);
        (beta2, ofSquare) = (settings.Beta2, 1 - settings.Beta2);
        (epsilon, weightDecay) = (settings.Epsilon, settings.WeightDecay);
    }

    public override double LearningRate { get; set; }

    public override void Step()
    {
        using var frozen = torch.no_grad();
        var (step, rate, correction) = (0L, default(Scalar)!, default(Scalar)!);
        for (var i = 0; i < parameters.Length; i++)
        {
            using var gradient = parameters[i].grad;
            if (gradient is null)
            {
                continue;
            }

            // All parameters have seen the same number of steps, except those that had no gradient at times.
            if (++steps[i] != step)
            {
                step = steps[i];
                rate = -LearningRate / (1 - Math.Pow(settings.Beta1, step));
                correction = Math.Sqrt(1 - Math.Pow(settings.Beta2, step));
            }

            Update(i, gradient, rate, correction);
        }
    }

    public override IEnumerable<(string State, torch.Tensor Value)>[] State() =>
        [.. steps.Select((count, i) => Named(first[i], second[i], count))];

    /// <summary>The memory of a parameter by PyTorch's names.</summary>
    public static IEnumerable<(string State, torch.Tensor Value)> Named(torch.Tensor first, torch.Tensor second, long steps) =>
        [("exp_avg", first), ("exp_avg_sq", second), (StepCount, torch.tensor(steps))];

    public override void Restore(int parameter, Func<string, torch.Tensor> value) => steps[parameter] = value(StepCount).item<long>();

    public override void Dispose() => Array.ForEach([.. first, .. second], moment => moment.Dispose());

    /// <summary>The root of the second moment. Torch's on a CPU is the vector library's, whose last bit may be another than the nearest.</summary>
    protected virtual torch.Tensor Root(torch.Tensor moment) => moment.sqrt();

    private void Update(int i, torch.Tensor gradient, Scalar rate, Scalar correction)
    {
        using var decayed = settings.WeightDecay == 0 ? null : gradient.add(parameters[i], weightDecay);
        var slope = decayed ?? gradient;
        first[i].mul_(beta1).add_(slope, ofGradient);
        second[i].mul_(beta2).addcmul_(slope, slope, ofSquare);
        using var spread = Root(second[i]);
        parameters[i].addcdiv_(first[i], spread.div_(correction).add_(epsilon), rate);
    }
}

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
        [.. rule.state_dict().State.Take(parameterCount).Cast<SGD.State>().Select(state => Named(state.momentum_buffer))];

    /// <summary>The memory of a parameter by PyTorch's names: its velocity, where there is momentum.</summary>
    public static IEnumerable<(string State, torch.Tensor Value)> Named(torch.Tensor? velocity) =>
        velocity is null ? [] : [("momentum_buffer", velocity)];

    public override void Restore(int parameter, Func<string, torch.Tensor> value)
    {
        // The velocities are the memory itself, and nothing is counted.
    }

    public override void Dispose() => rule.Dispose();

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
