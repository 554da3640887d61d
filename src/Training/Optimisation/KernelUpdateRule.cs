using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Interop;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Training.Optimisation;

/// <summary>
/// <see cref="AdamRule"/> and <see cref="SgdRule"/> by one launch for all parameters, with their memory, so that a run may go on with either. What it knows of the
/// step, the addresses of the gradients and the rates, is uploaded without waiting.
/// </summary>
internal sealed class KernelUpdateRule : UpdateRule
{
    private readonly OptimiserSettings settings;
    private readonly KernelDevice device;
    private readonly Parameter[] parameters;
    private readonly long[][] strides;
    private readonly torch.Tensor?[] first;
    private readonly torch.Tensor?[] second;
    private readonly long[] steps;
    private readonly DeviceVector<float>[] firstMemory;
    private readonly DeviceVector<float>[] secondMemory;
    private readonly UpdatedTensor[] rows;
    private readonly FusedUpdate update;

    /// <summary>Starts without memory of earlier steps.</summary>
    /// <param name="settings">Update rule and hyper-parameters.</param>
    /// <param name="parameters">Float32 and dense in memory.</param>
    /// <param name="device">Where they are.</param>
    public KernelUpdateRule(OptimiserSettings settings, Parameter[] parameters, KernelDevice device)
    {
        (this.settings, this.device, this.parameters, LearningRate) = (settings, device, parameters, settings.LearningRate);
        strides = [.. parameters.Select(parameter => parameter.stride())];
        var isAdam = settings.Kind == OptimiserKind.Adam;
        first = Moments(isAdam || settings.Momentum > 0);
        second = Moments(isAdam);
        (firstMemory, secondMemory) = (Memory(first), Memory(second));
        steps = new long[parameters.Length];
        rows = new UpdatedTensor[parameters.Length];
        update = new FusedUpdate(device, [.. parameters.Select(parameter => parameter.numel())]);
    }

    public override double LearningRate { get; set; }

    public override void Step()
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var isAdam = settings.Kind == OptimiserKind.Adam;
        var (step, rate, correction) = (0L, (float)-LearningRate, 1f);
        for (var i = 0; i < parameters.Length; i++)
        {
            var (values, gradient) = (TensorMemory.Dense<float>(parameters[i], strides[i], device), parameters[i].grad);
            if (gradient is null)
            {
                rows[i] = new UpdatedTensor(values, default, firstMemory[i], secondMemory[i], Rate: 0);
                continue;
            }

            // All parameters have seen the same number of steps, except those that had no gradient at times.
            if (++steps[i] != step && isAdam)
            {
                step = steps[i];
                rate = (float)(-LearningRate / (1 - Math.Pow(settings.Beta1, step)));
                correction = (float)Math.Sqrt(1 - Math.Pow(settings.Beta2, step));
            }

            // Torch lays a gradient out as its parameter where it makes it itself; one that somebody set may be laid out otherwise.
            var ordered = TensorMemory.HasStrides(gradient, strides[i]) ? gradient : torch.empty_like(parameters[i]).copy_(gradient);
            rows[i] = new UpdatedTensor(values, TensorMemory.Dense<float>(ordered, strides[i], device), firstMemory[i], secondMemory[i], rate, correction);
        }

        if (isAdam)
        {
            update.Adam(rows, new AdamConstants(settings.WeightDecay, settings.Beta1, settings.Beta2, settings.Epsilon));
        }
        else
        {
            update.Sgd(rows, new SgdConstants(settings.WeightDecay, settings.Momentum, settings.Nesterov));
        }
    }

    public override IEnumerable<(string State, torch.Tensor Value)>[] State() => [.. steps.Select((count, i) =>
        settings.Kind == OptimiserKind.Adam ? AdamRule.Named(first[i]!, second[i]!, count) : SgdRule.Named(first[i]))];

    public override void Restore(int parameter, Func<string, torch.Tensor> value)
    {
        if (settings.Kind == OptimiserKind.Adam)
        {
            steps[parameter] = value(AdamRule.StepCount).item<long>();
        }
    }

    public override void Dispose()
    {
        update.Dispose();
        Array.ForEach([.. first, .. second], moment => moment?.Dispose());
    }

    private torch.Tensor?[] Moments(bool exist) =>
        [.. parameters.Select(parameter => exist ? torch.zeros_like(parameter).requires_grad_(false).DetachFromDisposeScope() : null)];

    private DeviceVector<float>[] Memory(torch.Tensor?[] moments) =>
        [.. moments.Select((moment, i) => moment is null ? default : TensorMemory.Dense<float>(moment, strides[i], device))];
}
