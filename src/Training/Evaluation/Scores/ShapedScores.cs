using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>-log sum_c exp(z~_c): the energy of the logits that a changed feature, or a changed classifier, gives.</summary>
internal abstract class ShapedEnergyScore(string name, string shaping, string source, params ScoreParameter[] parameters)
    : ScoreSpec(name, $"-log sum exp(W f~ + b), {shaping}", source, parameters)
{
    protected internal sealed override Func<FeaturePass, double[]> Scores(ScoreFitting fitting)
    {
        var shape = Shape(fitting);
        return pass => FeatureParts.Scores(pass, normalised: false, (features, _) => -shape(features).logsumexp(1));
    }

    /// <summary>Makes the function from features, (rows, d), to logits, (rows, C). What it keeps is no tensor: a fitted score has no end.</summary>
    protected abstract Func<Tensor, Tensor> Shape(ScoreFitting fitting);

    /// <summary>W f + b.</summary>
    protected static Tensor Logits(LinearClassifier classifier, Tensor features) => features.matmul(classifier.WeightTensor().t()) + classifier.BiasTensor();
}

/// <summary>Features are cut at a percentile of those of the training images.</summary>
internal sealed class RectifiedActivationScore() : ShapedEnergyScore(
    "react",
    "f~ = min(f, t), t the percentile of all features of all training images, interpolated between neighbours",
    "ReAct: Sun, Guo and Li, NeurIPS 2021; the percentile from training images",
    Percent)
{
    private static readonly ScoreParameter Percent = new("percentile", 90, "of the training features", ScoreParameterRange.Percentage);

    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.TrainingFeatures | ScoreNeeds.Classifier;

    protected override Func<Tensor, Tensor> Shape(ScoreFitting fitting)
    {
        var limit = Percentile.Of(fitting.TrainingPass.Features, this[Percent]);
        return features => Logits(fitting.Classifier, features.clamp_max(limit));
    }
}

/// <summary>Weights that contribute little on average are left out.</summary>
internal sealed class DirectedSparsificationScore() : ShapedEnergyScore(
    "dice",
    "f~ = f, W without the elements whose w_cj mean f_j over the training images is not above the percentile of all of them",
    "DICE: Sun and Li, ECCV 2022",
    Percent)
{
    private static readonly ScoreParameter Percent = new("percentile", 90, "of the contributions", ScoreParameterRange.Percentage);

    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.TrainingFeatures | ScoreNeeds.Classifier;

    protected override Func<Tensor, Tensor> Shape(ScoreFitting fitting)
    {
        using var scope = NewDisposeScope();
        var classifier = fitting.Classifier;
        var contributions = classifier.WeightTensor() * FeatureParts.Mean(fitting.TrainingPass); // (C, d)
        float[] values = [.. FeatureParts.Values(contributions).Select(value => (float)value)];
        var limit = Percentile.Of(new Features(values, values.Length / classifier.Bias.Length), this[Percent]);
        var sparse = classifier with { Weight = [.. classifier.Weight.Zip(values, (weight, contribution) => contribution > limit ? weight : 0)] };
        return features => Logits(sparse, features);
    }
}

/// <summary>What is done with the largest features of an image, k = d - round(d percentile / 100) of them.</summary>
internal enum ActivationShaping
{
    /// <summary>All k get the same share of the sum; the others are 0.</summary>
    Binarise,

    /// <summary>They stay; the others are 0.</summary>
    Prune,

    /// <summary>They are multiplied by exp(s / s_k), s the sum of all and s_k of the k; the others are 0.</summary>
    PruneAndScale,

    /// <summary>All features are multiplied by exp(s / s_k).</summary>
    Scale,
}

