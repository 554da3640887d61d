using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation;

/// <summary>
/// How a report becomes JSON: camel case, names for enums, null for a number that is not finite, and arrays of numbers on one line.
/// </summary>
internal static class ReportJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        // The file is read by people; nothing embeds it in HTML.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters =
        {
            new NumberConverter(),
            new RowConverter<double>(),
            new RowConverter<int>(),
            new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false),
        },
    };

    /// <summary>Reads a file that <see cref="Write"/> wrote.</summary>
    /// <exception cref="InputException">The file is missing, of another kind, or of another layout.</exception>
    public static T Read<T>(string path, ReportFileKind kind)
    {
        try
        {
            var json = File.ReadAllBytes(path);
            CheckLayout(path, json, kind);
            return JsonSerializer.Deserialize<T>(json, Options) ?? throw new JsonException("it holds null.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"The {kind.Name} {path} cannot be read: {exception.Message}", exception);
        }
        catch (JsonException exception)
        {
            throw new InputException($"{path} is not {kind.Description}: {exception.Message}", exception);
        }
    }

    /// <summary>Writes a file. It appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public static void Write<T>(string path, T content) =>
        DurableFile.Replace(path, stream => JsonSerializer.Serialize(stream, content, Options));

    private static void CheckLayout(string path, byte[] json, ReportFileKind kind)
    {
        using var document = JsonDocument.Parse(json);
        var isOfKind = document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(kind.Mark, out _);
        if (!isOfKind)
        {
            throw new JsonException(kind.WithoutMark);
        }

        // The first layout of reports had no number.
        var layout = document.RootElement.TryGetProperty("layout", out var number) ? number.GetRawText() : "1";
        if (layout != $"{kind.Layout}")
        {
            throw new InputException(
                $"{path} has layout {layout}, but this version of the program reads layout {kind.Layout}. Write it anew: {kind.Command}.");
        }
    }

    private sealed class NumberConverter : JsonConverter<double>
    {
        public override bool HandleNull => true;

        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType switch
            {
                JsonTokenType.Null => double.NaN,
                JsonTokenType.Number => reader.GetDouble(),
                _ => throw new JsonException(),
            };

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteNullValue();
            }
        }
    }

    private sealed class RowConverter<T> : JsonConverter<T[]>
    {
        public override T[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            [.. JsonSerializer.Deserialize<List<T>>(ref reader, options)!];

        public override void Write(Utf8JsonWriter writer, T[] value, JsonSerializerOptions options) =>
            writer.WriteRawValue($"[{string.Join(", ", value.Select(number => JsonSerializer.Serialize(number, options)))}]");
    }
}

/// <summary>What the numbers of a report mean, in words.</summary>
internal static class ReportConventions
{
    /// <summary>The conventions of a report whose score is that of <paramref name="readout"/>.</summary>
    public static IReadOnlyDictionary<string, string> For(Readout readout) =>
        new Dictionary<string, string>(All)
        {
            ["score"] = readout.Meaning + " Out-of-distribution is the positive class unless stated.",
            ["score.constants"] = readout.Constants,
        };

    /// <summary>What the numbers of a comparison of scores mean; its metrics are those of a report.</summary>
    public static IReadOnlyDictionary<string, string> OfScores => new Dictionary<string, string>
    {
        ["symbols"] =
            "z logits, p = softmax(z) and f features of the main branch; C classes; pi_c share of class c in the training images. Statistics are of the " +
            "training images, unaugmented. Higher = more out-of-distribution.",
        ["scores.constants"] = "How each parameter's value was chosen: default, or given (--scores NAME:PARAMETER=VALUE). Nothing is chosen by the test or the out-of-distribution images.",
        ["scores.fittedTo"] =
            "What else the score has from the training images, in whole and unaugmented: nothing, classShares (the share of each class), or trainingImages (their features or logits).",
        ["scores.tail"] = "The mean over the sets against the test images of the tail classes of the loss alone; null where there are no sets.",
        ["data"] = All["data"],
    }.Concat(All.Where(entry => entry.Key is "numbers" or "average" or "groups" or "fullSpectrum" || entry.Key.EndsWith("Images", StringComparison.Ordinal)
        || entry.Key.StartsWith("metrics.", StringComparison.Ordinal))).ToDictionary();

