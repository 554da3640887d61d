using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>What a way of using the branches says about every image of a set.</summary>
/// <param name="Images">The images.</param>
/// <param name="Scores">The out-of-distribution score of each.</param>
/// <param name="Predictions">The predicted class of each.</param>
internal sealed record ScoredImages(ImageSet Images, double[] Scores, int[] Predictions)
{
    /// <summary>The scores of the images that show none of the classes, and those of the images that show one.</summary>
    public static (double[] OutOfDistribution, double[] InDistribution) Part(ImageSet images, double[] scores)
    {
        var labels = images.Labels.ToArray();
        return ([.. scores.Where((_, i) => labels[i] == ImageSet.NoClass)], [.. scores.Where((_, i) => labels[i] != ImageSet.NoClass)]);
    }

    public WorstImage At(int index)
    {
        var label = Images.Labels[index];
        return new(
            Images.Name, index, Images.Source(index), label == ImageSet.NoClass ? null : label, Predictions[index], Scores[index]);
    }
}