/// <summary>ASH-B, ASH-P, ASH-S and SCALE. Of equal features those that come first are the larger ones; features that are all 0 stay so.</summary>
internal sealed class ActivationShapingScore(ActivationShaping shaping) : ShapedEnergyScore(
    shaping switch { ActivationShaping.Binarise => "ash-b", ActivationShaping.Prune => "ash-p", ActivationShaping.PruneAndScale => "ash-s", _ => "scale" },
    shaping switch
    {
        ActivationShaping.Binarise => "the k largest f are s / k, the others 0; s = sum f, k = d - round(d percentile / 100)",
        ActivationShaping.Prune => "the k largest f stay, the others are 0; k = d - round(d percentile / 100)",
        ActivationShaping.PruneAndScale => "the k largest f are multiplied by exp(s / s_k), the others 0; s = sum f, s_k of the k, k = d - round(d percentile / 100)",
        _ => "f~ = f exp(s / s_k); s = sum f, s_k the sum of the k largest, k = d - round(d percentile / 100)",
    },
    shaping == ActivationShaping.Scale ? "SCALE: Xu, Chen, Franchi and Yao, ICLR 2024" : "ASH: Djurisic, Bozanic, Ashok and Liu, ICLR 2023",
    new ScoreParameter(PercentName, shaping == ActivationShaping.Scale ? 85 : 90, "share of the features that is not kept", ScoreParameterRange.Percentage))
{
    private const string PercentName = "percentile";

    public override ScoreNeeds Needs => ScoreNeeds.Features | ScoreNeeds.Classifier;

    public override ScoreFit FittedTo => ScoreFit.Nothing;

    protected override Func<Tensor, Tensor> Shape(ScoreFitting fitting)
    {
        var percent = Values[PercentName];
        return features => Logits(fitting.Classifier, Shaped(features, LargestFeatures.Count((int)features.shape[1], percent)));
    }

    private Tensor Shaped(Tensor features, int count)
    {
        var kept = LargestFeatures.Mask(features, count); // (rows, d)
        var (sum, sumOfKept) = (features.sum(1, keepdim: true), (features * kept).sum(1, keepdim: true));
        return shaping switch
        {
            ActivationShaping.Binarise => kept * (sum / count),
            ActivationShaping.Prune => features * kept,
            ActivationShaping.PruneAndScale => features * kept * LargestFeatures.Growth(sum, sumOfKept),
            _ => features * LargestFeatures.Growth(sum, sumOfKept),
        };
    }
}

/// <summary>The largest features of an image.</summary>
internal static class LargestFeatures
{
    /// <summary>k = d - round(d percentile / 100), halves to even, at least 1.</summary>
    public static int Count(int width, double percentile) => Math.Max(1, width - (int)Math.Round(width * percentile / 100));

    /// <summary>1 for the k largest of each row and 0 for the others, (rows, d); of equal ones the first are the larger.</summary>
    public static Tensor Mask(Tensor features, int count) => Ranks(features).lt(count).to(float64);

    /// <summary>The place of each feature among those of its row, largest first, (rows, d).</summary>
    public static Tensor Ranks(Tensor features)
    {
        using var scope = NewDisposeScope();
        var (_, order) = sort(features, dim: 1, descending: true, stable: true);
        var places = arange(features.shape[1], ScalarType.Int64).expand(features.shape).contiguous();
        return empty_like(order).scatter_(1, order, places).MoveToOuterDisposeScope();
    }

    /// <summary>exp(s / s_k); 1 where the k largest sum up to 0.</summary>
    public static Tensor Growth(Tensor sum, Tensor sumOfKept) => where(sumOfKept.eq(0), zeros_like(sum), sum / sumOfKept).exp();
}

/// <summary>Percentiles of many numbers without sorting or copying them.</summary>
internal static class Percentile
{
    private const int Half = 16;

    /// <summary>The percentile of some numbers, linearly interpolated between order statistics: that of rank percent / 100 * (n - 1), counted from 0.</summary>
    /// <param name="values">Rows of at least one number.</param>
    /// <param name="percent">From 0 to 100.</param>
    public static double Of(Features values, double percent)
    {
        var rank = percent / 100 * (((long)values.Count * values.Width) - 1);
        var below = (long)Math.Floor(rank);
        var low = Smallest(values, below);
        return rank == below ? low : low + ((rank - below) * (Smallest(values, below + 1) - (double)low));
    }

    // By the upper, then the lower half of keys that have the order of the numbers.
    private static float Smallest(Features values, long rank)
    {
        var counts = new long[1 << Half];
        for (var row = 0; row < values.Count; row++)
        {
            foreach (var value in values[row])
            {
                counts[Key(value) >> Half]++;
            }
        }

        var upper = Find(counts, ref rank);
        Array.Clear(counts);
        for (var row = 0; row < values.Count; row++)
        {
            foreach (var value in values[row])
            {
                var key = Key(value);
                if (key >> Half == upper)
                {
                    counts[key & ushort.MaxValue]++;
                }
            }
        }

        return Number((upper << Half) | Find(counts, ref rank));
    }

    private static uint Find(long[] counts, ref long rank)
    {
        uint place = 0;
        for (; rank >= counts[place]; place++)
        {
            rank -= counts[place];
        }

        return place;
    }

    private static uint Key(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (int)bits < 0 ? ~bits : bits | 0x80000000;
    }

    private static float Number(uint key) => BitConverter.UInt32BitsToSingle((int)key < 0 ? key & 0x7FFFFFFF : ~key);
}
