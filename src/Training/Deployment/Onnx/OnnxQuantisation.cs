using System.Diagnostics;
using Google.Protobuf;
using Pascl.Training.Backbones;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;

namespace Pascl.Training.Deployment.Onnx;

/// <summary>A deployed model in eight bits.</summary>
/// <param name="Bytes">The ONNX file.</param>
/// <param name="OnSquares">The same for squares of the network's size, where the file prepares pictures itself.</param>
/// <param name="Deployed">The model with the threshold of its own scores.</param>
/// <param name="Share">The share of the activations within the ranges.</param>
/// <param name="ImageCount">Images that the ranges were chosen on.</param>
internal sealed record QuantisedModel(byte[] Bytes, byte[] OnSquares, DeployedModel Deployed, double Share, int ImageCount);

/// <summary>Chooses the ranges of a network's activations, and the threshold that belongs to the scores of the quantised model. The same images give the same bits.</summary>
internal static class OnnxQuantisation
{
    /// <summary>Images that the ranges are chosen on, where there are so many.</summary>
    public const int MostImages = 512;

    // All values of the activations, or all but so many on either side that one in a hundred thousand, ten thousand or thousand is outside.
    private static readonly double[] shares = [1, 0.99999, 0.9999, 0.999];

    /// <summary>Refuses a network whose convolutions are not its own.</summary>
    /// <exception cref="InputException">It is one on a frozen backbone.</exception>
    public static void Require(DualBranchNetwork network)
    {
        if (network is FrozenBackboneNetwork { Backbone.Path: var path })
        {
            throw new InputException(
                $"The network stands on the frozen backbone {path}, and what was trained on it takes no time worth saving: quantise the backbone where it comes from, or export without --quantise.");
        }
    }

    /// <summary>How a model takes squares that are prepared already.</summary>
    public static PixelType OfSquares(PixelType input) => input == PixelType.Picture ? PixelType.UInt8 : input;

    /// <summary>Quantises a model.</summary>
    /// <param name="deployed">The model.</param>
    /// <param name="given">Its pixels.</param>
    /// <param name="images">In-distribution images, at least one.</param>
    /// <exception cref="InputException">The outputs are not finite.</exception>
    public static QuantisedModel Of(DeployedModel deployed, PixelType given, ImageSet images)
    {
        // The images are squares already.
        var input = OfSquares(given);
        var chosen = OnnxVerification.Choose(images, MostImages);
        var histograms = Observe(deployed, input, chosen);
        var exact = Answers(OnnxModel.Create(deployed, input), input, chosen);
        var (best, smallest) = (shares[0], double.PositiveInfinity);
        foreach (var share in shares)
        {
            var loss = Loss(Answers(Create(deployed, share), input, chosen), exact);
            if (loss < smallest)
            {
                (best, smallest) = (share, loss);
            }
        }

        if (!double.IsFinite(smallest))
        {
            throw new InputException($"The network's outputs on {images.Name} are not finite, in float32 or in eight bits. Nothing was written.");
        }

        var itsOwn = deployed with { Threshold = Threshold(deployed, best) };
        var onSquares = Create(itsOwn, best).ToByteArray();
        return new QuantisedModel(given == input ? onSquares : CreateFor(given, itsOwn, best).ToByteArray(), onSquares, itsOwn, best, chosen.Count);

        ModelProto Create(DeployedModel model, double share) => CreateFor(input, model, share);

        ModelProto CreateFor(PixelType pixels, DeployedModel model, double share) =>
            OnnxModel.Create(model, pixels, new QuantisedArithmetic(histograms.ToDictionary(place => place.Key, place => place.Value.Within(share))));

        // The scores move a little. The threshold that accepts as many of the images as the old one does of their scores in float32 moves with them.
        ScoreThreshold? Threshold(DeployedModel model, double share)
        {
            if (model.Threshold is not { } threshold)
            {
                return null;
            }

            var many = OnnxVerification.Choose(images);
            var accepted = Answers(OnnxModel.Create(model, input), input, many).Accepted!.Count(isAccepted => isAccepted);
            var scores = Array.ConvertAll(Answers(Create(model, share), input, many).Scores, score => (double)score);
            return accepted == 0 ? threshold : threshold with { Value = Below(AcceptanceThreshold.Of(scores, accepted / (double)many.Count)) };
        }

        // The graph compares in float32. Of two scores that are neighbours there, the middle would round up to the one that is to be rejected.
        static float Below(double threshold) => (float)threshold is var rounded && rounded > threshold ? float.BitDecrement(rounded) : rounded;
    }

