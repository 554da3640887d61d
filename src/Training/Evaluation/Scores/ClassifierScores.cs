using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>alpha |R (f - o)| - log sum_c exp(z_c): the length of what lies outside the directions in which training features vary, as one more logit.</summary>
internal sealed class VirtualLogitScore() : ScoreSpec(
    "vim",
    "alpha |R' (f - o)| - log sum exp(z), o = -pinv(W) b, R the eigenvectors of (1/N) sum (f - o)(f - o)' of the training images but those of the D largest " +
    "eigenvalues, alpha = sum max z / sum |R' (f - o)| over the training images",
    "ViM: Wang, Li, Feng and Zhang, CVPR 2022",
    Dimension)
{
    private static readonly ScoreParameter Dimension = new(
        "dimension", 0, "D, below the number of features d; 0 takes 1,000 where d is 2,048 or more, 512 from 768 on, and else d / 2", ScoreParameterRange.NonNegativeInteger);

    public override ScoreNeeds Needs => base.Needs | ScoreNeeds.Classifier;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        using var scope = NewDisposeScope();
        var training = fitting.TrainingPass;
        var width = training.Features.Width;
        var dimension = DimensionOf((int)this[Dimension], width);
        var weight = fitting.Classifier.WeightTensor(); // (C, d)
        var origin = -linalg.pinv(weight).matmul(fitting.Classifier.BiasTensor()); // (d)
        var covariance = zeros(width, width, ScalarType.Float64);
        FeatureParts.ForEach(training, normalised: false, (features, _, _) =>
        {
            var deviations = features - origin;
            covariance.add_(deviations.t().matmul(deviations));
        });
        var (_, vectors) = linalg.eigh(covariance / training.Features.Count); // by growing eigenvalue
        var residual = vectors.narrow(1, 0, width - dimension); // (d, d - D)
        var (largest, lengths) = (0.0, 0.0);
        FeatureParts.ForEach(training, normalised: false, (features, logits, _) =>
        {
            largest += logits.amax([1]).sum().item<double>();
            lengths += (features - origin).matmul(residual).norm(1).sum().item<double>();
        });
        var alpha = lengths == 0 ? 0 : largest / lengths;

        // Plain arrays: a fitted score has no end at which tensors could be freed.
        var (centre, directions) = (FeatureParts.Values(origin), FeatureParts.Values(residual));
        return pass => FeatureParts.Scores(
            pass, normalised: false,
            (features, logits) => (alpha * (features - tensor(centre)).matmul(tensor(directions, [width, width - dimension])).norm(1)) - logits.logsumexp(1));
    }

    private static int DimensionOf(int given, int width) => given < width
        ? given > 0 ? given : width >= 2048 ? 1000 : width >= 768 ? 512 : width / 2
        : throw new InputException($"The dimension of the score vim is {given}; it must be below the number of features, {width}.");
}

/// <summary>Minus the energy's confidence times the mean of the best products with the training images' features, each of unit length times its own confidence.</summary>
internal sealed class NearestNeighbourGuidanceScore() : ScoreSpec(
    "nnguide",
    "-e(f) mean of the k largest <f / |f|, e(f_i) f_i / |f_i|> over the training images i, e = log sum exp(z); of more than `bank` training images as many, evenly spread",
    "NNGuide: Park, Jung and Teoh, ICCV 2023",
    Neighbour,
    Bank)
{
    private static readonly ScoreParameter Neighbour = new("k", 100, "how many neighbours", ScoreParameterRange.PositiveInteger);
    private static readonly ScoreParameter Bank = new("bank", 12_800, "most training images that are neighbours", ScoreParameterRange.PositiveInteger);

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var training = fitting.TrainingPass;
        var (count, most) = (training.Features.Count, (int)this[Bank]);
        int[] bank = [.. Enumerable.Range(0, Math.Min(count, most)).Select(place => (int)((long)place * count / Math.Min(count, most)))];
        var neighbours = Math.Min((int)this[Neighbour], bank.Length);
        var confidences = FeatureParts.Scores(training, normalised: false, (_, logits) => logits.logsumexp(1));
        return pass => FeatureParts.Scores(
            pass, normalised: true,
            (features, logits) => -logits.logsumexp(1)
                * Neighbours.Of(features, training.Features, bank, (values, _, rows, others) => values.addmm_(rows, others.t(), beta: 0, alpha: 1), neighbours, largest: true, confidences).mean([1]));
    }
}

/// <summary>Minus the distance to the decision boundaries of all other classes, relative to that from the mean of the training features.</summary>
internal sealed class BoundaryDistanceScore() : ScoreSpec(
    "fdbd",
    "-sum_c |z_c - z_y| / |w_c - w_y| / |f - mu|, y = argmax z, mu the mean of the training features; classes with equal weights have the distance |z_c - z_y|",
    "fDBD: Liu and Qin, ICML 2024")
{
    public override ScoreNeeds Needs => ScoreNeeds.Logits | ScoreNeeds.Features | ScoreNeeds.TrainingFeatures | ScoreNeeds.Classifier;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        using var scope = NewDisposeScope();
        var weight = fitting.Classifier.WeightTensor(); // (C, d)
        var between = SquaredDistances.Between(weight, weight).sqrt(); // (C, C)
        var lengths = FeatureParts.Values(where(between.eq(0), ones_like(between), between));
        var mean = FeatureParts.Values(FeatureParts.Mean(fitting.TrainingPass));
        var classes = (int)weight.shape[0];
        return pass => FeatureParts.Scores(pass, normalised: false, (features, logits) =>
        {
            var predicted = logits.argmax(1); // (rows)
            var gaps = (logits - logits.amax([1], keepdim: true)).abs();
            var distances = gaps / tensor(lengths, [classes, classes]).index_select(0, predicted);
            return -distances.sum(1) / (features - tensor(mean)).norm(1).clamp_min(FeatureParts.ShortestDirection);
        });
    }
}

