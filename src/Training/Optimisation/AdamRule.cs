using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// Adam (Kingma and Ba, ICLR 2015), the weight decay added to the gradient, by the operations of PyTorch's implementation in their order:
/// <code>
/// g += decay x;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  x -= rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// </code>
/// TorchSharp's own does the same, and makes a dozen managed objects for each parameter and step.
/// </summary>
internal sealed class AdamRule : UpdateRule
{
    private const string FirstMoment = "exp_avg";
    private const string SecondMoment = "exp_avg_sq";
    private const string StepCount = "step";

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
        [.. steps.Select((count, i) => ((string, torch.Tensor)[])[(FirstMoment, first[i]), (SecondMoment, second[i]), (StepCount, torch.tensor(count))])];

    public override void Restore(int parameter, Func<string, torch.Tensor> value) => steps[parameter] = value(StepCount).item<long>();

    public override void Dispose() => Array.ForEach([.. first, .. second], moment => moment.Dispose());

    private void Update(int i, torch.Tensor gradient, Scalar rate, Scalar correction)
    {
        using var decayed = settings.WeightDecay == 0 ? null : gradient.add(parameters[i], weightDecay);
        var slope = decayed ?? gradient;
        first[i].mul_(beta1).add_(slope, ofGradient);
        second[i].mul_(beta2).addcmul_(slope, slope, ofSquare);
        using var spread = second[i].sqrt();
        parameters[i].addcdiv_(first[i], spread.div_(correction).add_(epsilon), rate);
    }
}
