using CsCheck;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Evaluation.Scores;

/// <summary>The scores that need the classifier, by numbers worked out by hand and by plain loops.</summary>
public sealed class ClassifierScoresTests
{
    private static readonly LinearClassifier four = new([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [0, 0, 0, 0]);

    private readonly DualBranchNetwork model = SmallNetworks.Create(1, classCount: 4);

    [OneTimeTearDown]
    public void Free() => model.Dispose();

    [TestCase(90, 7.2)]
    [TestCase(0, 0)]
    [TestCase(50, 2)]
    [TestCase(75, 3)]
    public void a_percentile_is_interpolated_between_order_statistics(double percent, double expected) =>
        Assert.That(Percentile.Of(new Features([3, 0, 10, 1, 2], 1), percent), Is.EqualTo(expected).Within(1e-12));

    [Test]
    public void a_percentile_is_that_of_the_sorted_numbers() =>
        Gen.Select(Gen.Float[-50, 50].Array[1, 60], Gen.Double[0, 100]).Sample((values, percent) =>
        {
            var sorted = values.Order().ToArray();
            var rank = percent / 100 * (values.Length - 1);
            var low = (int)Math.Floor(rank);
            var expected = sorted[low] + ((rank - low) * ((double)sorted[Math.Min(low + 1, sorted.Length - 1)] - sorted[low]));
            Assert.That(Percentile.Of(new Features(values, values.Length), percent), Is.EqualTo(expected).Within(1e-9));
        });

    [Test]
    public void react_cuts_features_at_the_percentile_of_the_training_images()
    {
        var training = Passes.Of([[7.2f, 7.2f], [7.2f, 7.2f]], [0, 1]);
        Assert.That(Scores("react", training, Passes.Of([[10, 1]]), new([1, 0, 0, 1], [0, 0])), Is.EqualTo((double[])[-7.202027]).Within(1e-6));
    }

    [TestCase("ash-b", new double[] { 0, 0, 5, 5 })]
    [TestCase("ash-p", new double[] { 0, 0, 3, 4 })]
    [TestCase("ash-s", new[] { 0, 0, 12.518202, 16.690936 })]
    [TestCase("scale", new[] { 4.172734, 8.345468, 12.518202, 16.690936 })]
    public void shaped_features_have_the_values_of_their_definitions(string score, double[] shaped)
    {
        var training = Passes.Of([[1, 1, 1, 1]], [0]);
        Assert.That(
            Scores($"{score}:percentile=50", training, Passes.Of([[1, 2, 3, 4]]), four), Is.EqualTo((double[])[-Math.Log(shaped.Sum(Math.Exp))]).Within(1e-6));
    }

    [TestCase("ash-b")]
    [TestCase("ash-p")]
    [TestCase("ash-s")]
    [TestCase("scale")]
    public void features_of_zeros_stay_so_and_of_equal_ones_the_first_are_kept(string score)
    {
        var training = Passes.Of([[1, 1, 1, 1]], [0]);
        var zeros = Scores($"{score}:percentile=50", training, Passes.Of([[0, 0, 0, 0]]), four);
        var tied = Scores($"{score}:percentile=75", training, Passes.Of([[2, 2, 0, 0]]), new([1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9], [0, 0, 0, 0]));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(zeros, Is.EqualTo((double[])[-Math.Log(4)]).Within(1e-12));
            Assert.That(tied[0], score == "scale" ? Is.LessThan(-18) : Is.GreaterThan(-16), "the second would be multiplied by 9");
        }
    }

    [Test]
    public void vim_has_the_value_of_its_definition()
    {
        // o = (-1, 1, 0); f - o varies along the first two axes.
        var training = Passes.Of(
            [[1, 1, 0.5f], [-3, 1, 0.5f], [-1, 4, 0.5f], [-1, -2, 0.5f]], [0, 0, 1, 1], [[2, 0], [-2, 0], [0, 3], [0, -3]]);
        var score = Scores("vim:dimension=2", training, Passes.Of([[0, 1, 2]], null, [[1, 0]]), new([1, 0, 0, 0, 1, 0], [1, -1]));
        Assert.That(score, Is.EqualTo((double[])[3.686738]).Within(1e-6));
    }

