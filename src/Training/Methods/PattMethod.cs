using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Methods;

/// <summary>
/// PATT: features of two views are contrasted with every class as a von Mises-Fisher distribution, the logits of a third one have a temperature, and the classifier is calibrated
/// once it is trained (He et al., arXiv 2408.06742). The second phase has no epochs unless the user asks for them: the logits have no prior left that it could remove.
/// </summary>
internal sealed class PattMethod() : MethodDefinition(Method.Patt)
{
    private const double StartingLength = 0.9;

    public override IReadOnlyList<RecipeOption> Options => PattRecipe.Options;

    public override Recipe Apply(Recipe recipe) =>
        base.Apply(recipe) with { Views = 3, AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } };

    public override void Validate(Recipe recipe) =>
        RecipeChecks.Require(recipe.Views == 3, "The number of views", recipe.Views, "3 for patt, which classifies one and contrasts two");

    public override NetworkHead Head(Recipe recipe, int classCount) =>
        base.Head(recipe, classCount) with { KeepsFeatureMeans = true, Readout = _ => LogitReadout.Energy };

    /// <summary>A class that was not seen yet has a random direction and the length 0.9, as in the authors' release.</summary>
    public override void Begin(Recipe recipe, DualBranchNetwork model, TrainingData data)
    {
        var (classes, width) = (model.Head.ClassCount, model.FeatureWidth);
        var random = new RandomSequence(recipe.SeedOf(phase: 0), 0, 0, RandomStream.ClassDirections);
        var normals = new double[classes * width];
        for (var i = 0; i < normals.Length; i++)
        {
            normals[i] = random.ExactNormal();
        }

        using var scope = NewDisposeScope();
        model.Method!.FeatureMeans!.copy_(functional.normalize(tensor(normals).reshape(classes, width)) * StartingLength);
    }

    public override Objective FirstObjective(Recipe recipe, int[] trainingCounts, ComputeDevice device, DualBranchNetwork model)
    {
        var (patt, state) = (recipe.Baselines.Patt, model.Method!);
        return new PattObjective(patt, trainingCounts, new ClassDirections(state.FeatureMeans!, state.FeatureCounts!, patt.Temperature, !patt.RawFeatures), device.Torch);
    }

    /// <summary>
    /// Calibrates the main classifier, once: z' = W (s f) + b is that of the weights W s, so that whatever reads the network has z'. The scale in the network's state, ones until then,
    /// says that it was done.
    /// </summary>
    public override void Conclude(Recipe recipe, DualBranchNetwork model, TrainingData data)
    {
        using var scope = NewDisposeScope();
        var kept = model.Method!.FeatureScale!;
        if (recipe.Baselines.Patt.Calibration && kept.eq(1).all().item<bool>())
        {
            var scale = FeatureCalibration.Scale(model, data.Training, data.Outliers!);
            kept.copy_(tensor(scale));
            model.ScaleClassifier(kept);
        }
    }
}

/// <summary>PATT (He et al., arXiv 2408.06742); the values are those of the authors' release for CIFAR10-LT and CIFAR100-LT.</summary>
public sealed record PattRecipe
{
    /// <summary>t, which divides features before they are contrasted with the classes.</summary>
    public double Temperature { get; init; } = 0.1;

    /// <summary>T_s, which divides the logits in their cross entropy; 0.7 on ImageNet-LT.</summary>
    public double LogitTemperature { get; init; } = 0.9;

    /// <summary>
    /// Weight of the cross entropy of the logits. The release's help and defaults say 0.5 and 0.1 for the outliers, its printed CIFAR command has them the other way round; its
    /// ImageNet-LT command has 0.5 here, too, so these are the former.
    /// </summary>
    public double LogitWeight { get; init; } = 0.5;

    /// <summary>Weight of outlier exposure; 0.02 on ImageNet-LT.</summary>
    public double OutlierWeight { get; init; } = 0.1;

