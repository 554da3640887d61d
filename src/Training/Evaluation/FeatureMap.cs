using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Training.Evaluation;

/// <summary>
/// The features of some images in a plane: the two directions in which the features of all of them spread most (principal components of the
/// centred features, without scaling). Each direction's sign is chosen so that its largest entry is positive.
/// </summary>
/// <param name="ExplainedShare">The share of the features' variance along each of the two directions; NaN where all features are equal.</param>
/// <param name="Groups">Where the images lie.</param>
public sealed record FeatureMap(double[] ExplainedShare, IReadOnlyList<FeatureGroup> Groups)
{
    /// <summary>Images of the head classes, and of the tail classes, at most.</summary>
    public const int MostTestImages = 400;

    /// <summary>Out-of-distribution images at most; every set has an equal part of them.</summary>
    public const int MostOutOfDistribution = 600;

    /// <summary>Runs a model over images spread evenly over the test set's head and tail classes and over the other sets.</summary>
    /// <param name="model">The model; the features are those of its main branch.</param>
    /// <param name="test">Test images with their classes.</param>
    /// <param name="outOfDistribution">The sets to be detected; only images of no class take part.</param>
    /// <param name="tailClasses">Whether each class is a tail class.</param>
    public static FeatureMap Of(
        DualBranchNetwork model, ImageSet test, IReadOnlyList<ImageSet> outOfDistribution, IReadOnlyList<bool> tailClasses) =>
        Of(test, outOfDistribution, tailClasses, (images, chosen) => FeaturePass.Of(model, images.Select(chosen)).Features);

    /// <summary>The same of features that are at hand.</summary>
    internal static FeatureMap Of(FeaturePass test, IReadOnlyList<FeaturePass> outOfDistribution, IReadOnlyList<bool> tailClasses)
    {
        var features = outOfDistribution.Prepend(test).ToDictionary(pass => pass.Images, pass => pass.Features);
        return Of(test.Images, [.. outOfDistribution.Select(set => set.Images)], tailClasses, (images, chosen) => features[images].Select(chosen));
    }

    private static FeatureMap Of<T>(T test, IReadOnlyList<T> outOfDistribution, IReadOnlyList<bool> tailClasses, Func<T, int[], Features> featuresOf)
        where T : LabelledSet
    {
        (string Name, ImageGroup Group, T Images, int[] Chosen)[] chosen =
        [
            ("head", ImageGroup.Head, test, Choose(test, label => !tailClasses[label], MostTestImages)),
            ("tail", ImageGroup.Tail, test, Choose(test, label => tailClasses[label], MostTestImages)),
            .. outOfDistribution.Select(set => (
                set.Name,
                ImageGroup.OutOfDistribution,
                set,
                Choose(set, label => label == ImageSet.NoClass, Math.Max(1, MostOutOfDistribution / outOfDistribution.Count)))),
        ];
        var present = Array.FindAll(chosen, group => group.Chosen.Length > 0);
        return Of([.. present.Select(group => (group.Name, group.Group, featuresOf(group.Images, group.Chosen)))]);
    }

    internal static FeatureMap Of(IReadOnlyList<(string Name, ImageGroup Group, Features Features)> groups)
    {
        using var scope = NewDisposeScope();
        var rows = cat([.. groups.Select(group => group.Features.Part(0, group.Features.Count, normalised: false))]); // (N, d)
        rows = rows - rows.mean([0]);
        var (variances, directions) = linalg.eigh(rows.t().matmul(rows) / rows.shape[0]); // rising
        var total = variances.sum().item<double>();
        int[] components = [(int)variances.shape[0] - 1, (int)variances.shape[0] - 2];
        var places = Array.ConvertAll(
            components, component => Array.ConvertAll(rows.mv(Signed(directions.select(1, component))).data<double>().ToArray(), Rounded));
        var start = 0;
        return new(
            Array.ConvertAll(components, component => Rounded(variances[component].item<double>() / total)),
            [
                .. groups.Select(group =>
                {
                    var range = start..(start += group.Features.Count);
                    return new FeatureGroup(group.Name, group.Group, places[0][range], places[1][range]);
                }),
            ]);
    }

    private static int[] Choose(LabelledSet images, Func<int, bool> ofLabel, int most)
    {
        int[] candidates = [.. images.Labels.ToArray().Index().Where(image => ofLabel(image.Item)).Select(image => image.Index)];
        var count = Math.Min(most, candidates.Length);
        return [.. Enumerable.Range(0, count).Select(i => candidates[(int)((long)i * candidates.Length / count)])];
    }

    private static Tensor Signed(Tensor axis) => axis[axis.abs().argmax()].item<double>() < 0 ? -axis : axis;

    // A plot shows no more than four digits, and the last ones of an eigenvector differ between threads and processors.
    private static double Rounded(double value) =>
        double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}

/// <summary>Images of one kind in a <see cref="FeatureMap"/>.</summary>
/// <param name="Name"><c>head</c>, <c>tail</c>, or the name of the out-of-distribution set.</param>
/// <param name="Group">The kind.</param>
/// <param name="X">Place of each image along the direction of most spread.</param>
/// <param name="Y">Place of each image along the second direction.</param>
public sealed record FeatureGroup(string Name, ImageGroup Group, double[] X, double[] Y);