    [Test]
    public void a_dimension_that_leaves_no_residual_is_refused() => Assert.That(
        () => Scores("vim:dimension=3", Passes.Of([[1, 1, 0.5f], [-3, 1, 0.5f]], [0, 1]), Passes.Of([[0, 1, 2]]), new([1, 0, 0, 0, 1, 0], [1, -1])),
        Throws.TypeOf<InputException>().With.Message.EqualTo("The dimension of the score vim is 3; it must be below the number of features, 3."));

    [Test]
    public void she_has_the_value_of_its_definition_and_falls_back_to_the_mean_of_a_class_that_is_never_right()
    {
        var training = Passes.Of([[1, 0], [3, 2], [9, 9], [0, 4]], [0, 0, 0, 1], [[1, 0], [1, 0], [0, 1], [1, 0]]);
        var tested = Passes.Of([[1, 4], [1, 4]], null, [[1, 0], [0, 1]]);
        Assert.That(Scores("she", training, tested, new([1, 0, 0, 1], [0, 0])), Is.EqualTo((double[])[-6, -16]).Within(1e-12));
    }

    [Test]
    public void every_score_equals_its_equation_written_down_naively() => Cases.Sample(
        data =>
        {
            var (training, tested, classifier) = data;
            using (Assert.EnterMultipleScope())
            {
                foreach (var (score, expected) in NaiveClassifierScores.All(training, tested, classifier))
                {
                    Assert.That(Scores(score, training, tested, classifier), Is.EqualTo(expected).Within(1e-7 * (1 + expected.Max(Math.Abs))), score);
                }
            }
        },
        iter: 30);

    [TestCase("scale-prior", "scale")]
    [TestCase("react-prior", "react")]
    [TestCase("ash-s-prior", "ash-s")]
    public void prior_forms_are_reweighted(string score, string inner)
    {
        var training = Passes.Of([[1, 2, 1, 3], [2, 1, 3, 1], [2, 1, 1, 1], [0, 0, 2, 2]], [0, 1, 2, 3]);
        var tested = Passes.Of([[1, 2, 3, 4]], null, [[1, 2, 3, 4]]);
        var p = NaiveScores.Probabilities(tested, 0);
        var cosine = p.Average() / Math.Sqrt(p.Sum(value => value * value)) / Math.Sqrt(0.25);
        Assert.That(Scores(score, training, tested, four)[0], Is.EqualTo(Scores(inner, training, tested, four)[0] * (1 - cosine)).Within(1e-9));
    }

