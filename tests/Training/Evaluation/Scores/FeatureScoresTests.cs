using CsCheck;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Evaluation.Scores;

/// <summary>The scores that need features, of the image or of the training images.</summary>
public sealed class FeatureScoresTests
{
    // No score here runs it.
    private readonly DualBranchResNet model = new(ResNetDepth.ResNet18, classCount: 2, width: 1);

    [OneTimeTearDown]
    public void Free() => model.Dispose();

    [TestCase("gradnorm", -2.721916)]
    [TestCase("gradnorm-prior", -1.160958)]
    public void gradnorm_has_the_value_of_its_definition(string score, double expected)
    {
        int[] labels = [.. Enumerable.Range(0, 10).Select(i => i < 6 ? 0 : i < 9 ? 1 : 2)];
        var training = Passes.Of([.. labels.Select(_ => (float[])[0, 0])], labels);
        Assert.That(Scores(score, training, Passes.Of([[1, -2]], [0], [[2, 0, 0]])), Is.EqualTo((double[])[expected]).Within(1e-6));
    }

    [Test]
    public void the_mahalanobis_distance_has_the_value_of_its_definition()
    {
        var training = Passes.Of([[0, 0], [2, 0], [4, 4], [4, 6]], [0, 0, 1, 1]);
        Assert.That(Scores("mahalanobis", training, Passes.Of([[2, 1], [4, 5]])), Is.EqualTo((double[])[4, 0]).Within(1e-9));
    }

    [TestCase("knn:k=1", 0)]
    [TestCase("knn:k=2", 0.894427)]
    [TestCase("knn:k=3", 1.414214)]
    [TestCase("knn:k=50", 1.414214)]
    public void the_nearest_neighbour_has_the_distance_of_its_definition(string score, double expected)
    {
        var training = Passes.Of([[1, 0], [0, 1], [0.6f, 0.8f]], [0, 1, 0]);
        Assert.That(Scores(score, training, Passes.Of([[2, 0]])), Is.EqualTo((double[])[expected]).Within(1e-6));
    }

    [Test]
    public void a_limit_per_class_keeps_the_first_images_of_each()
    {
        var training = Passes.Of([[1, 0], [1, 0], [1, 0], [0, 1]], [0, 0, 0, 1]);
        Assert.Multiple(() =>
        {
            Assert.That(Scores("knn:k=2", training, Passes.Of([[3, 0]])), Is.EqualTo((double[])[0]).Within(1e-7));
            Assert.That(Scores("knn:k=2:per-class=1", training, Passes.Of([[3, 0]])), Is.EqualTo((double[])[Math.Sqrt(2)]).Within(1e-7));
        });
    }

    [Test]
    public void every_score_equals_its_equation_written_down_naively() => Cases.Sample(
        data =>
        {
            var (training, tested) = data;
            Assert.Multiple(() =>
            {
                foreach (var normalised in (bool[])[false, true])
                {
                    var distances = NaiveScores.Mahalanobis(training, tested, normalised);
                    var score = normalised ? "mahalanobis-normalised" : "mahalanobis";
                    Assert.That(Scores(score, training, tested), Is.EqualTo(distances).Within(Rounding(distances)), score);
                }

                var relative = NaiveScores.Mahalanobis(training, tested, true).Zip(NaiveScores.Mahalanobis(training, tested, true, isOne: true), (c, all) => c - all).ToArray();
                Assert.That(Scores("rmds-normalised", training, tested), Is.EqualTo(relative).Within(1e-7 * (1 + relative.Max(Math.Abs))), "rmds-normalised");
                relative = [.. NaiveScores.Mahalanobis(training, tested, false).Zip(NaiveScores.Mahalanobis(training, tested, false, isOne: true), (c, all) => c - all)];
                Assert.That(Scores("rmds", training, tested), Is.EqualTo(relative).Within(1e-7 * (1 + relative.Max(Math.Abs))), "rmds");
                var ridged = NaiveScores.Mahalanobis(training, tested, true, ridge: 0.01);
                Assert.That(Scores("hpm", training, tested), Is.EqualTo(ridged).Within(Rounding(ridged)), "hpm");
                Assert.That(Scores("knn:k=3", training, tested), Is.EqualTo(NaiveScores.NearestNeighbour(training, tested, 3)).Within(1e-7));
                Assert.That(Scores("gradnorm", training, tested), Is.EqualTo(NaiveScores.GradNorm(training, tested, usesPrior: false)).Within(1e-9));
                Assert.That(Scores("gradnorm-prior", training, tested), Is.EqualTo(NaiveScores.GradNorm(training, tested, usesPrior: true)).Within(1e-9));
                Assert.That(
                    Scores("gradnorm-imood", training, tested),
                    Is.EqualTo(NaiveScores.Imbalanced(NaiveScores.GradNorm(training, tested, usesPrior: false), 10, training, tested)).Within(1e-9));
                var imbalanced = NaiveScores.Imbalanced(NaiveScores.Mahalanobis(training, tested, false), 0.5, training, tested);
                Assert.That(Scores("mahalanobis-imood:strength=0.5", training, tested), Is.EqualTo(imbalanced).Within(Rounding(imbalanced)));
            });
        },
        iter: 30);

