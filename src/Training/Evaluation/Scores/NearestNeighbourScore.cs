using TorchSharp;

namespace Pascl.Training.Evaluation.Scores;

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

    internal override Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting)
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
