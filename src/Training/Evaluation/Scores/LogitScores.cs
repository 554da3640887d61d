using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>A score of the logits of an image and the class prior alone.</summary>
public abstract class LogitScore : ScoreSpec
{
    /// <summary>Describes the score, as <see cref="ScoreSpec"/> does.</summary>
    protected LogitScore(string name, string definition, string source, params ScoreParameter[] parameters)
        : base(name, definition, source, parameters)
    {
    }

    /// <inheritdoc/>
    public override ScoreFit FittedTo => ScoreFit.Nothing;

    /// <summary>The function from the logits of an image to its score.</summary>
    /// <param name="prior">pi: the share of every class in the training images.</param>
    public abstract Func<ReadOnlySpan<float>, double> OfLogits(double[] prior);

    /// <inheritdoc/>
    public sealed override ScoreNeeds Needs => ScoreNeeds.Logits;

    /// <inheritdoc/>
    protected internal sealed override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var score = OfLogits(fitting.Prior);
        return pass => pass.Predictions.Main.Scores(score);
    }
}

/// <summary>1 - max_c p_c, see <see cref="Softmax.OneMinusMaximum"/>.</summary>
internal sealed class MaximumSoftmaxScore() : LogitScore("msp", "1 - max p", "Hendrycks and Gimpel, ICLR 2017")
{
    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => logits => Softmax.OneMinusMaximum(logits);
}

/// <summary>- max_c z_c.</summary>
internal sealed class MaximumLogitScore() : LogitScore("max-logit", "-max z", "Hendrycks et al., ICML 2022")
{
    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => logits => -logits[Softmax.IndexOfMaximum(logits)];
}

/// <summary>The free energy - T log sum_c exp(z_c / T).</summary>
internal sealed class EnergyScore() : LogitScore("energy", "-T log sum exp(z / T)", "Liu et al., NeurIPS 2020", Temperature)
{
    internal static readonly ScoreParameter Temperature = new("temperature", 1, "T", ScoreParameterRange.Positive);

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior)
    {
        var temperature = this[Temperature];
        return logits => Softmax.Energy(logits, temperature);
    }
}

/// <summary>The entropy of the prediction, - sum_c p_c log p_c with 0 log 0 = 0.</summary>
internal sealed class EntropyScore() : LogitScore(
    "entropy", "-sum p log p, 0 log 0 = 0", "predictive entropy, as in Lakshminarayanan et al., NeurIPS 2017")
{
    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => Entropy;

    private static double Entropy(ReadOnlySpan<float> logits)
    {
        var entropy = 0.0;
        foreach (var logarithm in Softmax.LogOf(logits))
        {
            // A probability that rounds to zero has a finite logarithm here, so the product is zero.
            entropy -= Math.Exp(logarithm) * logarithm;
        }

        return entropy;
    }
}

/// <summary>
/// sum over the M largest p of (p (1 - p))^gamma: the generalised entropy, in which small probabilities weigh. 1 - p is the sum of the other probabilities, so that sure
/// images do not tie.
/// </summary>
/// <param name="removesPrior">Whether p is softmax(z - log pi), the prediction for equally frequent classes.</param>
internal sealed class GeneralisedEntropyScore(bool removesPrior) : LogitScore(
    removesPrior ? "gen-prior" : "gen",
    $"sum over the M largest p of (p (1 - p))^gamma{(removesPrior ? ", p = softmax(z - log pi)" : "")}",
    $"GEN: Liu, Lochman and Zach, CVPR 2023{(removesPrior ? "; the prior removed as in Menon et al., ICLR 2021" : "")}",
    Gamma,
    Largest)
{
    private static readonly ScoreParameter Gamma = new("gamma", 0.1, "gamma", ScoreParameterRange.Positive);
    private static readonly ScoreParameter Largest = new("largest", 100, "M, or all classes where there are fewer", ScoreParameterRange.PositiveInteger);

    public override ScoreFit FittedTo => removesPrior ? ScoreFit.ClassShares : ScoreFit.Nothing;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior)
    {
        var (gamma, largest) = (this[Gamma], (int)this[Largest]);
        double[] shift = removesPrior ? [.. prior.Select(share => Math.Log(share))] : new double[prior.Length];
        return logits =>
        {
            var sorted = new double[logits.Length];
            for (var c = 0; c < sorted.Length; c++)
            {
                sorted[c] = logits[c] - shift[c];
            }

            Array.Sort(sorted, (left, right) => right.CompareTo(left));
            var (all, entropy) = (sorted.Sum(value => Math.Exp(value - sorted[0])), 0.0);
            var rest = sorted.Skip(1).Sum(value => Math.Exp(value - sorted[0])); // without the largest, whose exponential is 1
            foreach (var (place, value) in sorted.Take(largest).Index())
            {
                var exponential = Math.Exp(value - sorted[0]);
                entropy += Math.Pow(exponential / all * ((place == 0 ? rest : all - exponential) / all), gamma);
            }

            return entropy;
        };
    }
}

