using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Training;

/// <summary>Reads and splits the images that a recipe names.</summary>
public static class TrainingDataReader
{
    /// <summary>Reads everything that training and evaluation need.</summary>
    /// <param name="recipe">Names the images.</param>
    /// <param name="withOutliers">Whether the auxiliary outliers are read; an evaluation does without.</param>
    /// <param name="withOutOfDistribution">Whether the out-of-distribution test sets are read; an export does without.</param>
    /// <exception cref="InputException">Something is missing, broken, or does not fit together; the message names it.</exception>
    public static TrainingData Read(Recipe recipe, bool withOutliers = true, bool withOutOfDistribution = true) =>
        recipe.Data.InDistribution is { } path
        ? FromDisk(recipe, path, withOutliers && recipe.UsesOutliers, withOutOfDistribution)
        : Synthetic(recipe, withOutOfDistribution);

    private static TrainingData Synthetic(Recipe recipe, bool withOutOfDistribution)
    {
        var options = new SyntheticOptions();
        var images = SyntheticImages.Create((ulong)recipe.Seed, options with { Size = recipe.ImageSize ?? options.Size });
        var skipped = new List<string>();
        var outOfDistribution = recipe.Data.OutOfDistribution.Count == 0 || !withOutOfDistribution
            ? images.OutOfDistribution
            : OutOfDistribution(recipe.Data, images.Training, skipped);
        return Split(recipe, images.Training, images.Test, recipe.UsesOutliers ? images.Outliers : null, outOfDistribution, skipped);
    }

    private static TrainingData FromDisk(Recipe recipe, string path, bool withOutliers, bool withOutOfDistribution)
    {
        var data = recipe.Data;
        if (withOutliers && data.Outliers is null)
        {
            throw new InputException("The method needs auxiliary outlier images: name them with --outliers PATH, or train without them with --method ce.");
        }

        if (withOutOfDistribution && data.OutOfDistribution.Count == 0)
        {
            throw new InputException(
                "No out-of-distribution test set is named: give at least one with --ood NAME=PATH, or there is nothing to measure detection on.");
        }

        var inDistribution = Datasets.ReadInDistribution(path, new ReadOptions(recipe.ImageSize, data.SkipBroken));
        var options = new ReadOptions(inDistribution.Training.Height, data.SkipBroken);
        var skipped = inDistribution.Skipped.ToList();
        var outliers = withOutliers ? Datasets.ReadOutliers(data.Outliers!, options, skipped) : null;
        var outOfDistribution = withOutOfDistribution ? OutOfDistribution(data, inDistribution.Training, skipped) : [];
        return Split(recipe, inDistribution.Training, inDistribution.Test, outliers, outOfDistribution, skipped);
    }

    private static List<ImageSet> OutOfDistribution(DataRecipe data, ImageSet training, List<string> skipped)
    {
        var options = new ReadOptions(training.Height, data.SkipBroken);
        var sets = data.OutOfDistribution
            .SelectMany(set => Datasets.ReadOutOfDistribution(set.Name, set.Path, options, skipped))
            .Where(set => !data.ExcludedSets.Contains(set.Name))
            .ToList();
        CheckClasses(sets, training.ClassCount);
        return sets;
    }

    private static TrainingData Split(
        Recipe recipe, ImageSet all, ImageSet? test, ImageSet? outliers, IReadOnlyList<ImageSet> outOfDistribution, IReadOnlyList<string> skipped)
    {
        var data = recipe.Data;
        var (training, tests) = test is null ? HoldOut.Split(all, data.TestFraction, (ulong)recipe.Seed) : (all, test);

        if (data.Profile is { } shape)
        {
            training = new LongTailProfile(shape, data.ImbalanceRatio).Apply(training);
        }

        ImageSet? validation = null;
        if (data.ValidationFraction > 0)
        {
            (training, validation) = HoldOut.Split(training, data.ValidationFraction, (ulong)recipe.Seed);
        }

        if (outliers is not null && data.MaximumOutliers is { } maximum && maximum < outliers.Count)
        {
            outliers = outliers.Select(Enumerable.Range(0, maximum));
        }

        return new TrainingData(training, validation, tests, outliers, outOfDistribution, skipped);
    }

    private static void CheckClasses(IEnumerable<ImageSet> sets, int classCount)
    {
        foreach (var set in sets)
        {
            foreach (var label in set.Labels)
            {
                if (label >= classCount)
                {
                    throw new InputException(
                        $"The out-of-distribution set {set.Name} marks an image as class {label}, but the in-distribution data has {classCount} classes; " +
                        "its list is for other data.");
                }
            }
        }
    }
}
