using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>min_c (f - mu_c)' Sigma^-1 (f - mu_c), see <see cref="ClassGaussians"/>; on f itself or on f / |f|.</summary>
internal sealed class MahalanobisScore(bool normalised) : ScoreSpec(
    normalised ? "mahalanobis-normalised" : "mahalanobis",
    $"min_c (u - mu_c)' Sigma^-1 (u - mu_c), u = {(normalised ? "f / max(|f|, 1e-12)" : "f")}; mu_c class means and Sigma = (1/N) sum (u - mu_y)(u - mu_y)' " +
    "of the training images; a singular Sigma gets 1e-6 tr(Sigma)/d on its diagonal, one of zeros is replaced by the identity",
    normalised ? "Mahalanobis++: Mueller and Hein, ICML 2025" : "Lee et al., NeurIPS 2018, last layer, inputs not perturbed")
{
    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.TrainingFeatures;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var gaussians = ClassGaussians.Fit(fitting.TrainingPass, normalised);
        return pass => gaussians.SmallestDistances(pass.Features);
    }
}

/// <summary>min_c d_c - d_0: the Mahalanobis distance less that to one normal distribution of all training images.</summary>
internal sealed class RelativeMahalanobisScore(bool normalised) : ScoreSpec(
    normalised ? "rmds-normalised" : "rmds",
    $"min_c d_c - d_0, d_c as {(normalised ? "mahalanobis-normalised" : "mahalanobis")}, d_0 with the mean and the covariance of all training images",
    $"Ren et al., 2021 (arXiv 2106.09022){(normalised ? "; normalised features: RMDS++ of Mueller and Hein, ICML 2025" : "")}")
{
    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.TrainingFeatures;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var gaussians = ClassGaussians.Fit(fitting.TrainingPass, normalised);
        var background = ClassGaussians.Fit(fitting.TrainingPass, normalised, isOne: true);
        return pass => [.. gaussians.SmallestDistances(pass.Features).Zip(background.SmallestDistances(pass.Features), (nearest, all) => nearest - all)];
    }
}

/// <summary>The Mahalanobis distance of f / |f| with a ridge on the covariance, for long tails without outliers.</summary>
internal sealed class HypersphericalMahalanobisScore() : ScoreSpec(
    "hpm",
    "min_c (u - mu_c)' (Sigma + r tr(Sigma)/d I)^-1 (u - mu_c), u = f / max(|f|, 1e-12); mu_c not normalised again, Sigma over all training images",
    "after the abstract of arXiv 2605.17799; the size of the ridge is ours",
    Ridge)
{
    private static readonly ScoreParameter Ridge = new("ridge", 0.01, "r, the ridge as a share of the mean variance", ScoreParameterRange.NonNegative);

    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.TrainingFeatures;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var gaussians = ClassGaussians.Fit(fitting.TrainingPass, normalised: true, ridge: this[Ridge]);
        return pass => gaussians.SmallestDistances(pass.Features);
    }
}

/// <summary>The rows of passes in parts, so that memory does not grow with the number of images.</summary>
internal static class FeatureParts
{
    /// <summary>Shorter features than this have no direction.</summary>
    public const double ShortestDirection = 1e-12;

    // Elements of the largest matrix of a part: 32 MB in double.
    private const int Elements = 1 << 22;

    /// <summary>Rows of a part whose matrices have so many columns.</summary>
    public static int RowsOf(int columns) => Math.Max(1, Elements / Math.Max(1, columns));