    [Test]
    public void adascale_with_one_percentile_is_scale()
    {
        var images = SmallNetworks.Images(6, 16, 16);
        var (pass, fitting) = (FeaturePass.Of(model, images), new ScoreFitting(model, Classified(20)));
        var scaled = ScoreSpec.Parse("scale:percentile=50").Fit(fitting).Of(pass);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ScoreSpec.Parse("adascale-a:low=50:high=50").Fit(fitting).Of(pass), Is.EqualTo(scaled).Within(1e-9));
            var ofLogits = ScoreSpec.Parse("adascale-l:low=50:high=50").Fit(fitting).Of(pass);
            for (var i = 0; i < images.Count; i++)
            {
                var features = pass.Features[i].ToArray().Select(value => (double)value).ToArray();
                var ratio = features.Sum() / features.OrderDescending().Take(features.Length - (int)Math.Round(features.Length * 0.5)).Sum();
                var energy = Math.Log(pass.Predictions.Main[i].ToArray().Sum(z => Math.Exp(z * ratio * ratio)));
                Assert.That(ofLogits[i], Is.EqualTo(-energy).Within(1e-6));
            }
        }
    }

    [Test]
    public void adascale_prunes_images_less_whose_features_move_more()
    {
        var (images, fitting) = (SmallNetworks.Images(12, 16, 16), new ScoreFitting(model, Classified(40)));
        var pass = FeaturePass.Of(model, images);
        var spread = ScoreSpec.Parse("adascale-a:low=10:high=90").Fit(fitting).Of(pass);
        var (least, most) = (ScoreSpec.Parse("scale:percentile=10").Fit(fitting).Of(pass), ScoreSpec.Parse("scale:percentile=90").Fit(fitting).Of(pass));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(spread.Zip(least, (a, b) => a - b), Has.All.AtMost(1e-9), "the least pruned has the smallest confidence");
            Assert.That(spread.Zip(most, (a, b) => a - b), Has.All.AtLeast(-1e-9));
            Assert.That(ScoreSpec.Parse("adascale-a:low=10:high=90").Fit(fitting).Of(pass), Is.EqualTo(spread));
        }
    }

    private static ImageSet Classified(int count)
    {
        var noise = SmallNetworks.Images(count, 16, 16);
        var pixels = new PixelBlock(count, 16, 16);
        for (var i = 0; i < count; i++)
        {
            noise.Pixels(i).CopyTo(pixels.Writable(i));
        }

        return new ImageSet("training", pixels, [.. Enumerable.Range(0, count).Select(i => i % 4)], ["a", "b", "c", "d"]);
    }

    /// <summary>Training images of two to four classes, each at least once, some images to be scored, and a classifier whose logits they have.</summary>
    private static Gen<(FeaturePass Training, FeaturePass Tested, LinearClassifier Classifier)> Cases =>
        from classes in Gen.Int[2, 4]
        from width in Gen.Int[3, 6]
        from labels in Gen.Int[0, classes - 1].Array[width, 30]
        from values in Gen.Float[0, 5].Array[width].Array[labels.Length + classes]
        from tested in Gen.Float[0, 5].Array[width].Array[1, 9]
        from weight in Gen.Float[-2, 2].Array[classes * width]
        from bias in Gen.Float[-1, 1].Array[classes]
        let classifier = new LinearClassifier(weight, bias)
        select (
            Passes.Of(values, [.. Enumerable.Range(0, classes), .. labels], Logits(classifier, values)),
            Passes.Of(tested, null, Logits(classifier, tested)),
            classifier);

    private static float[][] Logits(LinearClassifier classifier, float[][] features) =>
        [.. features.Select(row => classifier.Bias.Select((bias, c) => bias + row.Select((f, j) => f * classifier.Weight[(c * row.Length) + j]).Sum()).ToArray())];

    private double[] Scores(string score, FeaturePass training, FeaturePass tested, LinearClassifier classifier) =>
        ScoreSpec.Parse(score).Fit(new ScoreFitting(model, training) { Classifier = classifier }).Of(tested);
}

