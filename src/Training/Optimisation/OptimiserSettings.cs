namespace Pascl.Training.Optimisation;

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
