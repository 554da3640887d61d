using Pascl.Training.Data;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// - sum_j |f_j| * sum_c |p_c - 1/C|: the L1 norm of the gradient of the cross entropy to the uniform distribution with respect to the weights of the
/// classifier, which is (p - 1/C) f', so that no gradient need be computed.
/// </summary>
internal sealed class GradNormScore() : ScoreSpec(
    "gradnorm", "-(sum |f|) (sum |p - 1/C|)", "Huang, Geng and Li, NeurIPS 2021, in closed form for the last layer")
{
    public override ScoreNeeds Needs => ScoreNeeds.Logits | ScoreNeeds.Features;

    public override ScoreFit FittedTo => ScoreFit.Nothing;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var uniform = fitting.Prior.Select(_ => 1.0 / fitting.Prior.Length).ToArray();
        return pass => Of(pass, uniform);
    }

    /// <summary>The score with another distribution in the place of the uniform one.</summary>
    internal static double[] Of(FeaturePass pass, double[] reference)
    {
        var scores = new double[pass.Features.Count];
        for (var i = 0; i < scores.Length; i++)
        {
            var norm = 0.0;
            foreach (var feature in pass.Features[i])
            {
                norm += Math.Abs((double)feature);
            }

            scores[i] = -norm * Softmax.Of(pass.Predictions.Main[i]).Zip(reference, (p, q) => Math.Abs(p - q)).Sum();
        }

        return scores;
    }
}

/// <summary>- |f|_2: out-of-distribution images have short features (Park, Chai, Yoon and Teoh, arXiv 2310.05316), the more so where training lengthens those of its images, as RNA does.</summary>
internal sealed class FeatureNormScore() : ScoreSpec("feature-norm", "-|f|", "Park, Chai, Yoon and Teoh, arXiv 2310.05316; an option of RNA's release")
{
    public override ScoreNeeds Needs => ScoreNeeds.Features;

    public override ScoreFit FittedTo => ScoreFit.Nothing;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting) => pass =>
    [
        .. Enumerable.Range(0, pass.Features.Count).Select(image =>
        {
            var squares = 0.0;
            foreach (var feature in pass.Features[image])
            {
                squares += (double)feature * feature;
            }

            return -Math.Sqrt(squares);
        }),
    ];
}

/// <summary>- sum_j |f_j| * sum_c |p_c - pi_c|: GradNorm with the class prior in the place of the uniform distribution.</summary>
internal sealed class GradNormPriorScore() : ScoreSpec("gradnorm-prior", "-(sum |f|) (sum |p - pi|)", "RP+GradNorm of Jiang et al., ICML 2023")
{
    public override ScoreNeeds Needs => ScoreNeeds.Logits | ScoreNeeds.Features;

    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting) =>
        pass => GradNormScore.Of(pass, fitting.Prior);
}

/// <summary>1 - max_c softmax(z(x~) / T)_c with x~ of <see cref="InputPerturbation"/>.</summary>
internal sealed class OdinScore() : ScoreSpec(
    "odin",
    "1 - max softmax(z(x~) / T), x~ = x - epsilon sign( dCE(z / T, argmax z) / dx ), sign 0 = 0, x in [0, 1], x~ not clipped",
    "Liang, Li and Srikant, ICLR 2018",
    InputPerturbation.Temperature,
    InputPerturbation.Epsilon(0.0014))
{
    public override ScoreNeeds Needs => InputPerturbation.Needs(this);

    public override ScoreFit FittedTo => ScoreFit.Nothing;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting) =>
        pass => Of(this, fitting, pass);

    /// <summary>1 - max softmax(z(x~) / T) with T and epsilon of a score that has both.</summary>
    internal static double[] Of(ScoreSpec score, ScoreFitting fitting, FeaturePass pass)
    {
        var temperature = score[InputPerturbation.Temperature];
        return InputPerturbation.Logits(fitting, pass, score).Scores(logits => Softmax.OneMinusMaximum(logits, temperature));
    }
}