/// <summary>The same from the definitions, with loops.</summary>
internal static class NaiveClassifierScores
{
    public static Dictionary<string, double[]> All(FeaturePass training, FeaturePass tested, LinearClassifier classifier)
    {
        var (bank, rows) = (NaiveScores.Rows(training, normalised: false), NaiveScores.Rows(tested, normalised: false));
        var (trainingLogits, logits) = (Logits(training), Logits(tested));
        var labels = training.Images.Labels.ToArray();
        var (classes, width) = (classifier.Bias.Length, rows[0].Length);
        var mean = Enumerable.Range(0, width).Select(j => bank.Average(row => row[j])).ToArray();
        var pooled = bank.SelectMany(row => row).Order().ToArray();
        double[] contributions = [.. classifier.Weight.Select((weight, i) => (double)(float)(weight * mean[i % width]))];
        var sortedContributions = contributions.Order().ToArray();
        return new()
        {
            ["react:percentile=60"] = [.. rows.Select(row => Energy(row.Select(f => Math.Min(f, Quantile(pooled, 0.6))).ToArray()))],
            ["dice:percentile=50"] =
            [
                .. rows.Select(row => -LogSum(classifier.Bias.Select((bias, c) => bias + Enumerable.Range(0, width)
                    .Where(j => contributions[(c * width) + j] > Quantile(sortedContributions, 0.5)).Sum(j => classifier.Weight[(c * width) + j] * row[j])))),
            ],
            ["ash-s:percentile=50"] = [.. rows.Select(row => Energy(Shape(row, 0.5, scales: true, prunes: true)))],
            ["ash-p:percentile=50"] = [.. rows.Select(row => Energy(Shape(row, 0.5, scales: false, prunes: true)))],
            ["scale:percentile=50"] = [.. rows.Select(row => Energy(Shape(row, 0.5, scales: true, prunes: false)))],
            ["she"] = [.. rows.Select((row, i) => -Dot(row, Pattern(Largest(logits[i]))))],
            ["nnguide:k=3"] =
            [
                .. rows.Select((row, i) => -LogSum(logits[i]) * bank.Select((other, n) => LogSum(trainingLogits[n]) * Dot(Unit(row), Unit(other)))
                    .OrderDescending().Take(3).Average()),
            ],
            ["fdbd"] =
            [
                .. rows.Select((row, i) => -Enumerable.Range(0, classes).Where(c => c != Largest(logits[i]))
                    .Sum(c => Math.Abs(logits[i][c] - logits[i].Max()) / Length(Weight(c), Weight(Largest(logits[i])))) / Length(row, mean)),
            ],
            ["nci"] =
            [
                .. rows.Select((row, i) => -(Dot(Weight(Largest(logits[i])), [.. row.Zip(mean, (f, m) => f - m)]) / Length(row, mean)) - (1e-4 * row.Sum(Math.Abs))),
            ],
            ["kl-matching"] = [.. logits.Select(z => Enumerable.Range(0, classes).Select(c => Mean(c)).OfType<double[]>().Min(q => Softmax(z).Zip(q, (p, r) => p * Math.Log(p / r)).Sum()))],
        };

        double Energy(double[] features) => -LogSum(classifier.Bias.Select((bias, c) => bias + Dot(Weight(c), features)));

        double[] Weight(int label) => [.. Enumerable.Range(0, width).Select(j => (double)classifier.Weight[(label * width) + j])];

        double[] Pattern(int label)
        {
            int[] all = [.. Enumerable.Range(0, bank.Length).Where(i => labels[i] == label)];
            int[] right = [.. all.Where(i => Largest(trainingLogits[i]) == label)];
            return [.. Enumerable.Range(0, width).Select(j => (right.Length > 0 ? right : all).Average(i => bank[i][j]))];
        }

        double[]? Mean(int label)
        {
            double[][] predicted = [.. trainingLogits.Where(z => Largest(z) == label).Select(Softmax)];
            return predicted.Length == 0 ? null : [.. Enumerable.Range(0, classes).Select(c => predicted.Average(p => p[c]))];
        }
    }

    private static double[] Shape(double[] row, double share, bool scales, bool prunes)
    {
        var count = Math.Max(1, row.Length - (int)Math.Round(row.Length * share));
        var kept = Enumerable.Range(0, row.Length).OrderByDescending(j => row[j]).ThenBy(j => j).Take(count).ToHashSet();
        var sumOfKept = kept.Sum(j => row[j]);
        var factor = scales ? Math.Exp(sumOfKept == 0 ? 0 : row.Sum() / sumOfKept) : 1;
        return [.. row.Select((f, j) => prunes && !kept.Contains(j) ? 0 : f * factor)];
    }

    private static double Quantile(double[] sorted, double share)
    {
        var rank = share * (sorted.Length - 1);
        var low = (int)Math.Floor(rank);
        return sorted[low] + ((rank - low) * (sorted[Math.Min(low + 1, sorted.Length - 1)] - sorted[low]));
    }

    private static double[][] Logits(FeaturePass pass) =>
        [.. Enumerable.Range(0, pass.Features.Count).Select(i => pass.Predictions.Main[i].ToArray().Select(z => (double)z).ToArray())];

    private static double[] Softmax(double[] logits) => [.. logits.Select(z => Math.Exp(z - LogSum(logits)))];

    private static double LogSum(IEnumerable<double> values)
    {
        double[] all = [.. values];
        return all.Max() + Math.Log(all.Sum(value => Math.Exp(value - all.Max())));
    }

    private static int Largest(double[] values) => Array.IndexOf(values, values.Max());

    private static double Dot(double[] left, double[] right) => left.Zip(right, (a, b) => a * b).Sum();

    private static double[] Unit(double[] row) => [.. row.Select(value => value / Math.Max(Math.Sqrt(Dot(row, row)), 1e-12))];

    private static double Length(double[] left, double[] right) => Math.Sqrt(left.Zip(right, (a, b) => (a - b) * (a - b)).Sum());
}
