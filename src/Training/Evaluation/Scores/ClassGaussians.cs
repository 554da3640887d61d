using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// One normal distribution per class with means of their own and one covariance, Sigma = (1/N) sum over all training rows of (u - mu_y)(u - mu_y)'. Kept in the
/// coordinates in which the covariance is the identity: v = W (u - o) with o the mean of all rows, W = L^-1 and L L' = Sigma. There the Mahalanobis distance is
/// the Euclidean one.
/// </summary>
internal sealed class ClassGaussians
{
    private const double Ridge = 1e-6;
    private const double RelativeRounding = 2.220446049250313e-16; // of a double, 2^-52

    private readonly bool normalised;
    private readonly int width;
    private readonly double[] origin;
    private readonly double[] whitening;
    private readonly double[] means;

    // Plain arrays: a fitted score has no end at which tensors could be freed.
    private ClassGaussians(bool normalised, Tensor origin, Tensor whitening, Tensor means)
    {
        (this.normalised, width) = (normalised, (int)origin.shape[0]);
        (this.origin, this.whitening, this.means) = (Values(origin), Values(whitening), Values(means));
    }

    /// <summary>Fits the distributions to the features of the training images; every class must have one.</summary>
    /// <param name="training">The pass over the training images.</param>
    /// <param name="normalised">Whether f / |f| is taken for f.</param>
    public static ClassGaussians Fit(FeaturePass training, bool normalised)
    {
        using var scope = NewDisposeScope();
        var rows = training.Features.ToTensor(normalised); // (N, d)
        var origin = rows.mean([0]);
        rows = rows - origin;
        var labels = tensor(training.Images.Labels.ToArray()).to(int64);
        var members = nn.functional.one_hot(labels, training.Images.ClassCount).to(float64); // (N, C)
        var means = members.t().matmul(rows) / members.sum(dim: 0).unsqueeze(1); // (C, d)
        var deviations = rows - means.index_select(0, labels);
        var factor = Factor(deviations.t().matmul(deviations) / rows.shape[0]);
        var whitening = linalg.solve(factor, eye(rows.shape[1], dtype: float64));
        return new ClassGaussians(normalised, origin, whitening, means.matmul(whitening.t()));
    }

    /// <summary>The squared Mahalanobis distance of every image's features to the nearest class mean.</summary>
    public double[] SmallestDistances(Features features)
    {
        using var scope = NewDisposeScope();
        var rows = (features.ToTensor(normalised) - tensor(origin)).matmul(tensor(whitening, [width, width]).t()); // (M, d)
        var centres = tensor(means, [means.Length / width, width]); // (C, d)
        var distances = SquaredDistances.Between(rows, centres); // (M, C)
        return Values(distances.amin([1]));
    }

    // L with L L' = covariance. A pivot below the rounding of the largest one is noise, and dividing by it would make the distance noise, too.
    private static Tensor Factor(Tensor covariance)
    {
        var size = covariance.shape[0];
        var (factor, failure) = linalg.cholesky_ex(covariance);
        var pivots = factor.diagonal().square();
        var rounding = size * RelativeRounding * covariance.diagonal().max().item<double>();
        if (failure.item<int>() == 0 && pivots.min().item<double>() > rounding)
        {
            return factor;
        }

        var trace = covariance.trace().item<double>();
        return trace == 0 ? eye(size, dtype: float64) : linalg.cholesky(covariance + (eye(size, dtype: float64) * (Ridge * trace / size)));
    }

    private static double[] Values(Tensor tensor) => tensor.contiguous().data<double>().ToArray();
}
