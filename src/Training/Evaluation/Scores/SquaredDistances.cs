using TorchSharp;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>Squared Euclidean distances between two sets of rows, by one matrix product.</summary>
internal static class SquaredDistances
{
    /// <summary>
    /// |a_i|^2 + |b_j|^2 - 2 a_i' b_j, at least 0: (A, d) and (B, d) give (A, B). The error is about 1e-16 times the squared lengths, so two equal rows may be
    /// some 1e-8 lengths apart.
    /// </summary>
    public static torch.Tensor Between(torch.Tensor a, torch.Tensor b)
    {
        using var scope = torch.NewDisposeScope();
        var squares = a.square().sum(1).unsqueeze(1) + b.square().sum(1).unsqueeze(0);
        return (squares - (2 * a.matmul(b.t()))).clamp_(0).MoveToOuterDisposeScope();
    }
}