/// <summary>A score of the kind "minus a confidence" times (1 - cos(p, pi)): the confidence counts less where the prediction looks like the class prior.</summary>
internal sealed class PriorReweightedScore(ScoreSpec inner) : ScoreSpec(
    $"{inner.Name}-prior",
    $"{inner.Name} * (1 - cos(p, pi)); where {inner.Name} is positive the factor reverses the order",
    $"the reweighting (RW) of Jiang et al., ICML 2023, applied here to {inner.Name}",
    [.. inner.Parameters])
{
    public override ScoreNeeds Needs => inner.Needs | ScoreNeeds.Logits;

    public override ScoreFit FittedTo => inner.FittedTo == ScoreFit.Nothing ? ScoreFit.ClassShares : inner.FittedTo;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var scores = inner.With(Values).Scores(fitting);
        return pass =>
        [
            .. scores(pass).Zip(
                pass.Predictions.Main.Scores(logits => ClassPrior.Dissimilarity(Softmax.Of(logits), fitting.Prior)), (score, factor) => score * factor),
        ];
    }
}

/// <summary>How frequent the classes were in training, and how much a prediction owes to that.</summary>
internal static class ClassPrior
{
    /// <summary>pi_c = n_c / sum n.</summary>
    /// <param name="trainingCounts">n: at least one image of every class.</param>
    public static double[] Of(IReadOnlyList<int> trainingCounts)
    {
        double total = trainingCounts.Sum(count => (long)count);
        return trainingCounts.All(count => count > 0)
            ? [.. trainingCounts.Select(count => count / total)]
            : throw new ArgumentException("A class has no training images, so it has no prior.");
    }

    /// <summary>1 - cos(p, pi): how unlike the prior a prediction is, from 0 to 1.</summary>
    public static double Dissimilarity(ReadOnlySpan<double> probabilities, ReadOnlySpan<double> prior)
    {
        var (product, square, priorSquare) = (0.0, 0.0, 0.0);
        for (var c = 0; c < probabilities.Length; c++)
        {
            product += probabilities[c] * prior[c];
            square += probabilities[c] * probabilities[c];
            priorSquare += prior[c] * prior[c];
        }

        return 1 - (product / Math.Sqrt(square * priorSquare));
    }

    /// <summary>
    /// log beta = log( (1/C) sum_c p_c / pi_c ): positive where the model predicts classes that are rarer than 1 / C, negative where it predicts frequent ones.
    /// </summary>
    public static double LogRarity(ReadOnlySpan<double> probabilities, ReadOnlySpan<double> prior)
    {
        var sum = 0.0;
        for (var c = 0; c < probabilities.Length; c++)
        {
            sum += probabilities[c] / prior[c];
        }

        return Math.Log(sum / probabilities.Length);
    }
}

/// <summary>- max_c (p_c - pi_c): the reference of the maximum probability is the class prior and not the uniform distribution.</summary>
internal sealed class MaximumSoftmaxPriorScore() : LogitScore("msp-prior", "-max (p - pi)", "RP+MSP of Jiang et al., ICML 2023")
{
    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => logits =>
    {
        var highest = double.NegativeInfinity;
        var probabilities = Softmax.Of(logits);
        for (var c = 0; c < prior.Length; c++)
        {
            highest = Math.Max(highest, probabilities[c] - prior[c]);
        }

        return -highest;
    };
}

/// <summary>- max_c z_c * (1 - cos(p, pi)): a high logit counts less where the prediction looks like the class prior.</summary>
internal sealed class MaximumLogitPriorScore() : LogitScore(
    "max-logit-prior",
    "-max z * (1 - cos(p, pi)); where max z is negative the factor reverses the order",
    "the reweighting (RW) of Jiang et al., ICML 2023, applied here to the maximum logit")
{
    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => logits =>
        -logits[Softmax.IndexOfMaximum(logits)] * ClassPrior.Dissimilarity(Softmax.Of(logits), prior);
}

/// <summary>- T log sum_c exp(z_c / T) * (1 - cos(p, pi)): a low energy counts less where the prediction looks like the class prior.</summary>
internal sealed class EnergyPriorScore() : LogitScore(
    "energy-prior",
    "-T log sum exp(z / T) * (1 - cos(p, pi)), p at T = 1; where the energy is positive the factor reverses the order",
    "RW+Energy of Jiang et al., ICML 2023",
    EnergyScore.Temperature)
{
    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior)
    {
        var temperature = this[EnergyScore.Temperature];
        return logits => Softmax.Energy(logits, temperature) * ClassPrior.Dissimilarity(Softmax.Of(logits), prior);
    }
}