    private static Dictionary<string, string> All { get; } = new()
    {
        ["layout"] = "Number of this file's layout; programs refuse a layout that they do not know.",
        ["numbers"] =
            "All rates are fractions from 0 to 1, computed in double precision. null: not defined, because there is nothing to count.",
        ["score"] = "", // filled in by the method's readout
        ["data"] =
            "training, validation, test: number of images; files: hash of their names and labels in the order of the split; sets: of each set, under its name or its part in the "
            + "run, the number of images and the hash of all pixels and labels in order (pixels), or of the files' bytes (files). A hash is the first 16 digits of a SHA-256.",
        ["main"] = "Score and class from the main branch.",
        ["auxiliary"] = "Score and class from the auxiliary branch.",
        ["deployed"] = "Score from its scoreBranch, class from its classBranch: the method's own reading.",
        ["average"] = "Mean over the sets, every set counting alike; null where a set's number is null. Thresholds have no mean.",
        ["outOfDistributionImages"] = "Images of the set that show none of the classes.",
        ["inDistributionImages"] =
            "All test images and those images of the set that show one of the classes (SC-OOD sc_label >= 0). The latter count in the " +
            "detection metrics of their set, not in accuracies, rejections, groups, correctClassification or risk.",
        ["shotRule"] =
            "rank: with the C training counts sorted descending, many = count above the one at position floor(0.34 C), few = count below " +
            "the one at floor(0.67 C), from 0. count: many = above 100, few = below 20 training images. medium = the rest.",
        ["many, medium, few"] = "Mean over the classes of the group that have images to count, every class counting alike.",
        ["overall"] = "Share of all images.",
        ["classification.accuracy"] = "Share of test images classified correctly.",
        ["classification.macroF1"] =
            "Mean of 2TP / (2TP + FP + FN) over the classes that occur as a label or a prediction; a class never right counts 0.",
        ["classification.perClassAccuracy"] = "Share classified correctly of each class's test images, in label order.",
        ["metrics.auroc"] = "Area under the ROC curve; ties of score count one half.",
        ["metrics.auprOut"] = "Average precision, sum of (recall - recall before) * precision, step-wise; tied scores share a point.",
        ["metrics.auprIn"] = "As auprOut with in-distribution as the positive class and the score negated.",
        ["metrics.auprOutTrapezoid"] =
            "Area under the precision-recall curve by the trapezoid rule from precision 1 at recall 0 (OpenOOD, pytorch-ood, SC-OOD); " +
            "never compare it with an average precision.",
        ["metrics.auprInTrapezoid"] = "As auprOutTrapezoid with in-distribution as the positive class and the score negated.",
        ["metrics.fpr95"] =
            "False-positive rate at the recall nearest to 0.95; of equally near points the one of higher recall and more false positives " +
            "(the rule of the published PASCL and outlier-exposure numbers).",
        ["intervals"] = "Of each set: where auroc and fpr95 lie with 95 % certainty, by 400 replicates of the bootstrap over the images of both kinds (percentiles).",
        ["metrics.fpr95FirstReached"] = "False-positive rate at the first recall of at least 0.95.",
        ["metrics.fpr95InPositive"] =
            "As fpr95 with in-distribution as the positive class: share of out-of-distribution images accepted when about 95 % of the " +
            "others are.",
        ["metrics.fpr95InPositiveFirstReached"] = "As fpr95FirstReached with in-distribution as the positive class.",
        ["metrics.fpr95InPositiveStrict"] =
            "Share of out-of-distribution images with a score below that of the floor(0.95 n)-th surest of n in-distribution images " +
            "(the rule of SC-OOD).",
        ["groups.tail, head"] =
            "The metrics of the out-of-distribution images against the test images of the tail classes (tailClasses) only, and against " +
            "those of all other classes only.",
        ["groups.many, medium, few"] = "The same against the test images of the classes of one shot group only.",
        ["operatingPoints"] =
            "ACC@FPR, ACC@TPR and FPR@TPR: threshold of the ROC point (collinear points dropped) whose rate is nearest to the level, the " +
            "first of equally near ones when thresholds fall; the point of no positives has the highest score + 1. An image is accepted " +
            "when score <= threshold.",
        ["operatingPoints.falsePositiveRate, truePositiveRate"] =
            "Share of in-distribution and of out-of-distribution images with score >= threshold.",
        ["operatingPoints.accuracy"] = "Share classified correctly among the accepted test images.",
        ["operatingPoints.testFalsePositiveRate"] = "Share of test images with score >= threshold: FPR@TPR per shot group.",
        ["operatingPoints.rejection, rejectionPerClass"] = "Share of test images with score > threshold.",
        ["correctClassification"] =
            "CCR@FPR: share of all test images that are classified correctly and have a score below the ceil(falsePositiveRate m)-th lowest " +
            "score of the set's m out-of-distribution images (SC-OOD, OpenOOD).",
        ["threshold"] =
            "What the threshold of calibrate (--tpr, of another model) accepts, an image being accepted when its threshold.score <= threshold.threshold; null where none was chosen for " +
            "these weights. asked: share of in-distribution images to accept, images: by which it was chosen, expected: where the share accepted of new ones lies with 95 % certainty.",
        ["threshold.rows"] =
            "The images that it was chosen on (these images), the test images, and each set as calibrate had it: share accepted, its interval of Clopper and Pearson (95 %), and many, " +
            "medium, few as everywhere.",
        ["confusion"] = "Test images by class (row) and predicted class (column), in label order.",
        ["reliability.expectedCalibrationError"] =
            "Sum over 15 bins of (images / all images) |mean probability - share correct|; the probability is the class branch's for the " +
            "class it predicts, bin = ceil(15 p) - 1 within 0 to 14. Groups pool the test images of their classes.",
        ["reliability.images, meanProbability, accuracy"] = "The 15 bins; null in an empty one.",
        ["risk.aurc, excessAurc, augrc"] =
            "Test images in order of rising score, E(k) wrong among the first k of n, tied images sharing their errors evenly. AURC = mean of " +
            "E(k)/k; excess = AURC less that of the same errors ranked last (E-AURC); AUGRC = mean of E(k)/n. In a set: over test and " +
            "out-of-distribution images together, the latter counting as errors.",
        ["riskCoverage"] = "E(k)/k at k = 1 %, 2 % ... 100 % of the test images, rounded up.",
        ["groups"] =
            "Of a reading: the mean over the sets of each group that was named, near or far out of distribution, every set counting alike; average is over all sets.",
        ["shiftedSets"] = "Sets that show the classes under a covariate shift: their classification. They count in no other number but those of the full spectrum.",
        ["fullSpectrum"] = "Detection with the images of shiftedSets as in-distribution beside the test images, for each set, group and on average; null without shifted sets.",
        ["fullSpectrumAccuracy"] = "Share of test images and images of shiftedSets that is classified correctly.",
        ["tailRejections"] =
            "Tail classes by the share of their test images rejected at the threshold of truePositive 0.95, mean over the sets, highest first.",
        ["worst"] =
            "Up to 25 test images of the highest and 25 out-of-distribution images of the lowest score as deployed; label null: none of the " +
            "classes.",
    };
}

/// <summary>A kind of JSON file that an evaluation leaves, and how one is told from other files.</summary>
/// <param name="Name">What messages call it.</param>
/// <param name="Description">The same with its article.</param>
/// <param name="Mark">A property that every such file has.</param>
/// <param name="WithoutMark">What is said of a file without it.</param>
/// <param name="Layout">The layout that this program writes and reads.</param>
/// <param name="Command">What writes it anew.</param>
internal sealed record ReportFileKind(string Name, string Description, string Mark, string WithoutMark, int Layout, string Command = "evaluate RUN");