    /// <summary>Does something with every part of a pass, in order, each in a dispose scope of its own.</summary>
    /// <param name="pass">The images.</param>
    /// <param name="normalised">Whether f / |f| is taken for f.</param>
    /// <param name="use">Receives f, (rows, d), z, (rows, C), and the number of the first row.</param>
    public static void ForEach(FeaturePass pass, bool normalised, Action<Tensor, Tensor, int> use)
    {
        var rows = RowsOf(Math.Max(pass.Features.Width, pass.Predictions.Main.ClassCount));
        for (var first = 0; first < pass.Features.Count; first += rows)
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            var count = Math.Min(rows, pass.Features.Count - first);
            use(pass.Features.Part(first, count, normalised), pass.Predictions.Main.Part(first, count), first);
        }
    }

    /// <summary>A score of every image from its features, (rows, d), and logits, (rows, C).</summary>
    public static double[] Scores(FeaturePass pass, bool normalised, Func<Tensor, Tensor, Tensor> score)
    {
        var scores = new double[pass.Features.Count];
        ForEach(pass, normalised, (features, logits, first) => Values(score(features, logits)).CopyTo(scores, first));
        return scores;
    }

    public static Tensor Labels(FeaturePass pass, int first, long count) => tensor(pass.Images.Labels.Slice(first, (int)count).ToArray()).to(int64);

    /// <summary>The mean features of all images.</summary>
    public static Tensor Mean(FeaturePass pass)
    {
        using var scope = NewDisposeScope();
        var sum = zeros(pass.Features.Width, ScalarType.Float64);
        ForEach(pass, normalised: false, (features, _, _) => sum.add_(features.sum(dim: 0)));
        return sum.div_(pass.Features.Count).MoveToOuterDisposeScope();
    }

    /// <summary>The elements of a tensor of doubles.</summary>
    public static double[] Values(Tensor tensor) => tensor.contiguous().data<double>().ToArray();
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
        (this.origin, this.whitening, this.means) = (FeatureParts.Values(origin), FeatureParts.Values(whitening), FeatureParts.Values(means));
    }

    /// <summary>Fits the distributions to the features of the training images; every class must have one.</summary>
    /// <param name="training">The pass over the training images.</param>
    /// <param name="normalised">Whether f / |f| is taken for f.</param>
    /// <param name="isOne">Whether there is one distribution of all images.</param>
    /// <param name="ridge">What is added to the diagonal of the covariance, as a share of its mean.</param>
    public static ClassGaussians Fit(FeaturePass training, bool normalised, bool isOne = false, double ridge = 0)
    {
        using var scope = NewDisposeScope();
        var (classes, size) = (isOne ? 1 : training.Images.ClassCount, training.Features.Width);
        var (sums, counts) = (zeros(classes, size, ScalarType.Float64), zeros(classes, ScalarType.Float64));
        FeatureParts.ForEach(training, normalised, (features, _, first) =>
        {
            var members = nn.functional.one_hot(LabelsOf(first, features.shape[0]), classes).to(float64); // (rows, C)
            sums.add_(members.t().matmul(features));
            counts.add_(members.sum(dim: 0));
        });

        // About the mean of all rows, so that large features leave no rounding in small variances.
        var origin = sums.sum(dim: 0) / training.Features.Count;
        var means = (sums / counts.unsqueeze(1)) - origin; // (C, d)
        var covariance = zeros(size, size, ScalarType.Float64);
        FeatureParts.ForEach(training, normalised, (features, _, first) =>
        {
            var deviations = features - origin - means.index_select(0, LabelsOf(first, features.shape[0]));
            covariance.add_(deviations.t().matmul(deviations));
        });
        covariance.div_(training.Features.Count);
        var factor = Factor(covariance + (eye(size, dtype: float64) * (ridge * covariance.trace() / size)));
        var whitening = linalg.solve(factor, eye(size, dtype: float64));
        return new ClassGaussians(normalised, origin, whitening, means.matmul(whitening.t()));

        Tensor LabelsOf(int first, long count) => isOne ? zeros(count, ScalarType.Int64) : FeatureParts.Labels(training, first, count);
    }

    /// <summary>The squared Mahalanobis distance of every image's features to the nearest class mean.</summary>
    public double[] SmallestDistances(Features features)
    {
        using var scope = NewDisposeScope();
        var (centre, map) = (tensor(origin), tensor(whitening, [width, width]).t());
        var centres = tensor(means, [means.Length / width, width]); // (C, d)
        var distances = new double[features.Count];
        var rows = FeatureParts.RowsOf(Math.Max(width, (int)centres.shape[0]));
        for (var first = 0; first < distances.Length; first += rows)
        {
            using var part = NewDisposeScope();
            var whitened = (features.Part(first, Math.Min(rows, distances.Length - first), normalised) - centre).matmul(map); // (rows, d)
            FeatureParts.Values(SquaredDistances.Between(whitened, centres).amin([1])).CopyTo(distances, first);
        }

        return distances;
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
        var distances = torch.empty(a.shape[0], b.shape[0], a.dtype);
        Write(distances, torch.empty_like(distances), a, b);
        return distances.MoveToOuterDisposeScope();
    }

    /// <summary>The same into a matrix of the caller's, (A, B), with another one as working memory.</summary>
    public static void Write(torch.Tensor distances, torch.Tensor products, torch.Tensor a, torch.Tensor b)
    {
        products.addmm_(a, b.t(), beta: 0, alpha: 2);
        distances.copy_(a.square().sum(1).unsqueeze(1)).add_(b.square().sum(1).unsqueeze(0)).sub_(products).clamp_(0);
    }
}

