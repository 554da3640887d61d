namespace Pascl.Kernels;

/// <summary>A step of Adam and of stochastic gradient descent in double precision, written as the equations are: the specification of <see cref="FusedUpdate"/>.</summary>
/// <remarks>
/// With values x, gradient g, weight decay w, and for Adam moments m and v in step t, for SGD momentum mu and velocity u:
/// <code>
/// g' = g + w x
/// Adam   m = beta1 m + (1 - beta1) g'      v = beta2 v + (1 - beta2) g'^2
///        x = x - rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// SGD    u = mu u + g'                     x = x - rate u        Nesterov: x = x - rate (g' + mu u)
/// </code>
/// Sources: Kingma and Ba, ICLR 2015, with the decay added to the gradient as PyTorch's <c>Adam</c> does; Sutskever et al., ICML 2013, as PyTorch's <c>SGD</c> has it.
/// </remarks>
public static class FusedUpdateReference
{
    /// <summary>One step of Adam; changes values and moments.</summary>
    /// <param name="values">x.</param>
    /// <param name="gradient">g.</param>
    /// <param name="first">m.</param>
    /// <param name="second">v.</param>
    /// <param name="learningRate">The rate.</param>
    /// <param name="step">t, from 1.</param>
    /// <param name="constants">w, beta1, beta2, epsilon.</param>
    public static void Adam(
        Span<double> values, ReadOnlySpan<double> gradient, Span<double> first, Span<double> second, double learningRate, int step, AdamConstants constants)
    {
        for (var i = 0; i < values.Length; i++)
        {
            var slope = gradient[i] + (constants.WeightDecay * values[i]);
            first[i] = (constants.Beta1 * first[i]) + ((1 - constants.Beta1) * slope);
            second[i] = (constants.Beta2 * second[i]) + ((1 - constants.Beta2) * slope * slope);
            var mean = first[i] / (1 - Math.Pow(constants.Beta1, step));
            var spread = Math.Sqrt(second[i]) / Math.Sqrt(1 - Math.Pow(constants.Beta2, step));
            values[i] -= learningRate * mean / (spread + constants.Epsilon);
        }
    }

    /// <summary>One step of stochastic gradient descent; changes values and velocity.</summary>
    /// <param name="values">x.</param>
    /// <param name="gradient">g.</param>
    /// <param name="velocity">u; not looked at without momentum.</param>
    /// <param name="learningRate">The rate.</param>
    /// <param name="constants">w, mu, and whether the step is Nesterov's.</param>
    public static void Sgd(Span<double> values, ReadOnlySpan<double> gradient, Span<double> velocity, double learningRate, SgdConstants constants)
    {
        for (var i = 0; i < values.Length; i++)
        {
            var direction = gradient[i] + (constants.WeightDecay * values[i]);
            if (constants.Momentum != 0)
            {
                velocity[i] = (constants.Momentum * velocity[i]) + direction;
                direction = constants.Nesterov ? direction + (constants.Momentum * velocity[i]) : velocity[i];
            }

            values[i] -= learningRate * direction;
        }
    }
}
