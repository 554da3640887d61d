using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>min_c (f - mu_c)' Sigma^-1 (f - mu_c), see <see cref="ClassGaussians"/>; on f itself or on f / |f|.</summary>
internal sealed class MahalanobisScore(bool normalised) : ScoreKind(
    normalised ? "mahalanobis-normalised" : "mahalanobis",
    $"min_c (u - mu_c)' Sigma^-1 (u - mu_c), u = {(normalised ? "f / max(|f|, 1e-12)" : "f")}; mu_c class means and Sigma = (1/N) sum (u - mu_y)(u - mu_y)' " +
    "of the training images; a singular Sigma gets 1e-6 tr(Sigma)/d on its diagonal, one of zeros is replaced by the identity",
    "Lee et al., NeurIPS 2018, last layer, inputs not perturbed" + (normalised ? "; features normalised" : ""))
{
    public override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var gaussians = ClassGaussians.Fit(fitting.TrainingPass, normalised);
        return pass => gaussians.SmallestDistances(pass.Features);
    }
}

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

/// <summary>The distance of f / |f| to its k-th nearest neighbour among those of the training images.</summary>
internal sealed class NearestNeighbourScore() : ScoreKind(
    "knn",
    "k-th smallest Euclidean distance of f / max(|f|, 1e-12) to those of the training images, the largest where there are fewer than k",
    "Sun et al., ICML 2022",
    Neighbour,
    PerClass)
{
    // Elements of the matrix of distances that is held at once: 32 MB.
    private const int ElementsAtOnce = 1 << 22;

    private static readonly ScoreParameter Neighbour = new(
        "k", 50, "which neighbour; with k above the images of a tail class, every image of that class looks out-of-distribution",
        ScoreParameterRange.PositiveInteger);

    private static readonly ScoreParameter PerClass = new(
        "per-class", 0, "the first so many training images of each class are neighbours, which balances the classes; 0 takes all",
        ScoreParameterRange.NonNegativeInteger);

    public override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
    {
        var training = fitting.TrainingPass;
        var chosen = Chosen(training.Images.Labels, training.Images.ClassCount, (int)specification.Values[PerClass.Name]);
        var neighbour = Math.Min((int)specification.Values[Neighbour.Name], chosen.Length);
        return pass => Distances(pass.Features, training.Features, chosen, neighbour);
    }

    private static double[] Distances(Features features, Features training, long[] chosen, int neighbour)
    {
        using var scope = torch.NewDisposeScope();
        var bank = training.ToTensor(normalised: true).index_select(0, torch.tensor(chosen)); // (B, d)
        var rows = features.ToTensor(normalised: true); // (M, d)
        var scores = new List<double>(features.Count);
        foreach (var part in rows.split(Math.Max(1, ElementsAtOnce / chosen.Length)))
        {
            using var inner = torch.NewDisposeScope();
            var (nearest, _) = SquaredDistances.Between(part, bank).topk(neighbour, dim: 1, largest: false, sorted: true);
            scores.AddRange(nearest.select(1, neighbour - 1).sqrt().contiguous().data<double>().ToArray());
        }

        return [.. scores];
    }

    private static long[] Chosen(ReadOnlySpan<int> labels, int classCount, int perClass)
    {
        var chosen = new List<long>(labels.Length);
        var taken = new int[classCount];
        for (var i = 0; i < labels.Length; i++)
        {
            if (perClass == 0 || taken[labels[i]]++ < perClass)
            {
                chosen.Add(i);
            }
        }

        return [.. chosen];
    }
}