    [Test]
    public void a_direction_in_which_the_training_features_never_vary_gets_a_ridge()
    {
        // The second feature is dead in training: Sigma = diag(1, 0), tr/d = 0.5.
        var training = Passes.Of([[-1, 7], [1, 7], [9, 7], [11, 7]], [0, 0, 1, 1]);
        var expected = (4 / (1 + 0.5e-6)) + (1 / 0.5e-6);
        Assert.That(Scores("mahalanobis", training, Passes.Of([[2, 8]])), Is.EqualTo((double[])[expected]).Within(1e-6).Percent);
    }

    [Test]
    public void features_that_depend_on_each_other_leave_no_noise()
    {
        // The third feature is the sum of the others, so the covariance is singular up to rounding.
        var random = new Random(3);
        float[][] rows = [.. Enumerable.Range(0, 40).Select(_ => (float[])[random.Next(-9, 9), random.Next(-9, 9), 0])];
        Array.ForEach(rows, row => row[2] = row[0] + row[1]);
        var training = Passes.Of(rows, [.. rows.Select((_, i) => i % 2)]);
        Assert.That(Scores("mahalanobis", training, Passes.Of([[1, 2, 3]])).Single(), Is.LessThan(10));
    }

    [Test]
    public void classes_of_one_image_have_euclidean_distances()
    {
        var training = Passes.Of([[1, 0], [4, 4]], [0, 1]);
        Assert.That(Scores("mahalanobis", training, Passes.Of([[1, 1], [4, 2]])), Is.EqualTo((double[])[1, 4]).Within(1e-12));
    }

    [Test]
    public void features_of_zeros_have_a_score()
    {
        var training = Passes.Of([[1, 0], [0, 2], [0, 0], [0, 0]], [0, 0, 1, 1]);
        var zeros = Passes.Of([[0, 0]]);
        Assert.Multiple(() =>
        {
            Assert.That(Scores("knn:k=1", training, zeros), Is.EqualTo((double[])[0]).Within(1e-12));
            Assert.That(Scores("knn:k=3", training, zeros), Is.EqualTo((double[])[1]).Within(1e-12));
            Assert.That(Scores("mahalanobis", training, zeros), Is.EqualTo((double[])[0]).Within(1e-12));
            Assert.That(Scores("mahalanobis-normalised", training, zeros), Is.EqualTo((double[])[0]).Within(1e-12));
            Assert.That(Scores("gradnorm", training, zeros), Is.EqualTo((double[])[0]));
        });
    }

    // Class 0 (2, 0), (3, 1); class 1 (0, 1), (1, 4): the covariance of unit vectors has the mean variance 0.0101466, of which the ridge is to be 0.01.
    [TestCase(4, 0.5f, 0.061920)]
    [TestCase(40, 5, 0.061920)]
    [TestCase(3, 3, 15.549790)]
    public void the_hyperspherical_distance_has_the_value_of_its_definition(float first, float second, double expected)
    {
        var training = Passes.Of([[2, 0], [3, 1], [0, 1], [1, 4]], [0, 0, 1, 1]);
        var variance = NaiveScores.MeanVariance(training);
        var score = FormattableString.Invariant($"hpm:ridge={0.01 / variance:R}");
        Assert.That(Scores(score, training, Passes.Of([[first, second]])), Is.EqualTo((double[])[expected]).Within(2e-6));
    }

