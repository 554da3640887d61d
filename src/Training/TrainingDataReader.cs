using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Ranks;
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
        ? FromDisk(recipe, path, withOutliers && recipe.ReadsOutliers, withOutOfDistribution)
        : Synthetic(recipe, withOutOfDistribution);

    private static TrainingData Synthetic(Recipe recipe, bool withOutOfDistribution)
    {
        var options = new SyntheticOptions();
        var images = SyntheticImages.Create((ulong)recipe.Seed, options with { Size = recipe.ImageSize ?? options.Size });
        var (skipped, remarks) = (new List<string>(), new List<string>());
        var opened = recipe.Data.OutOfDistribution.Count == 0 || !withOutOfDistribution ? [] : Open(recipe.Data);
        var outOfDistribution = opened.Count == 0
            ? images.OutOfDistribution
            : OutOfDistribution(
                recipe.Data, opened, images.Training, new ReadOptions(images.Training.Height, recipe.Data.SkipBroken) { Geometry = recipe.Input.Geometry }, skipped, remarks);
        return Split(recipe, images.Training, images.Test, null, recipe.ReadsOutliers ? images.Outliers : null, outOfDistribution, skipped, remarks) with { Lists = ListsOf(opened) };
    }

    private static TrainingData FromDisk(Recipe recipe, string path, bool withOutliers, bool withOutOfDistribution)
    {
        var data = recipe.Data;

        // All of them are opened, which shows most mistakes, before the pixels of any are read.
        var inDistribution = Dataset.Open(path, data.Root);
        inDistribution.RequireClasses();
        if (data.Root is not null && !new[] { path, data.Outliers }.Concat(data.OutOfDistribution.Select(set => set.Path)).OfType<string>().Any(Dataset.IsListed))
        {
            throw new InputException($"--root {data.Root} says where the paths of lists start from, but none of the data sets is a list; leave it out, or name lists with --id, --outliers or --ood.");
        }

        if (withOutliers && data.Outliers is null)
        {
            throw new InputException("The method needs auxiliary outlier images: name them with --outliers PATH, let pascl make them of the training images with --outliers none, or train without any with --method ce.");
        }

        var outliers = withOutliers ? Dataset.Open(data.Outliers!, data.Root) : null;
        var remarks = new List<string>();
        if (withOutOfDistribution && data.OutOfDistribution.Count == 0)
        {
            data = data with { OutOfDistribution = [.. NoiseSets.Names.Select(name => new NamedPath(null, name))] };
            remarks.Add(
                "No out-of-distribution test set is named (--ood NAME=PATH), so detection is measured on drawn noise, which is easier to detect than any photograph.");
        }

        var sets = withOutOfDistribution ? Open(data) : [];
        if (outliers is not null)
        {
            Datasets.RequireOutliers(outliers, data.Outliers!);
            RequireBatch(outliers, recipe);
        }

        Dataset?[] opened = [inDistribution, outliers, .. sets];
        foreach (var dataset in opened.OfType<Dataset>())
        {
            remarks.AddRange(dataset.Notes.Concat(dataset.Problems));
        }

        var options = new ReadOptions(recipe.ImageSize, data.SkipBroken) { Geometry = recipe.Input.Geometry, NeedsWholeImages = recipe.Input.Crop is not null };
        var read = Datasets.InDistributionOf(inDistribution, path, options);
        var skipped = read.Skipped.ToList();
        options = options with { ImageSize = read.Training.Height };

        // Which images are broken must be known before some of the others are drawn.
        var drawn = outliers is null || options.SkipBroken ? null : DrawnOutliers(recipe, outliers.Count(Dataset.TrainPart));
        var outlierImages = outliers is null ? null : Datasets.OutliersOf(outliers, data.Outliers!, options, skipped, drawn);
        var outOfDistribution = withOutOfDistribution ? OutOfDistribution(data, sets, read.Training, options, skipped, remarks) : [];
        return Split(recipe, read.Training, read.Test, ValidationOf(data, read, remarks), outlierImages, outOfDistribution, skipped, remarks) with { Lists = ListsOf(opened) };
    }

    // One list may name the images of several sets.
    private static ListFingerprint[] ListsOf(IEnumerable<Dataset?> opened) => [.. opened.OfType<Dataset>().SelectMany(dataset => dataset.Lists).Distinct()];

    private static ImageSet? ValidationOf(DataRecipe data, InDistributionData read, List<string> remarks)
    {
        if (read.Validation is not { } validation || (data.ValidationList && data.ValidationFraction == 0))
        {
            return read.Validation;
        }

        remarks.Add(data.ValidationList
            ? $"The {validation.Count:N0} validation images of {data.InDistribution} are not used: --validation holds out training images instead."
            : $"The {validation.Count:N0} validation images of {data.InDistribution} are not used; --validation-list true takes them, --validation holds out training images.");
        return null;
    }

    private static void RequireBatch(Dataset outliers, Recipe recipe)
    {
        var count = outliers.Count(Dataset.TrainPart);
        if (count < recipe.OutlierBatchSize && recipe.Representation.Epochs > 0)
        {
            throw new InputException(
                $"{recipe.Data.Outliers} has {count} outlier images, but one batch takes {recipe.OutlierBatchSize}; add images or choose a smaller --outlier-batch.");
        }
    }

    private static List<Dataset?> Open(DataRecipe data) => [.. data.OutOfDistribution.Select(set => NoiseSets.IsName(set.Path) ? null : Dataset.Open(set.Path, set.Root ?? data.Root))];

    private static List<ImageSet> OutOfDistribution(
        DataRecipe data, IReadOnlyList<Dataset?> opened, ImageSet training, ReadOptions options, List<string> skipped, List<string> remarks)
    {
        options = options with { NeedsWholeImages = false };
        var sets = new List<ImageSet>();
        foreach (var (set, dataset) in data.OutOfDistribution.Zip(opened))
        {
            var read = dataset is null
                ? Datasets.ReadOutOfDistribution(set.Name, set.Path, options, skipped)
                : set.Group == SetGroup.Shift ? [Datasets.ShiftedOf(dataset, set.Name, set.Path, training.ClassNames, options, skipped)]
                : Datasets.OutOfDistributionOf(dataset, set.Name, set.Path, options, skipped);
            foreach (var images in read)
            {
                // A set that is named by itself is meant; the preset's exclusions are for the sets of a layout.
                if (dataset?.IsCollection == true && set.Name is null && data.ExcludedSets.Contains(images.Name))
                {
                    remarks.Add($"The set {images.Name} of {set.Path} is left out: it shows the in-distribution classes themselves. Name it with --ood NAME=PATH to measure on it all the same.");
                }
                else
                {
                    sets.Add(images.In(set.Group));
                }
            }
        }

        CheckSets(sets, training.ClassCount);
        return sets;
    }

    private static TrainingData Split(
        Recipe recipe,
        ImageSet all,
        ImageSet? test,
        ImageSet? validation,
        ImageSet? outliers,
        IReadOnlyList<ImageSet> outOfDistribution,
        IReadOnlyList<string> skipped,
        List<string> remarks)
    {
        var data = recipe.Data;
        var seed = (ulong)recipe.SplitSeed;
        var (training, tests) = test is null ? HoldOut.Split(all, data.TestFraction, seed) : (all, test);
        var counts = tests.CountPerClass();
        string[] untested = [.. tests.ClassNames.Where((_, label) => counts[label] == 0)];
        if (untested.Length > 0)
        {
            remarks.Add($"{untested.Length} of {counts.Length} classes have no test image ({Listed(untested)}), so that nothing is known of them: accuracy and detection are those of the others.");
        }

        if (data.Profile is { } shape)
        {
            training = new LongTailProfile(shape, data.ImbalanceRatio).Apply(training);
        }

        if (data.ValidationFraction > 0)
        {
            (training, validation) = HoldOut.Split(training, data.ValidationFraction, seed);
        }

        if (outliers is not null && DrawnOutliers(recipe, outliers.Count) is { } drawn)
        {
            outliers = outliers.Select(drawn);
        }

        return new TrainingData(training, validation, tests, outliers, outOfDistribution, skipped) { Remarks = remarks };
    }

    // Some of the outliers where there are more than the recipe takes; null for all.
    private static IReadOnlyList<int>? DrawnOutliers(Recipe recipe, int count) => recipe.Data.MaximumOutliers is { } maximum && maximum < count
        ? [.. recipe.Data.SplitSeed is null ? Enumerable.Range(0, maximum) : EpochOrder.Permutation(count, (ulong)recipe.SplitSeed, 0, RandomStream.HoldOut).Take(maximum).Order()]
        : null;

    private static void CheckSets(List<ImageSet> sets, int classCount)
    {
        if (sets.GroupBy(set => set.Name).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            throw new InputException($"Two out-of-distribution sets are called {twice.Key}; give one of them another name with --ood NAME=PATH.");
        }

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

    private static string Listed(string[] names) => string.Join(", ", names.Take(5)) + (names.Length > 5 ? $" and {names.Length - 5} more" : "");
}