    /// <summary>Whether features are contrasted as they are; the release does so, the paper speaks of a hypersphere, and unit length is the default here.</summary>
    public bool RawFeatures { get; init; }

    /// <summary>Whether the classifier is calibrated at the end of the first phase.</summary>
    public bool Calibration { get; init; } = true;

    internal static IReadOnlyList<RecipeOption> Options { get; } =
    [
        Part.Option(
            "--patt-temperature", "temperature of the contrast of features and classes", patt => patt.Temperature, (patt, value) => patt with { Temperature = value },
            "PATT's temperature of the features", OptionRanges.Positive),
        Part.Option(
            "--patt-logit-temperature", "temperature of the logits in their cross entropy", patt => patt.LogitTemperature, (patt, value) => patt with { LogitTemperature = value },
            "PATT's temperature of the logits", OptionRanges.Positive),
        Part.Option(
            "--patt-logit-weight", "weight of the cross entropy of the logits", patt => patt.LogitWeight, (patt, value) => patt with { LogitWeight = value },
            "PATT's weight of the logits", OptionRanges.Weight),
        Part.Option(
            "--patt-outlier-weight", "weight of outlier exposure", patt => patt.OutlierWeight, (patt, value) => patt with { OutlierWeight = value },
            "PATT's weight of the outliers", OptionRanges.Weight),
        Part.Option(
            "--patt-raw-features", "whether features are contrasted without being scaled to unit length, as in the authors' code: true or false",
            patt => patt.RawFeatures, (patt, value) => patt with { RawFeatures = value }),
        Part.Option(
            "--patt-calibration", "whether the classifier is calibrated at the end of the first phase: true or false",
            patt => patt.Calibration, (patt, value) => patt with { Calibration = value }),
    ];

    private static RecipePart<PattRecipe> Part => RecipeParts.Baselines.Part(all => all.Patt, (all, value) => all with { Patt = value });
}

/// <summary>
/// L = L_con + w1 CE( z / T_s + log prior, y ) + w2 L_out by torch's operations on every device: the cross entropy over the first view, outlier exposure, and L_con, the mean over
/// the second and the third view of CE( s + log prior, y ) with the s of <see cref="ClassDirections"/>, which follow a view before its loss.
/// </summary>
internal sealed class PattObjective : Objective
{
    private readonly PattRecipe settings;
    private readonly ClassDirections directions;
    private readonly LogitAdjustment adjusted;
    private readonly OutlierExposureLoss exposure = new();

    /// <summary>Creates the objective.</summary>
    /// <param name="settings">Weights and temperatures.</param>
    /// <param name="trainingCounts">(C): training images of each class.</param>
    /// <param name="directions">The classes.</param>
    /// <param name="device">Where the outputs are.</param>
    public PattObjective(PattRecipe settings, int[] trainingCounts, ClassDirections directions, Device device)
    {
        (this.settings, this.directions) = (settings, directions);
        adjusted = new LogitAdjustment(trainingCounts).to(device);
    }

    public override IReadOnlyList<string> TermNames { get; } = ["total", "in-distribution", "outliers", "contrastive"];

    public override OutputParts Reads => OutputParts.Logits | OutputParts.Features;

    public override LossTerms Terms(BranchOutput output, Batch batch, StepClock? clock = null)
    {
        clock?.Begin(StepPart.LossOfLogits);
        var images = batch.ClassifiedCount;
        var crossEntropy = adjusted.forward(output.Logits.narrow(0, 0, images) / settings.LogitTemperature, batch.Labels);
        var outliers = exposure.forward(output.Logits.narrow(0, batch.Views * images, batch.OutlierCount));
        clock?.Begin(StepPart.ContrastiveLoss);
        var contrastive = (OfView(1) + OfView(2)) / 2;
        return new LossTerms(
            contrastive + (settings.LogitWeight * crossEntropy) + (settings.OutlierWeight * outliers), crossEntropy, outliers, [contrastive]);

        Tensor OfView(int view)
        {
            using var scope = NewDisposeScope();
            var features = directions.Prepared(output.Features.narrow(0, view * images, images));
            directions.Follow(features, batch.Classes);
            return adjusted.forward(directions.Logits(features), batch.Labels).to(output.Logits.dtype).MoveToOuterDisposeScope();
        }
    }

