using CsCheck;
using Pascl.Training.Evaluation.Scores;

namespace Pascl.Tests.Training.Evaluation.Scores;

/// <summary>The scores that need an image's logits and the training counts alone.</summary>
public sealed class LogitScoresTests
{
    /// <summary>Training counts with the class prior (0.6, 0.3, 0.1).</summary>
    private static readonly int[] counts = [60, 30, 10];

    // The base cases of the definitions, and those of Jiang et al. and of ImOOD; the others are worked out by hand from the equations:
    // p = (0.786986, 0.106507, 0.106507) and (1/3, 1/3, 1/3).
    [TestCase("msp", 2f, 0f, 0f, 0.213014)]
    [TestCase("msp", 0f, 0f, 0f, 0.666667)]
    [TestCase("msp", 0f, 5f, 4f, 0.272525)]
    [TestCase("max-logit", 2f, 0f, 0f, -2)]
    [TestCase("max-logit", 0f, 0f, 0f, 0)]
    [TestCase("max-logit", 0f, 5f, 4f, -5)]
    [TestCase("energy", 2f, 0f, 0f, -2.239545)]
    [TestCase("energy:temperature=2", 2f, 0f, 0f, -3.102889)]
    [TestCase("energy", 0f, 0f, 0f, -1.098612)]
    [TestCase("energy", 0f, 5f, 4f, -5.318175)]
    [TestCase("entropy", 2f, 0f, 0f, 0.665573)]
    [TestCase("entropy", 0f, 0f, 0f, 1.098612)]
    [TestCase("entropy", 0f, 5f, 4f, 0.610307)]
    [TestCase("gen", 2f, 0f, 0f, 2.417245)]
    [TestCase("gen", 0f, 0f, 0f, 2.581071)]
    [TestCase("gen", 0f, 5f, 4f, 2.287464)]
    [TestCase("gen:largest=1:gamma=1", 2f, 0f, 0f, 0.167639)]
    [TestCase("msp-prior", 2f, 0f, 0f, -0.186986)]
    [TestCase("msp-prior", 0f, 0f, 0f, -0.233333)]
    [TestCase("energy-prior", 2f, 0f, 0f, -0.118082)]
    [TestCase("max-logit-prior", 2f, 0f, 0f, -0.105452)]
    [TestCase("max-logit-prior", 0f, 0f, 0f, 0)]
    [TestCase("entropy-prior", 0f, 0f, 0f, -0.240516)]
    [TestCase("energy-imood", 2f, 0f, 0f, -2.145870)]
    [TestCase("energy-imood", 0f, 0f, 2f, -3.269449)]
    [TestCase("msp-imood", 2f, 0f, 0f, -0.444285)]
    [TestCase("msp-imood", 0f, 0f, 2f, -0.556643)]
    public void a_score_has_the_value_of_its_definition(string score, float first, float second, float third, double expected) =>
        Assert.That(Score(score, counts)([first, second, third]), Is.EqualTo(expected).Within(1e-6));