    /// <summary>What a model says of images, in batches, and how long that took.</summary>
    public static OnnxOutputs Answers(byte[] model, PixelType input, ImageSet images, out TimeSpan time)
    {
        using var session = new OnnxSession(model);
        _ = session.Run(images.Select(Enumerable.Range(0, Math.Min(images.Count, BatchSize(images)))), input);
        var start = Stopwatch.GetTimestamp();
        OnnxOutputs[] parts = [.. Enumerable.Range(0, images.Count).Chunk(BatchSize(images)).Select(batch => session.Run(images.Select(batch), input))];
        time = Stopwatch.GetElapsedTime(start);
        return new OnnxOutputs(
            [.. parts.SelectMany(part => part.Logits)],
            [.. parts.SelectMany(part => part.Probabilities)],
            [.. parts.SelectMany(part => part.Scores)],
            parts[0].Accepted is null ? null : [.. parts.SelectMany(part => part.Accepted!)]);
    }

    private static OnnxOutputs Answers(ModelProto model, PixelType input, ImageSet images) => Answers(model.ToByteArray(), input, images, out _);

    private static int BatchSize(ImageSet images) => Math.Clamp(64 * 32 * 32 / (images.Height * images.Width), 1, 64);

    private static Dictionary<string, ActivationHistogram> Observe(DeployedModel deployed, PixelType input, ImageSet images)
    {
        using var session = new OnnxSession(OnnxModel.Create(deployed with { Threshold = null }, input, new ObservedArithmetic()).ToByteArray());
        var histograms = session.Outputs.Where(name => name is not (OnnxModel.Logits or OnnxModel.Probabilities or OnnxModel.Score)).ToDictionary(name => name, _ => new ActivationHistogram());

        // Every activation of a batch is in memory.
        var batchSize = Math.Max(1, BatchSize(images) / 4);
        ForEach((histogram, values) => histogram.Widen(values));
        ForEach((histogram, values) => histogram.Count(values));
        return histograms;

        void ForEach(UseValues use)
        {
            foreach (var batch in Enumerable.Range(0, images.Count).Chunk(batchSize))
            {
                session.Run(images.Select(batch), input, (name, values) =>
                {
                    if (histograms.TryGetValue(name, out var histogram))
                    {
                        use(histogram, values);
                    }
                });
            }
        }
    }

    // Root mean squares of the differences of scores and of logits, each by the standard deviation of what it is of.
    private static double Loss(OnnxOutputs actual, OnnxOutputs exact)
    {
        return Relative(actual.Scores, exact.Scores) + Relative(actual.Logits, exact.Logits);

        static double Relative(float[] actual, float[] exact)
        {
            var mean = exact.Average(value => (double)value);
            var variance = exact.Average(value => (value - mean) * (value - mean));
            var error = actual.Zip(exact, (a, b) => ((double)a - b) * ((double)a - b)).Average();
            return Math.Sqrt(variance > 0 ? error / variance : error);
        }
    }

    private delegate void UseValues(ActivationHistogram histogram, ReadOnlySpan<float> values);
}

/// <summary>The activations of a place: first how far they reach, then how many are where.</summary>
internal sealed class ActivationHistogram
{
    private const int Bins = 4096;