/// <summary>- max_c softmax(z(x~) / T)_c * (1 - cos(p(x), pi)): ODIN counts less where the prediction looks like the class prior.</summary>
internal sealed class OdinPriorScore() : ScoreSpec(
    "odin-prior",
    "-max softmax(z(x~) / T) * (1 - cos(p, pi)), p of the unchanged image at T = 1",
    "RW+ODIN of Jiang et al., ICML 2023",
    InputPerturbation.Temperature,
    InputPerturbation.Epsilon(0))
{
    public override ScoreNeeds Needs => ScoreNeeds.Logits | InputPerturbation.Needs(this);

    public override ScoreFit FittedTo => ScoreFit.ClassShares;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting) => pass =>
    {
        var unlike = pass.Predictions.Main.Scores(logits => ClassPrior.Dissimilarity(Softmax.Of(logits), fitting.Prior));
        return [.. OdinScore.Of(this, fitting, pass).Zip(unlike, (odin, factor) => (odin - 1) * factor)];
    };
}

/// <summary>
/// ODIN's step on the image: x~ = x - epsilon sign( d CE(z(x) / T, y^) / dx ) with y^ = argmax z(x). It raises the largest probability, and more so for
/// in-distribution images. Where the gradient is exactly zero the pixel stays; x~ is not clipped to [0, 1]. Images enter the network in [0, 1], so
/// epsilon is in units of that range.
/// </summary>
internal static class InputPerturbation
{
    private const string EpsilonName = "epsilon";

    public static readonly ScoreParameter Temperature = new("temperature", 1000, "T", ScoreParameterRange.Positive);

    public static ScoreParameter Epsilon(double usual) =>
        new(EpsilonName, usual, "step on the image, whose range is 1", ScoreParameterRange.NonNegative);

    /// <summary>What the logits after the step need: the network, for its gradients, where there is a step.</summary>
    public static ScoreNeeds Needs(ScoreSpec score) => score.Values[EpsilonName] > 0 ? ScoreNeeds.Network : ScoreNeeds.Logits;

    /// <summary>The main branch's logits of the images after the step; without a step those of the pass.</summary>
    public static Logits Logits(ScoreFitting fitting, FeaturePass pass, ScoreSpec score)
    {
        var (temperature, epsilon) = (score[Temperature], score.Values[EpsilonName]);
        return epsilon == 0 && (!fitting.HasModel || fitting.Model.Head.Columns == fitting.Model.Head.ClassCount)
            ? pass.Predictions.Main
            : Logits(fitting.Model, ScoreFitting.Pixels(pass.Images), temperature, epsilon);
    }

    /// <summary>The images after the step, in the current dispose scope.</summary>
    /// <param name="logits">The network in evaluation mode, so that no image depends on the others: (B, 3, H, W) to (B, C).</param>
    /// <param name="images">(B, 3, H, W).</param>
    /// <param name="temperature">T.</param>
    /// <param name="epsilon">The length of the step in every pixel and channel.</param>
    public static Tensor Apply(Func<Tensor, Tensor> logits, Tensor images, double temperature, double epsilon)
    {
        using var scope = NewDisposeScope();
        var inputs = images.detach().requires_grad_(true);
        var scaled = logits(inputs) / temperature;
        using var predicted = scaled.argmax(1);

        // Times T, which leaves the sign as it is: at T = 1000 small gradients would round to zero.
        var loss = nn.functional.cross_entropy(scaled, predicted, reduction: nn.Reduction.Sum) * temperature;
        var gradient = autograd.grad([loss], [inputs])[0];
        return (inputs - (epsilon * gradient.sign())).detach().MoveToOuterDisposeScope();
    }