    [Test]
    public void every_score_equals_its_equation_written_down_naively() =>
        Gen.Int[2, 12].SelectMany(classes => Gen.Select(Gen.Float[-15, 15].Array[classes], Gen.Int[1, 500].Array[classes])).Sample((logits, training) =>
        {
            var z = logits.Select(value => (double)value).ToArray();
            var p = z.Select(value => Math.Exp(value) / z.Sum(Math.Exp)).ToArray();
            var prior = training.Select(count => count / (double)training.Sum()).ToArray();
            var cosine = p.Zip(prior, (a, b) => a * b).Sum() / Math.Sqrt(p.Sum(a => a * a)) / Math.Sqrt(prior.Sum(a => a * a));
            var logBeta = Math.Log(p.Zip(prior, (a, b) => a / b).Sum() / p.Length);
            var energy = -Math.Log(z.Sum(Math.Exp));
            var ratios = p.Zip(prior, (a, b) => a / b).ToArray();
            var balanced = ratios.Select(ratio => ratio / ratios.Sum()).ToArray();
            var expected = new Dictionary<string, double>
            {
                ["msp"] = 1 - p.Max(),
                ["max-logit"] = -z.Max(),
                ["energy"] = energy,
                ["energy:temperature=2.5"] = -2.5 * Math.Log(z.Sum(value => Math.Exp(value / 2.5))),
                ["entropy"] = -p.Sum(a => a * Math.Log(a)),
                ["gen"] = p.Select((a, i) => Math.Pow(a * Others(p, i), 0.1)).Sum(),
                ["gen:largest=2"] = p.Select((a, i) => (A: a, Term: Math.Pow(a * Others(p, i), 0.1))).OrderByDescending(term => term.A).Take(2).Sum(term => term.Term),
                ["gen-prior"] = balanced.Select((a, i) => Math.Pow(a * Others(balanced, i), 0.1)).Sum(),
                ["msp-prior"] = -p.Zip(prior, (a, b) => a - b).Max(),
                ["max-logit-prior"] = -z.Max() * (1 - cosine),
                ["energy-prior"] = energy * (1 - cosine),
                ["energy-prior:temperature=2.5"] = -2.5 * Math.Log(z.Sum(value => Math.Exp(value / 2.5))) * (1 - cosine),
                ["entropy-prior"] = -p.Zip(prior, (a, b) => a * Math.Log(a / b)).Sum(),
                ["msp-imood"] = -(p.Max() - (1.0 / p.Length) + (0.1 * logBeta)),
                ["msp-imood:strength=0.02"] = -(p.Max() - (1.0 / p.Length) + (0.02 * logBeta)),
                ["energy-imood"] = energy - logBeta,
            };
            Assert.Multiple(() =>
            {
                foreach (var (score, value) in expected)
                {
                    Assert.That(Score(score, training)(logits), Is.EqualTo(value).Within(1e-11), score);
                }

                Assert.That(
                    ScoreSpec.All.Where(score => score.IsOfLogits).Select(score => score.Name),
                    Is.EquivalentTo(expected.Keys.Select(score => score.Split(':')[0]).Distinct()), "scores that no equation here covers");
            });
        });

    // 1 - p without its rounding.
    private static double Others(double[] p, int label) => p.Where((_, other) => other != label).Sum();

    [Test]
    public void with_a_uniform_prior_the_replaced_reference_changes_no_order()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Score("msp-prior", [7, 7, 7])([2, 0, 0]), Is.EqualTo(Score("msp", counts)([2, 0, 0]) - (2 / 3.0)).Within(1e-14));
            Assert.That(Score("entropy-prior", [7, 7, 7])([2, 0, 0]), Is.EqualTo(Score("entropy", counts)([2, 0, 0]) - Math.Log(3)).Within(1e-14));
            Assert.That(Score("energy-imood", [7, 7, 7])([2, 0, 0]), Is.EqualTo(Score("energy", counts)([2, 0, 0])).Within(1e-14));
        });
    }

    [TestCase("msp")]
    [TestCase("energy")]
    [TestCase("max-logit")]
    [TestCase("entropy")]
    public void confident_images_do_not_tie(string score)
    {
        var (sure, surer) = (Score(score, counts)([60, 0, 0]), Score(score, counts)([61, 0, 0]));
        Assert.That(surer, Is.LessThan(sure));
    }

    [Test]
    public void the_entropy_of_a_sure_image_keeps_its_digits()
    {
        // Two classes at distance d: e^-d (d + 1), up to terms of e^-2d.
        var expected = Math.Exp(-50) * 51;
        Assert.That(Score("entropy", [1, 1])([50, 0]), Is.EqualTo(expected).Within(1e-12 * expected));
    }

    [Test]
    public void huge_logits_have_a_finite_score_and_what_is_not_a_number_has_none() => Assert.Multiple(() =>
    {
        foreach (var known in ScoreSpec.All.Where(score => score.IsOfLogits))
        {
            var score = Score(known.Name, counts);
            Assert.That(double.IsFinite(score([3e38f, -3e38f, 0])), known.Name);
            Assert.That(score([float.NaN, 0, 0]), Is.NaN, known.Name);
        }
    });

    private static Func<ReadOnlySpan<float>, double> Score(string text, int[] trainingCounts) => ScoreSpec.Parse(text).OfLogits(trainingCounts);
}