    [Test]
    public void the_length_of_normalised_features_does_not_matter()
    {
        var training = Passes.Of([[1, 0, 2], [0, 2, 1], [3, 3, 0], [1, 5, 1], [2, 2, 2]], [0, 0, 1, 1, 1]);
        var (once, thrice) = (Passes.Of([[1, 2, 3]]), Passes.Of([[3, 6, 9]]));
        Assert.Multiple(() =>
        {
            foreach (var score in (string[])["mahalanobis-normalised", "rmds-normalised", "hpm", "knn:k=2"])
            {
                Assert.That(Scores(score, training, thrice), Is.EqualTo(Scores(score, training, once)).Within(1e-6), score);
            }

            Assert.That(Scores("mahalanobis", training, thrice), Is.Not.EqualTo(Scores("mahalanobis", training, once)).Within(1e-3));
        });
    }

    [Test]
    public void a_score_that_is_not_a_number_names_the_image() => Assert.That(
        () => Scores("mahalanobis", Passes.Of([[0, 1], [1, 0], [2, 2]], [0, 0, 1]), Passes.Of([[1, 1], [float.NaN, 0]])),
        Throws.TypeOf<Pascl.Training.InputException>().With.Message.Contains("mahalanobis of set[1] in set is not a number"));

    [TestCase("knn")]
    [TestCase("odin-prior")]
    [TestCase("gradnorm-imood")]
    public void a_deployed_model_cannot_compute_them(string score) => Assert.That(
        () => ScoreSpec.Parse(score).OfLogits([1, 2]),
        Throws.TypeOf<Pascl.Training.InputException>().With.Message.Contains("more than an image's logits").And.Message.Contains("msp, max-logit"));

    // As many tested rows as make the matrices a little smaller than what the C library always asks the system for, and gives back: only then holes stay between blocks.
    [Test, Long, Platform("Linux", Reason = "memory is read from /proc")]
    [TestCase("knn")]
    [TestCase("nnguide:bank=1000000")]
    public void memory_does_not_grow_with_the_number_of_training_images(string score)
    {
        const int Few = 20 * Neighbours.BankRows;
        const int Many = 120 * Neighbours.BankRows;
        ResidentMemory.GiveFreedBlocksBack();
        var tested = Zeros(1000);
        var few = Zeros(Few);
        _ = Scores(score, few, tested);
        var before = ResidentMemory.StartAgain();
        _ = Scores(score, few, tested);
        var ofFew = ResidentMemory.Peak - before;

        var many = Zeros(Many);
        before = ResidentMemory.StartAgain();
        _ = Scores(score, many, tested);
        Assert.That(ResidentMemory.Peak - before, Is.LessThan(ofFew + (100 << 20)));

        static FeaturePass Zeros(int count)
        {
            var (labels, logits) = (new int[count], new Logits(new float[2 * count], 2));
            labels[0] = 1;
            return new FeaturePass(
                new ImageSet("set", new PixelBlock(count, 1, 1), labels, ["a", "b"]), new Predictions(logits, logits), new Features(new float[4L * count], 4));
        }
    }

    /// <summary>Training images of two to four classes, each at least once, and some images to be scored.</summary>
    private static Gen<(FeaturePass Training, FeaturePass Tested)> Cases =>
        from classes in Gen.Int[2, 4]
        from width in Gen.Int[2, 6]
        from labels in Gen.Int[0, classes - 1].Array[3 * width, 40]
        from values in Gen.Float[-3, 5].Array[width].Array[labels.Length + classes]
        from tested in Gen.Float[-3, 5].Array[width].Array[1, 9]
        from logits in Gen.Float[-9, 9].Array[classes].Array[tested.Length]
        select (Passes.Of(values, [.. Enumerable.Range(0, classes), .. labels]), Passes.Of(tested, null, logits));

    // Both ways solve a linear system, whose rounding grows with the condition of the covariance.
    private static double Rounding(double[] expected) => 1e-8 * (1 + expected.Max());

    private double[] Scores(string score, FeaturePass training, FeaturePass tested) =>
        ScoreSpec.Parse(score).Fit(new ScoreFitting(model, training)).Of(tested);
}