    private readonly long[] counts = new long[Bins];
    private float low;
    private float high;

    /// <summary>Makes room for values. Zero is always inside, because images are padded with it.</summary>
    public void Widen(ReadOnlySpan<float> values)
    {
        foreach (var value in values)
        {
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }
    }

    /// <summary>Counts values that there is room for.</summary>
    public void Count(ReadOnlySpan<float> values)
    {
        var scale = Bins / Math.Max(high - low, float.Epsilon);
        foreach (var value in values)
        {
            counts[Math.Clamp((int)((value - low) * scale), 0, Bins - 1)]++;
        }
    }

    /// <summary>The range that leaves out at most half of 1 - share of the values on either side; nothing for 1.</summary>
    public ActivationRange Within(double share)
    {
        var outside = (long)(counts.Sum() * (1 - share) / 2);
        var width = (high - (double)low) / Bins;
        return new ActivationRange((float)Math.Min(0, low + (Empty(counts, outside) * width)), (float)Math.Max(0, high - (Empty(counts.Reverse(), outside) * width)));
    }

    // Bins from one end that hold no more than so many values.
    private static int Empty(IEnumerable<long> counts, long outside)
    {
        var bins = 0;
        foreach (var count in counts)
        {
            if (count > outside)
            {
                break;
            }

            outside -= count;
            bins++;
        }

        return bins;
    }
}

/// <summary>Measures a model in eight bits beside the one that it was made of, both by ONNX Runtime, on the run's test images and out-of-distribution sets.</summary>
internal static class QuantisationLoss
{
    /// <summary>Runs both over every image.</summary>
    /// <param name="float32">The model in float32, for squares of the network's size.</param>
    /// <param name="deployed">What it is.</param>
    /// <param name="quantised">The model in eight bits.</param>
    /// <param name="input">The pixels of both.</param>
    /// <param name="images">Test images and sets; those that show the classes otherwise (<see cref="SetGroup.Shift"/>) are left out.</param>
    /// <param name="chosenOn">What the ranges were chosen on.</param>
    public static QuantisationReport Of(byte[] float32, DeployedModel deployed, QuantisedModel quantised, PixelType input, TrainingData images, string chosenOn)
    {
        ImageSet[] sets = [.. images.OutOfDistribution.Where(set => set.Group != SetGroup.Shift && set.Count > 0)];
        return new QuantisationReport(
            deployed.Score.Name, chosenOn, quantised.ImageCount, quantised.Share, Numbers(float32, deployed), Numbers(quantised.OnSquares, quantised.Deployed));

        QuantisedNumbers Numbers(byte[] model, DeployedModel of)
        {
            var test = OnnxQuantisation.Answers(model, input, images.Test, out var time);
            double[] scores = Array.ConvertAll(test.Scores, score => (double)score);
            var found = sets.Select(set => Detect(set, scores, OnnxQuantisation.Answers(model, input, set, out _))).ToArray();
            var classes = new Logits(test.Logits, of.ClassNames.Count).Classes();
            return new QuantisedNumbers(
                found.Length == 0 ? null : found.Average(set => set.Auroc),
                found.Length == 0 ? null : found.Average(set => set.Fpr95),
                classes.Where((label, i) => label == images.Test.Labels[i]).Count() / (double)classes.Length,
                test.Accepted is { } accepted ? accepted.Count(isAccepted => isAccepted) / (double)accepted.Length : null,
                of.Threshold?.Value,
                images.Test.Count / time.TotalSeconds,
                found);
        }
    }

    private static QuantisedSet Detect(ImageSet set, double[] test, OnnxOutputs outputs)
    {
        var (outScores, furtherScores) = DetectionBySet.Part(set, Array.ConvertAll(outputs.Scores, score => (double)score));
        var metrics = OodMetrics.Compute(outScores, [.. test, .. furtherScores]);
        return new QuantisedSet(set.Name, metrics.Auroc, metrics.Fpr95);
    }
}
