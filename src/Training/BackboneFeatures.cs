using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;

namespace Pascl.Training;

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