    private static Logits Logits(DualBranchNetwork model, ImageSet images, double temperature, double epsilon)
    {
        var rows = new RowBuffer(images.Count);
        return model.InEvaluationMode(() =>
        {
            EvaluationBatches.ForEach(images, Predictions.UsualBatchSize, model.parameters().First().device, Perturb);
            return new Logits(rows.Values, rows.Columns);
        });

        void Perturb(Tensor batch)
        {
            var perturbed = Apply(MainLogits, batch, temperature, epsilon);
            using var frozen = no_grad();
            rows.Append(MainLogits(perturbed));
        }

        // A method's further outputs come after those of the classes (of its first head) and take no part.
        Tensor MainLogits(Tensor batch) => model.forward(batch, Branch.Main).Logits.narrow(1, 0, model.Head.ClassCount);
    }
}

/// <summary>
/// SCALE with a percentile of each image's own: images whose features move when their least important pixels do are pruned less. With f~ the features of the image
/// whose pixels of smallest gradient took a step along it,
/// <code>
/// Q' = sum of relu(f~) over the k1 largest f + lambda sum of |f - f~| over the k2 largest f
/// p  = p_min + (1 - F(Q')) (p_max - p_min),   F: the share of training images with no larger Q'
/// r  = sum f / sum of the largest d - round(d p / 100) f
/// </code>
/// A: -log sum exp(W (f e^r) + b);  L: -log sum exp(r^2 z).
/// </summary>
internal sealed class AdaptiveScalingScore(bool ofLogits) : ScoreSpec(
    ofLogits ? "adascale-l" : "adascale-a",
    $"{(ofLogits ? "-log sum exp(r^2 z)" : "-log sum exp(W (f e^r) + b)")}, r = sum f / sum of the largest d - round(d p / 100) f, p = low + (1 - F(Q')) (high - low), " +
    "Q' = sum relu(f~) over the k1 largest f + lambda sum |f - f~| over the k2 largest; f~ of the image whose pixels of smallest |dz_y / dx| take a step along its sign",
    "AdaSCALE: OpenOOD v1.5, postprocessor adascale; F from training images",
    Low,
    High,
    First,
    Second,
    Lambda,
    Pixels,
    Step)
{
    // Training images that F is made of; more are thinned out evenly.
    private const int MostFitted = 5000;

    private static readonly ScoreParameter Low = new("low", 80, "p of the most moved", ScoreParameterRange.Percentage);
    private static readonly ScoreParameter High = new("high", 85, "p of the least moved", ScoreParameterRange.Percentage);
    private static readonly ScoreParameter First = new("k1", 5, "per cent of the features", ScoreParameterRange.Positive);
    private static readonly ScoreParameter Second = new("k2", 1, "per cent of the features", ScoreParameterRange.Positive);
    private static readonly ScoreParameter Lambda = new("lambda", 10, "weight of the movement", ScoreParameterRange.NonNegative);
    private static readonly ScoreParameter Pixels = new("pixels", 5, "per cent of the image's values that take the step", ScoreParameterRange.Percentage);
    private static readonly ScoreParameter Step = new(
        "epsilon", 0.5, "the step, in standard deviations of the network's input, or in the range [0, 1] where it is not normalised", ScoreParameterRange.Positive);

    public override ScoreNeeds Needs => ScoreNeeds.Network;

    protected internal override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var training = ScoreFitting.Pixels(fitting.Training);
        var count = Math.Min(training.Count, MostFitted);
        var chosen = training.Select(Enumerable.Range(0, count).Select(place => (int)((long)place * training.Count / count)));
        double[] sorted = [.. MovementsOnce(fitting, training, chosen).Order()];
        var (low, high) = (this[Low], this[High]);
        return pass =>
        {
            var images = ScoreFitting.Pixels(pass.Images);
            var percentiles = Array.ConvertAll(MovementsOnce(fitting, images, images), moved => low + ((1 - Share(sorted, moved)) * (high - low)));
            return Of(pass, fitting, percentiles);
        };
    }

    // F: how many training images have no larger Q'.
    private static double Share(double[] sorted, double value)
    {
        var (from, to) = (0, sorted.Length);
        while (from < to)
        {
            var middle = (from + to) / 2;
            (from, to) = sorted[middle] <= value ? (middle + 1, to) : (from, middle);
        }

        return (double)from / sorted.Length;
    }

    private double[] Of(FeaturePass pass, ScoreFitting fitting, double[] percentiles)
    {
        var scores = new double[percentiles.Length];
        FeatureParts.ForEach(pass, normalised: false, (features, logits, first) =>
        {
            var width = (int)features.shape[1];
            long[] counts = [.. Enumerable.Range(first, (int)features.shape[0]).Select(image => (long)LargestFeatures.Count(width, percentiles[image]))];
            var kept = LargestFeatures.Ranks(features).lt(tensor(counts).unsqueeze(1)).to(float64);
            var (sum, sumOfKept) = (features.sum(1, keepdim: true), (features * kept).sum(1, keepdim: true));
            var growth = LargestFeatures.Growth(sum, sumOfKept); // e^r
            var changed = ofLogits ? logits * growth.log().square() : (features * growth).matmul(fitting.Classifier.WeightTensor().t()) + fitting.Classifier.BiasTensor();
            FeatureParts.Values(-changed.logsumexp(1)).CopyTo(scores, first);
        });
        return scores;
    }

    // A gradient and two forward passes an image, which A and L have in common.
    private double[] MovementsOnce(ScoreFitting fitting, ImageSet set, ImageSet chosen) => fitting.Once(
        (nameof(Movements), set, chosen.Count, this[First], this[Second], this[Lambda], this[Pixels], this[Step]), () => Movements(fitting.Model, chosen));

    // Q' of every image.
    private double[] Movements(DualBranchNetwork model, ImageSet images)
    {
        var movements = new List<double>(images.Count);
        var (first, second, lambda) = (this[First], this[Second], this[Lambda]);
        model.InEvaluationMode(() =>
        {
            EvaluationBatches.ForEach(images, Predictions.UsualBatchSize, model.parameters().First().device, batch =>
            {
                var (features, moved) = Moved(model, batch);
                var ranks = LargestFeatures.Ranks(features);
                var width = features.shape[1];
                var correction = (moved.relu() * ranks.lt(Math.Max(1, (long)(width * first / 100)))).sum(1);
                var shift = ((features - moved).abs() * ranks.lt(Math.Max(1, (long)(width * second / 100)))).sum(1);
                movements.AddRange(FeatureParts.Values(correction + (lambda * shift)));
            });
            return true;
        });
        return [.. movements];
    }

    // The features of a batch, and those of the images after the step, float64 on the CPU.
    private (Tensor Features, Tensor Moved) Moved(DualBranchNetwork model, Tensor batch)
    {
        var inputs = batch.detach().requires_grad_(true);
        var output = model.forward(inputs, Branch.Main);
        var largest = output.Logits.narrow(1, 0, model.Head.ClassCount).amax([1]).sum();
        var gradient = autograd.grad([largest], [inputs])[0].reshape(batch.shape[0], -1);
        using var frozen = no_grad();
        var count = (int)(gradient.shape[1] * this[Pixels] / 100);
        var (_, smallest) = gradient.abs().topk(count, dim: 1, largest: false, sorted: false);
        var mask = zeros_like(gradient).scatter_(1, smallest, ones_like(gradient));
        var step = (gradient.sign() * mask * this[Step]).reshape(batch.shape);
        if (model.Input.Normalisation is { } normalisation)
        {
            step = step * tensor(normalisation.StandardDeviation.ToArray()).reshape(1, -1, 1, 1).to(batch.device);
        }

        var moved = model.forward(inputs + step, Branch.Main).Features;
        return (output.Features.detach().to(float64).cpu(), moved.to(float64).cpu());
    }
}
