namespace Pascl.Training.Optimisation;

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
