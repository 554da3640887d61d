using Pascl.Tests.Conformance;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Evaluation.Scores;

/// <summary>What a score says that it has from the training images, by training images that differ.</summary>
public sealed class ScoreFitTests
{
    private static readonly int[] labels = [0, 0, 0, 0, 1, 1, 2, 2];
    private static readonly int[] otherShares = [0, 1, 1, 2, 2, 2, 2, 2];

    private static IEnumerable<string> Names => ScoreSpec.All.Select(score => score.Name);

    [TestCaseSource(nameof(Names))]
    public void a_score_changes_with_what_it_is_fitted_to_and_with_nothing_else(string name)
    {
        using var network = new RectifiedLinearNetwork(Values(8 * 12, 1), Values(8, 2), new LinearClassifier(Values(3 * 8, 3), Values(3, 4)));
        var tested = FeaturePass.Of(network, Images(5, seed: 5, [.. Enumerable.Repeat(ImageSet.NoClass, 5)]));

        // Of so few features and pixels the usual percentages are none.
        var score = name.StartsWith("adascale", StringComparison.Ordinal) ? $"{name}:low=0:high=95:pixels=50" : name;
        var scores = Scores(Images(8, seed: 6, labels));
        var expected = ScoreSpec.Parse(name).FittedTo;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Scores(Images(8, seed: 7, labels)).SequenceEqual(scores), Is.EqualTo(expected != ScoreFit.TrainingImages), "other images");
            if (expected != ScoreFit.TrainingImages)
            {
                Assert.That(Scores(Images(8, seed: 6, otherShares)).SequenceEqual(scores), Is.EqualTo(expected == ScoreFit.Nothing), "other shares of the classes");
            }
        }

        double[] Scores(ImageSet training) => ScoreSpec.Parse(score).Fit(new ScoreFitting(network, training)).Of(tested);
    }

    private static ImageSet Images(int count, int seed, int[] classes)
    {
        var random = new Random(seed);
        var pixels = new PixelBlock(count, 2, 2);
        for (var i = 0; i < count; i++)
        {
            random.NextBytes(pixels.Writable(i));
        }

        return new ImageSet("images", pixels, classes, ["a", "b", "c"]);
    }

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.4))];
    }
}