/// <summary>
/// - sum_c p_c log(p_c / pi_c). The entropy is log C minus the divergence of p from the uniform distribution; here the class prior takes the place of
/// the latter.
/// </summary>
internal sealed class EntropyPriorScore() : LogitScore(
    "entropy-prior",
    "-sum p log(p / pi), 0 log 0 = 0",
    "the replaced reference (RP) of Jiang et al., ICML 2023, applied here to the entropy")
{
    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior) => logits =>
    {
        var divergence = 0.0;
        var logarithms = Softmax.LogOf(logits);
        for (var c = 0; c < prior.Length; c++)
        {
            divergence += Math.Exp(logarithms[c]) * (logarithms[c] - Math.Log(prior[c]));
        }

        return -divergence;
    };
}

/// <summary>
/// What is added to a detector's confidence to make up for the imbalance of the training set: s log beta, beta = (1/C) sum_c p_c / pi_c. It is larger for
/// images that are taken for rare classes. The model must not have been trained with logit adjustment, or the prior is removed twice; the main branch
/// never is.
/// </summary>
internal static class ImbalanceTerm
{
    public const string Definition = "s log( (1/C) sum p / pi )";

    public const string Source = "ImOOD, post-hoc form: Liu et al., NeurIPS 2024 (arXiv 2407.16430)";

    private const string StrengthName = "strength";

    /// <summary>s; its usual value depends on the range of the detector.</summary>
    public static ScoreParameter Strength(double usual) => new(StrengthName, usual, "s", ScoreParameterRange.NonNegative);

    /// <summary>The term as a function of an image's logits.</summary>
    public static Func<ReadOnlySpan<float>, double> Of(ScoreSpec score, double[] prior)
    {
        var strength = score.Values[StrengthName];
        return logits => strength * ClassPrior.LogRarity(Softmax.Of(logits), prior);
    }
}

/// <summary>-( max_c p_c - 1/C + s log beta ), see <see cref="ImbalanceTerm"/>.</summary>
internal sealed class MaximumSoftmaxImbalanceScore() : LogitScore(
    "msp-imood", $"-(max p - 1/C + {ImbalanceTerm.Definition})", ImbalanceTerm.Source, Strength)
{
    private static readonly ScoreParameter Strength = ImbalanceTerm.Strength(0.1);

    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior)
    {
        var term = ImbalanceTerm.Of(this, prior);
        return logits => Softmax.OneMinusMaximum(logits) - 1 + (1.0 / logits.Length) - term(logits);
    }
}

/// <summary>-( log sum_c exp(z_c) + s log beta ), see <see cref="ImbalanceTerm"/>.</summary>
internal sealed class EnergyImbalanceScore() : LogitScore(
    "energy-imood", $"-(log sum exp(z) + {ImbalanceTerm.Definition})", ImbalanceTerm.Source, Strength)
{
    private static readonly ScoreParameter Strength = ImbalanceTerm.Strength(1);

    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    public override Func<ReadOnlySpan<float>, double> OfLogits(double[] prior)
    {
        var term = ImbalanceTerm.Of(this, prior);
        return logits => Softmax.Energy(logits, 1) - term(logits);
    }
}

/// <summary>A score of the features, less s log beta of the logits, see <see cref="ImbalanceTerm"/>.</summary>
internal sealed class FeatureImbalanceScore : ScoreSpec
{
    private readonly ScoreSpec detector;

    /// <param name="detector">The score; it must have no parameters of its own.</param>
    /// <param name="strength">The usual value of s, which makes up for the range of the score.</param>
    public FeatureImbalanceScore(ScoreSpec detector, double strength)
        : base(
            $"{detector.Name}-imood", $"{detector.Name} - {ImbalanceTerm.Definition}", ImbalanceTerm.Source, ImbalanceTerm.Strength(strength)) =>
        this.detector = detector;

    public override ScoreNeeds Needs => detector.Needs | ScoreNeeds.Logits;

    public override ScoreFit FittedTo => detector.FittedTo == ScoreFit.Nothing ? ScoreFit.ClassShares : detector.FittedTo;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var scores = detector.Scores(fitting);
        var term = ImbalanceTerm.Of(this, fitting.Prior);
        return pass => [.. scores(pass).Zip(pass.Predictions.Main.Scores(term), (score, added) => score - added)];
    }
}
