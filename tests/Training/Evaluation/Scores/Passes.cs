using Pascl.Training.Data;
using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation.Scores;

/// <summary>Passes of a network that was not run: any features and logits.</summary>
internal static class Passes
{
    /// <summary>A pass over images of one pixel.</summary>
    /// <param name="features">The features of each image.</param>
    /// <param name="labels">Their classes; null for none.</param>
    /// <param name="logits">Their logits; null for zeros.</param>
    public static FeaturePass Of(float[][] features, int[]? labels = null, float[][]? logits = null)
    {
        labels ??= [.. features.Select(_ => ImageSet.NoClass)];
        string[] names = [.. Enumerable.Range(0, labels.Max() + 1).Select(c => $"class{c}")];
        var images = new ImageSet("set", new PixelBlock(features.Length, 1, 1), labels, names);
        logits ??= [.. features.Select(_ => new float[Math.Max(2, names.Length)])];
        var rows = new Logits([.. logits.SelectMany(row => row)], logits[0].Length);
        return new FeaturePass(images, new Predictions(rows, rows), new Features([.. features.SelectMany(row => row)], features[0].Length));
    }
}