/// <summary>The best of many training images for each of some rows, with both sides in parts, so that memory does not grow with the number of training images.</summary>
internal static class Neighbours
{
    /// <summary>Training images that are compared at once.</summary>
    public const int BankRows = 1 << 12;

    /// <summary>The best values of a measure, best first: (rows, k).</summary>
    /// <param name="rows">(rows, d), of unit length.</param>
    /// <param name="training">The features of the training images.</param>
    /// <param name="chosen">Which of them take part, at least k.</param>
    /// <param name="measure">Writes its values of rows and some training features, (rows, d) and (m, d), into the first matrix, (rows, m); the second is working memory.</param>
    /// <param name="k">How many.</param>
    /// <param name="largest">Whether large values are good.</param>
    /// <param name="weights">What each training image's features of unit length are multiplied by; null for 1.</param>
    public static torch.Tensor Of(
        torch.Tensor rows, Features training, int[] chosen, Measure measure, int k, bool largest, double[]? weights = null)
    {
        using var scope = torch.NewDisposeScope();

        // Blocks for all parts: what is allocated anew for each leaves holes between which memory grows with the number of parts.
        var (count, most) = (rows.shape[0], Math.Min(BankRows, chosen.Length));
        var block = torch.empty(most, training.Width, torch.ScalarType.Float64);
        var work = torch.empty(count, most, torch.ScalarType.Float64);
        var candidates = torch.empty(count, k + most, torch.ScalarType.Float64); // the best so far, then those of a part
        var best = candidates.narrow(1, 0, k).fill_(largest ? double.NegativeInfinity : double.PositiveInfinity);
        foreach (var images in chosen.Chunk(BankRows))
        {
            using var inner = torch.NewDisposeScope();
            training.Fill(block, images);
            var bank = block.narrow(0, 0, images.Length); // (m, d)
            bank.div_(bank.norm(1, keepdim: true).clamp_min_(FeatureParts.ShortestDirection));
            if (weights is not null)
            {
                bank.mul_(torch.tensor([.. images.Select(image => weights[image])]).unsqueeze(1));
            }

            measure(candidates.narrow(1, k, images.Length), work.narrow(1, 0, images.Length), rows, bank);
            var (kept, _) = candidates.narrow(1, 0, k + images.Length).topk(k, dim: 1, largest: largest, sorted: true);
            best.copy_(kept);
        }

        return best.clone().MoveToOuterDisposeScope();
    }

    /// <summary>A measure of rows and training features, as <see cref="Of"/> takes it.</summary>
    public delegate void Measure(torch.Tensor values, torch.Tensor work, torch.Tensor rows, torch.Tensor features);
}

/// <summary>The distance of f / |f| to its k-th nearest neighbour among those of the training images.</summary>
internal sealed class NearestNeighbourScore() : ScoreSpec(
    "knn",
    "k-th smallest Euclidean distance of f / max(|f|, 1e-12) to those of the training images, the largest where there are fewer than k",
    "Sun et al., ICML 2022",
    Neighbour,
    PerClass)
{
    private static readonly ScoreParameter Neighbour = new(
        "k", 50, "which neighbour; with k above the images of a tail class, every image of that class looks out-of-distribution",
        ScoreParameterRange.PositiveInteger);

    private static readonly ScoreParameter PerClass = new(
        "per-class", 0, "the first so many training images of each class are neighbours, which balances the classes; 0 takes all",
        ScoreParameterRange.NonNegativeInteger);

    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.TrainingFeatures;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var training = fitting.TrainingPass;
        var chosen = Chosen(training.Images.Labels, training.Images.ClassCount, (int)this[PerClass]);
        var neighbour = Math.Min((int)this[Neighbour], chosen.Length);
        return pass => Distances(pass.Features, training.Features, chosen, neighbour);
    }

    private static double[] Distances(Features features, Features training, int[] chosen, int neighbour)
    {
        var scores = new double[features.Count];
        var rows = FeatureParts.RowsOf(Math.Max(Neighbours.BankRows, features.Width));
        for (var first = 0; first < scores.Length; first += rows)
        {
            using var scope = torch.NewDisposeScope();
            var part = features.Part(first, Math.Min(rows, scores.Length - first), normalised: true);
            var nearest = Neighbours.Of(part, training, chosen, SquaredDistances.Write, neighbour, largest: false); // (rows, k)
            FeatureParts.Values(nearest.select(1, neighbour - 1).sqrt()).CopyTo(scores, first);
        }

        return scores;
    }

    private static int[] Chosen(ReadOnlySpan<int> labels, int classCount, int perClass)
    {
        var chosen = new List<int>(labels.Length);
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
