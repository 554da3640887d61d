using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Training.Intake;

/// <summary>What a model of somebody else's says of every set that an evaluation needs: features, logits, or both.</summary>
/// <param name="Training">The training images; without columns where only their labels are known.</param>
/// <param name="Test">The in-distribution test images.</param>
/// <param name="Sets">The out-of-distribution and covariate-shifted sets.</param>
/// <param name="HeldOut">In-distribution images to choose a threshold on; null for none.</param>
/// <param name="Classifier">The weights that make logits of features; null where nobody says.</param>
/// <param name="Files">Every file that went in.</param>
/// <param name="Remarks">What the user should know of how the parts were understood, one sentence for each point.</param>
internal sealed record ModelOutputs(
    FeaturePass Training,
    FeaturePass Test,
    IReadOnlyList<FeaturePass> Sets,
    FeaturePass? HeldOut,
    LinearClassifier? Classifier,
    IReadOnlyList<InputFile> Files,
    IReadOnlyList<string> Remarks)
{
    /// <summary>What a score may be computed from.</summary>
    public ScoreNeeds Has =>
        (HasLogits ? ScoreNeeds.Logits : 0)
        | (Test.Features.Width > 0 ? ScoreNeeds.Features : 0)
        | (Training.Predictions.Main.ClassCount > 0 ? ScoreNeeds.TrainingLogits : 0)
        | (Training.Features.Width > 0 ? ScoreNeeds.TrainingFeatures : 0)
        | (Classifier is null ? 0 : ScoreNeeds.Classifier);

    /// <summary>Whether images are classified.</summary>
    public bool HasLogits => Test.Predictions.Main.ClassCount > 0;

    /// <summary>Puts sets of arrays together, after checking that they are of one model.</summary>
    /// <param name="training">The training images.</param>
    /// <param name="test">The test images.</param>
    /// <param name="sets">The other sets, and their groups.</param>
    /// <param name="heldOut">In-distribution images for a threshold, or null.</param>
    /// <param name="classifier">The classifier and its files; null for the one in the training file, if any.</param>
    /// <param name="classNames">Class names in label order; null for numbers.</param>
    /// <exception cref="InputException">Something is missing, or does not fit together.</exception>
    public static ModelOutputs Of(
        ArraySet training,
        ArraySet test,
        IReadOnlyList<(ArraySet Set, SetGroup? Group)> sets,
        ArraySet? heldOut,
        (LinearClassifier Classifier, IReadOnlyList<InputFile> Files)? classifier,
        IReadOnlyList<string>? classNames)
    {
        var remarks = new List<string>();
        ArraySet[] judged = [test, .. sets.Select(set => set.Set), .. heldOut is null ? Array.Empty<ArraySet>() : [heldOut]];
        ArraySet[] all = [training, .. judged];
        var weights = classifier?.Classifier ?? training.Classifier;
        if (training.Labels is null)
        {
            throw new InputException($"{training.Path} has no labels; the training images need theirs, for the classes and how frequent they are. Arrays of labels are called {string.Join(", ", ArrayNames.Labels)}.");
        }

        if (test.Labels is null)
        {
            throw new InputException($"{test.Path} has no labels; the test images need theirs. Arrays of labels are called {string.Join(", ", ArrayNames.Labels)}.");
        }

        var width = WidthOf(all, set => set.Features, "features");
        var columns = WidthOf(all, set => set.Logits, "logits");
        var hasFeatures = Shares(judged, set => set.Features, "features", remarks);
        CheckClassifier(weights, classifier is null ? training.Path : "the classifier", width, columns);
        var hasLogits = (hasFeatures && weights is not null && !Array.TrueForAll(judged, set => set.Logits is not null)) || Shares(judged, set => set.Logits, "logits", remarks);
        if (!hasFeatures && !hasLogits)
        {
            throw new InputException($"{test.Path} and the other sets have neither features nor logits in common, so there is nothing to score.");
        }

        var names = NamesOf(training, columns > 0 ? columns : weights?.Bias.Length, classNames);
        if (weights is not null && columns > 0 && hasFeatures && Disagreement(test, weights) is { } difference)
        {
            remarks.Add(
                FormattableString.Invariant($"The classifier does not make the logits of {test.Path} from its features: they differ by up to {difference:G3}. ")
                + "Scores with the classifier are worthless if the features are not those that it sees.");
        }

        return new ModelOutputs(
            Pass(training, null, training.Labels),
            Pass(test, null, test.Labels),
            [.. sets.Select(set => Pass(set.Set, set.Group, LabelsOf(set.Set, set.Group, remarks)))],
            heldOut is null ? null : Pass(heldOut, null, heldOut.Labels ?? NoClasses(heldOut.Count)),
            weights,
            [.. all.SelectMany(set => set.Files), .. classifier?.Files ?? []],
            remarks);

        FeaturePass Pass(ArraySet set, SetGroup? group, int[] labels)
        {
            var features = hasFeatures && set.Features is not null ? new Features(set.Features) : new Features(new ArrayRows([], set.Count, 0));
            var logits = !hasLogits ? new Logits(new ArrayRows([], set.Count, 0))
                : set.Logits is not null ? new Logits(set.Logits)
                : weights is not null && features.Width > 0 ? Computed(features, weights)
                : new Logits(new ArrayRows([], set.Count, 0));
            var images = (LabelledSet?)set.Images ?? new LabelledSet(set.Name, Checked(set, labels, names.Count), names) { Group = group };
            return new FeaturePass(images, new Predictions(logits, logits), features);
        }
    }

    // The width that all sets with a part have; 0 where none has it.
    private static int WidthOf(ArraySet[] sets, Func<ArraySet, INumberRows?> part, string what)
    {
        ArraySet[] with = Array.FindAll(sets, set => part(set) is not null);
        return with.Length == 0 ? 0
            : with.FirstOrDefault(set => part(set)!.Width != part(with[0])!.Width) is { } other
                ? throw new InputException($"{with[0].Path} has {part(with[0])!.Width} {what} for an image and {other.Path} has {part(other)!.Width}; all sets must be of one model.")
            : part(with[0])!.Width;
    }

    // What a set lacks that others have is left out, and said.
    private static bool Shares(ArraySet[] judged, Func<ArraySet, INumberRows?> part, string what, List<string> remarks)
    {
        string[] without = [.. judged.Where(set => part(set) is null).Select(set => set.Path)];
        if (without.Length > 0 && without.Length < judged.Length)
        {
            remarks.Add($"The {what} are left out, because {string.Join(", ", without.Take(5))} {(without.Length == 1 ? "has" : "have")} none.");
        }

        return without.Length == 0;
    }

    private static void CheckClassifier(LinearClassifier? weights, string source, int width, int columns)
    {
        if (weights is null)
        {
            return;
        }

        var (classes, inputs) = (weights.Bias.Length, weights.Weight.Length / weights.Bias.Length);
        if (width > 0 && inputs != width)
        {
            throw new InputException($"The weights of {source} take {inputs} features, but images have {width}; name the classifier that sees these features.");
        }

        if (columns > 0 && classes != columns)
        {
            throw new InputException($"The weights of {source} give {classes} logits, but images have {columns}; name the classifier that gave these logits.");
        }
    }

    private static IReadOnlyList<string> NamesOf(ArraySet training, int? classes, IReadOnlyList<string>? given)
    {
        var labels = training.Labels!;
        if (Array.IndexOf(labels, LabelledSet.NoClass) is >= 0 and var unclassified)
        {
            throw new InputException($"Row {unclassified} of {training.Path} has a negative label; every training image needs a class.");
        }

        var count = classes ?? given?.Count ?? (labels.Max() < labels.Length ? labels.Max() + 1 : labels.Length);
        if (given is not null && given.Count != count)
        {
            throw new InputException($"There are {given.Count} names of classes, but {count} classes; expected a name for each, in the order of the labels.");
        }

        _ = Checked(training, labels, count);
        var present = labels.ToHashSet();
        string[] missing = [.. Enumerable.Range(0, count).Where(label => !present.Contains(label)).Select(label => $"{label}")];
        return missing.Length == 0
            ? given ?? [.. Enumerable.Range(0, count).Select(label => $"class {label}")]
            : throw new InputException(
                $"{training.Path} has no row of {(missing.Length == 1 ? "class" : "the classes")} {string.Join(", ", missing.Take(10))}{(missing.Length > 10 ? ", ..." : "")}, "
                + $"but there are {count} classes; every class needs a training image.");
    }

    private static int[] Checked(ArraySet set, int[] labels, int classes) => Array.FindIndex(labels, label => label >= classes) is >= 0 and var row
        ? throw new InputException($"Row {row} of {set.Path} has the label {labels[row]}, but there are {classes} classes, 0 to {classes - 1}.")
        : labels;

    private static int[] LabelsOf(ArraySet set, SetGroup? group, List<string> remarks)
    {
        if (group == SetGroup.Shift)
        {
            return set.Labels ?? throw new InputException($"{set.Path} has no labels; a covariate-shifted set shows the classes themselves, so its images need theirs.");
        }

        // Other programs leave the labels of the set's own classes there. Both kinds side by side are meant, as in the lists of SC-OOD.
        if (set.Labels is { } labels && !labels.Contains(LabelledSet.NoClass))
        {
            remarks.Add($"The labels of {set.Name} are not used: an image of an out-of-distribution set shows none of the classes, unless others of the set have negative labels.");
            return NoClasses(set.Count);
        }

        return set.Labels ?? NoClasses(set.Count);
    }

    private static int[] NoClasses(int count)
    {
        var labels = new int[count];
        Array.Fill(labels, LabelledSet.NoClass);
        return labels;
    }

    // z = W f + b, in double, a part at a time.
    private static Logits Computed(Features features, LinearClassifier classifier)
    {
        var (classes, rows) = (classifier.Bias.Length, FeatureParts.RowsOf(Math.Max(features.Width, classifier.Bias.Length)));
        if ((long)features.Count * classes > Array.MaxLength)
        {
            throw new InputException($"{features.Count:N0} images of {classes:N0} classes have more logits than fit into memory; store the logits in the file, as float32 without compression.");
        }

        var values = new float[features.Count * classes];
        for (var first = 0; first < features.Count; first += rows)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(rows, features.Count - first);
            var logits = features.Part(first, count, normalised: false).matmul(classifier.WeightTensor().t()) + classifier.BiasTensor();
            logits.to(float32).contiguous().data<float>().CopyTo(values.AsSpan(first * classes));
        }

        return new Logits(values, classes);
    }

    // The largest difference between the logits that are there and those of the classifier, on the first images; null where rounding explains it.
    private static double? Disagreement(ArraySet set, LinearClassifier classifier)
    {
        if (set.Features is null || set.Logits is null)
        {
            return null;
        }

        const int images = 64;
        using var scope = NewDisposeScope();
        var count = Math.Min(images, set.Count);
        var computed = new Features(set.Features).Part(0, count, normalised: false).matmul(classifier.WeightTensor().t()) + classifier.BiasTensor();
        var stored = new Logits(set.Logits).Part(0, count);
        var difference = (computed - stored).abs().max().item<double>();
        return difference > 1e-2 * (1 + stored.abs().max().item<double>()) ? difference : null;
    }
}
