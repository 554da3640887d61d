namespace Pascl.Training.Optimisation;

/// <summary>
/// The learning rate as a function of the step alone, so that a resumed run needs no memory of it. With s steps done, S in all, W of them
/// warm-up:
/// <code>
/// warm-up     (s + 1) / W                                            for s &lt; W
/// cosine      f + (1 - f) (1 + cos(pi t)) / 2,  t = (s - W) / (S - W)   afterwards; f = FinalFactor
/// multi-step  Factor^(number of milestones reached)
/// </code>
/// times the base rate. Updated every epoch, s - W is rounded down to whole epochs: then these are the values of PyTorch's
/// <c>CosineAnnealingLR(T_max = epochs)</c> and <c>MultiStepLR</c>, stepped once per epoch as in the authors' <c>stage1.py</c> and
/// <c>stage2.py</c>; the warm-up is <c>LinearLR(1/W, 1, W - 1)</c> per step.
/// </summary>
public sealed record LearningRateSchedule
{
    /// <summary>How the rate falls once the warm-up is over.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Cosine;

    /// <summary>Multi-step only: the epochs, counted from 0, from which on the rate is multiplied once more.</summary>
    public IReadOnlyList<int> Milestones { get; init; } = [];

    /// <summary>Multi-step only: what the rate is multiplied by.</summary>
    public double Factor { get; init; } = 0.1;

    /// <summary>Cosine only: what the multiplier falls to at the end, in [0, 1).</summary>
    public double FinalFactor { get; init; }

    /// <summary>Length of the linear warm-up in epochs, fractions allowed.</summary>
    public double WarmUpEpochs { get; init; }

    /// <summary>Length of the linear warm-up in steps, beside <see cref="WarmUpEpochs"/>.</summary>
    public int WarmUpSteps { get; init; }

    /// <summary>Whether the cosine moves every step; otherwise it moves every epoch.</summary>
    public bool EveryStep { get; init; }

    /// <summary>The factor of the base rate for the step that follows <paramref name="step"/> finished ones.</summary>
    /// <param name="step">Finished steps of the phase, 0 for the first.</param>
    /// <param name="stepsPerEpoch">Steps of one epoch.</param>
    /// <param name="epochs">Epochs of the phase.</param>
    public double Multiplier(long step, int stepsPerEpoch, int epochs)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stepsPerEpoch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(epochs);
        var warmUp = WarmUpSteps + (long)Math.Round(WarmUpEpochs * stepsPerEpoch);
        return step < warmUp ? (step + 1.0) / warmUp : Decay switch
        {
            LearningRateDecay.Constant => 1,
            LearningRateDecay.Cosine => Cosine(step - warmUp, ((long)epochs * stepsPerEpoch) - warmUp, stepsPerEpoch),
            LearningRateDecay.MultiStep => Math.Pow(Factor, Milestones.Count(milestone => step / stepsPerEpoch >= milestone)),
            _ => throw new InvalidOperationException($"{Decay} is no known decay."),
        };
    }

    /// <summary>Checks every value against the length of the phase.</summary>
    /// <exception cref="InputException">A value is outside its range.</exception>
    public void Check(int stepsPerEpoch, int epochs)
    {
        if (!(WarmUpEpochs >= 0 && WarmUpSteps >= 0 && WarmUpEpochs + ((double)WarmUpSteps / stepsPerEpoch) < epochs))
        {
            throw new InputException(
                $"The warm-up is {WarmUpEpochs} epochs and {WarmUpSteps} steps; "
                + $"it must be shorter than the {epochs} epochs of {stepsPerEpoch} steps.");
        }

        if (Decay == LearningRateDecay.MultiStep && (Milestones.Count == 0 || Milestones.Any(milestone => milestone < 0)))
        {
            throw new InputException("A multi-step schedule needs at least one milestone, each an epoch number of at least 0.");
        }

        if (FinalFactor is not (>= 0 and < 1))
        {
            throw new InputException($"The final factor of the cosine schedule is {FinalFactor}; it must be at least 0 and below 1.");
        }

        if (!double.IsFinite(Factor) || Factor <= 0)
        {
            throw new InputException($"The factor of the multi-step schedule is {Factor}; it must be a finite number above 0.");
        }
    }

    private double Cosine(long step, long steps, int stepsPerEpoch)
    {
        var reached = EveryStep ? step : step / stepsPerEpoch * stepsPerEpoch;
        var fallen = (1 + Math.Cos(Math.PI * reached / steps)) / 2;
        return FinalFactor == 0 ? fallen : FinalFactor + ((1 - FinalFactor) * fallen);
    }
}

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>It does not.</summary>
    Constant,

    /// <summary>Along half a cosine to 0 at the end.</summary>
    Cosine,

    /// <summary>By a factor at every milestone.</summary>
    MultiStep,
}
