using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>What a way of using the branches says about every image of a set.</summary>
/// <param name="Images">The images.</param>
/// <param name="Scores">The out-of-distribution score of each.</param>
/// <param name="Predictions">The predicted class of each.</param>
internal sealed record ScoredImages(ImageSet Images, double[] Scores, int[] Predictions)
{
    public WorstImage At(int index)
    {
        var label = Images.Labels[index];
        return new(
            Images.Name, index, Images.Source(index), label == ImageSet.NoClass ? null : label, Predictions[index], Scores[index]);
    }
}