    public override void Dispose()
    {
        adjusted.Dispose();
        exposure.Dispose();
        base.Dispose();
    }
}

/// <summary>
/// PATT's weights of the entries of a feature (He et al., arXiv 2408.06742), by training images alone: with W_c the classifier's rows and pi_c the classes' shares of them,
/// <code>
/// r = mean over classes c of the mean over its images of f W_c / pi_c  -  mean over outliers of f W_y / pi_y        entry by entry;  y: the class that is predicted
/// s = 2 (r - min r) / (max r - min r)
/// </code>
/// The release takes the first mean over batches of labelled test images, of as many images for each class, and multiplies by the number of the batch where an average would divide.
/// Images are not augmented, and the network is in evaluation mode.
/// </summary>
internal static class FeatureCalibration
{
    private const int ImagesAtOnce = 8192;

    /// <summary>(features): s; ones where all entries of r are equal.</summary>
    public static double[] Scale(DualBranchNetwork model, ImageSet training, ImageSet outliers)
    {
        var classifier = model.ClassifierValues(Branch.Main);
        var counts = training.CountPerClass();
        var inside = Sums(model, training, (image, _) => training.Labels[image]);
        var outside = Sums(model, outliers, (_, predicted) => predicted);
        return Scale(
            Means(inside, (label, sum) => sum / counts[label] / counts.Length), Means(outside, (_, sum) => sum / outliers.Count),
            classifier.Weight, Array.ConvertAll(counts, count => count / (double)training.Count));

        static double[] Means(double[][] sums, Func<int, double, double> mean) => [.. sums.Index().SelectMany(row => row.Item.Select(sum => mean(row.Index, sum)))];
    }

    /// <summary>The same from the parts of the means that each class has.</summary>
    /// <param name="inside">(C, d): the mean feature of a class's images over C.</param>
    /// <param name="outside">(C, d): the sum of the features of outliers predicted as a class over all outliers.</param>
    /// <param name="weight">(C, d), W.</param>
    /// <param name="prior">(C), pi.</param>
    internal static double[] Scale(double[] inside, double[] outside, float[] weight, double[] prior)
    {
        var width = weight.Length / prior.Length;
        var raw = new double[width];
        for (var i = 0; i < weight.Length; i++)
        {
            raw[i % width] += (inside[i] - outside[i]) * weight[i] / prior[i / width];
        }

        var (least, most) = (raw.Min(), raw.Max());
        return most > least ? Array.ConvertAll(raw, value => 2 * (value - least) / (most - least)) : [.. Enumerable.Repeat(1.0, width)];
    }

    // (C)(d): the features of the images that count for a class, summed; some images after the other, so that memory does not grow with the set.
    private static double[][] Sums(DualBranchNetwork model, ImageSet images, Func<int, int, int> classOf)
    {
        double[][] sums = [.. Enumerable.Range(0, model.Head.ClassCount).Select(_ => new double[model.FeatureWidth])];
        foreach (var part in Enumerable.Range(0, images.Count).Chunk(ImagesAtOnce))
        {
            var pass = FeaturePass.Of(model, images.Select(part));
            foreach (var (row, predicted) in pass.Predictions.Main.Classes().Index())
            {
                var sum = sums[classOf(part[row], predicted)];
                var features = pass.Features[row];
                for (var i = 0; i < sum.Length; i++)
                {
                    sum[i] += features[i];
                }
            }
        }

        return sums;
    }
}