/// <summary>The features of a run's images, where it is trained on those of a frozen backbone: computed once, and in the place of the images from then on.</summary>
internal static class BackboneFeatures
{
    /// <summary>The recipe with what its backbone's file says: the size of images, the output, the hash.</summary>
    /// <exception cref="InputException">The file cannot be used, or is another one than before.</exception>
    public static Recipe Resolve(Recipe recipe)
    {
        if (recipe.Backbone.Path is null)
        {
            return recipe;
        }

        using var backbone = FrozenBackbone.Open(recipe.Backbone with { ImageSize = recipe.ImageSize });
        return recipe with { Backbone = backbone.Settings };
    }

    /// <summary>Computes the features of all sets, or finds them on the disk: of the images to be trained on their views, of those to be judged as they are.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="data">Its images.</param>
    /// <param name="backbone">The backbone.</param>
    /// <param name="trains">Whether training needs their views.</param>
    /// <param name="listener">Told how it goes.</param>
    /// <param name="cancellation">Ends the computing; what is done stays.</param>
    /// <exception cref="InputException">The features cannot be kept, or are not finite.</exception>
    public static TrainingData Attach(
        Recipe recipe, TrainingData data, FrozenBackbone backbone, bool trains, FeatureListener listener, CancellationToken cancellation = default)
    {
        var cache = new FeatureCache(backbone, listener, cancellation);
        var (first, second) = trains ? (Views(RandomStream.FirstView), Views(RandomStream.Outlier)) : (null, null);

        // Of several ranks the first one computes what the others find on the disk.
        return ProcessGroup.Current.FirstBeforeOthers(() => data with
        {
            Training = cache.Of(data.Training, SetFingerprint.Training, plain: true, first),
            Validation = data.Validation is { } held ? cache.Of(held, SetFingerprint.Validation, plain: true) : null,
            Test = cache.Of(data.Test, SetFingerprint.Test, plain: true),
            Outliers = data.Outliers is { } outliers ? cache.Of(outliers, SetFingerprint.Outliers, plain: second is null, second) : null,
            OutOfDistribution = [.. data.OutOfDistribution.Select(set => cache.Of(set, set.Name, plain: true))],
        });

        // Drawn by the seed of the split, as the images are: runs of several seeds share them.
        ViewPlan Views(int stream)
        {
            var augmentation = recipe.Input.Augmentation;
            return new ViewPlan(
                recipe.Backbone.Views,
                recipe.Input.Crop,
                recipe.ChangesColours ? augmentation : augmentation with { JitterProbability = 0, GreyscaleProbability = 0 },
                (ulong)recipe.SplitSeed,
                stream);
        }
    }
}