/// <summary>Minus how far an image's feature points along the weights of its class, and minus a little of its length.</summary>
internal sealed class CollapseScore() : ScoreSpec(
    "nci",
    "-(<w_y, f - mu> / |f - mu| + alpha sum |f|), y = argmax z, mu the mean of the training features",
    "NCI: Liu and Qin, CVPR 2025",
    Alpha)
{
    private static readonly ScoreParameter Alpha = new("alpha", 1e-4, "weight of the feature's length", ScoreParameterRange.NonNegative);

    public override ScoreNeeds Needs => ScoreNeeds.Logits | ScoreNeeds.Features | ScoreNeeds.TrainingFeatures | ScoreNeeds.Classifier;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var alpha = this[Alpha];
        using var scope = NewDisposeScope();
        var mean = FeatureParts.Values(FeatureParts.Mean(fitting.TrainingPass));
        return pass => FeatureParts.Scores(pass, normalised: false, (features, logits) =>
        {
            var centred = features - tensor(mean);
            var weights = fitting.Classifier.WeightTensor().index_select(0, logits.argmax(1)); // (rows, d)
            return -((weights * centred).sum(1) / centred.norm(1).clamp_min(FeatureParts.ShortestDirection)) - (alpha * features.abs().sum(1));
        });
    }
}

/// <summary>Minus the product with the mean feature of the predicted class's training images.</summary>
internal sealed class StoredPatternScore() : ScoreSpec(
    "she",
    "-<f, m_y>, y = argmax z, m_c the mean feature of the training images of class c that are predicted c, or of all of class c where none is",
    "SHE: Zhang et al., ICLR 2023")
{
    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        using var scope = NewDisposeScope();
        var training = fitting.TrainingPass;
        var (classes, width) = (training.Images.ClassCount, training.Features.Width);
        var (rightSums, rightCounts) = (zeros(classes, width, ScalarType.Float64), zeros(classes, ScalarType.Float64));
        var (sums, counts) = (zeros_like(rightSums), zeros_like(rightCounts));
        FeatureParts.ForEach(training, normalised: false, (features, logits, first) =>
        {
            var labels = FeatureParts.Labels(training, first, features.shape[0]);
            var members = nn.functional.one_hot(labels, classes).to(float64); // (rows, C)
            var right = members * logits.argmax(1).eq(labels).to(float64).unsqueeze(1);
            rightSums.add_(right.t().matmul(features));
            rightCounts.add_(right.sum(dim: 0));
            sums.add_(members.t().matmul(features));
            counts.add_(members.sum(dim: 0));
        });
        var hasRight = rightCounts.gt(0).unsqueeze(1);
        var patterns = FeatureParts.Values(where(hasRight, rightSums / rightCounts.clamp_min(1).unsqueeze(1), sums / counts.unsqueeze(1)));
        return pass => FeatureParts.Scores(
            pass, normalised: false, (features, logits) => -(features * tensor(patterns, [classes, width]).index_select(0, logits.argmax(1))).sum(1));
    }
}

/// <summary>How far a prediction is from the nearest of the mean predictions of the classes.</summary>
internal sealed class KullbackLeiblerScore() : ScoreSpec(
    "kl-matching",
    "min_c sum_k p_k log(p_k / q_ck), q_c the mean p of the training images that are predicted c; classes that are never predicted are left out",
    "Hendrycks et al., ICML 2022; the means from training images")
{
    // Of a double, so that the logarithm is finite.
    private const double Least = 1e-300;

    public override ScoreNeeds Needs => ScoreNeeds.Logits | ScoreNeeds.TrainingLogits;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        using var scope = NewDisposeScope();
        var training = fitting.TrainingPass;
        var classes = training.Predictions.Main.ClassCount;
        var (sums, counts) = (zeros(classes, classes, ScalarType.Float64), zeros(classes, ScalarType.Float64));
        FeatureParts.ForEach(training, normalised: false, (_, logits, _) =>
        {
            var predicted = nn.functional.one_hot(logits.argmax(1), classes).to(float64); // (rows, C)
            sums.add_(predicted.t().matmul(logits.softmax(1)));
            counts.add_(predicted.sum(dim: 0));
        });
        var present = counts.nonzero().flatten();
        var means = sums.index_select(0, present) / counts.index_select(0, present).unsqueeze(1);
        var (logarithms, rows) = (FeatureParts.Values(means.clamp_min(Least).log()), present.shape[0]);
        return pass => FeatureParts.Scores(pass, normalised: false, (_, logits) =>
        {
            var logP = logits.log_softmax(1);
            var probabilities = logP.exp();
            return (probabilities * logP).sum(1) - probabilities.matmul(tensor(logarithms, [rows, classes]).t()).amax([1]);
        });
    }
}
