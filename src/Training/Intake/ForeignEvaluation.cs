using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Intake;

/// <summary>The evaluation of a model of somebody else's: the same numbers as those of a run, from what the model said.</summary>
internal sealed class ForeignEvaluation
{
    private readonly ModelOutputs outputs;
    private readonly ScoreFitting fitting;
    private readonly EvaluationProtocol protocol;

    /// <summary>Prepares an evaluation.</summary>
    public ForeignEvaluation(ModelOutputs outputs)
    {
        this.outputs = outputs;
        fitting = new ScoreFitting(outputs.Training, outputs.Classifier);
        var counts = outputs.Training.Images.CountPerClass();
        protocol = new EvaluationProtocol(counts, Presets.Custom.Tail(counts).Flags, ShotGroups.UsualRule(counts.Length));
    }

    /// <summary>The scores that can be computed; of the others a sentence with what they need.</summary>
    /// <exception cref="InputException">None of them can.</exception>
    public IReadOnlyList<ScoreSpec> Possible(IReadOnlyList<ScoreSpec> scores, Action<string> say)
    {
        var missing = scores.Select(score => (Score: score, Lack: Lack(score))).ToArray();
        string[] sentences =
        [
            .. missing.Where(score => score.Lack is not null).GroupBy(score => score.Lack!, score => score.Score.Name)
                .Select(group => $"{(group.Count() == 1 ? "The score" : "The scores")} {string.Join(", ", group.Distinct())} {(group.Count() == 1 ? "needs" : "need")} {group.Key}"),
        ];
        if (sentences.Length > 0 && missing.All(score => score.Lack is not null))
        {
            throw new InputException(string.Join(". ", sentences) + ".");
        }

        foreach (var sentence in sentences)
        {
            say($"{sentence}; left out.");
        }

        return [.. missing.Where(score => score.Lack is null).Select(score => score.Score)];
    }

    /// <summary>Compares scores; the tables, groups and full-spectrum rows are those of a run.</summary>
    public ScoreReport Compare(IReadOnlyList<ScoreSpec> scores) =>
        ScoreReport.Measure(outputs.Test, outputs.Sets, scores, fitting, protocol.TailClasses) with { IsOfBranch = false };

    /// <summary>Every number, with one score.</summary>
    /// <param name="score">The score.</param>
    /// <param name="model">What the report says of the model.</param>
    /// <param name="rate">The share of in-distribution images that a threshold is to accept; null for no threshold.</param>
    public (EvaluationReport Report, ImageScores Images, EvaluationFigures Figures) Evaluate(ScoreSpec score, ForeignModel model, double? rate)
    {
        if (!outputs.HasLogits)
        {
            throw new InputException("A report needs logits, or features and the classifier that makes logits of them (--classifier); without them only --scores can be compared.");
        }

        _ = Possible([score], _ => { });
        var scores = score.Fit(fitting);
        var sets = outputs.Sets.Prepend(outputs.Test).Select(Read).ToArray();
        var evaluation = Evaluator.Of(sets[0], sets[1..], protocol);
        return (
            evaluation.Report() with { Model = model, Threshold = rate is { } share ? Threshold(score, share, scores, sets) : null },
            evaluation.Images(),
            new EvaluationFigures
            {
                Detection = evaluation.Figures(),
                Features = outputs.Test.Features.Width > 1 ? FeatureMap.Of(outputs.Test, outputs.Sets, protocol.TailClasses) : null,
            });

        EvaluatedSet Read(FeaturePass pass) => new(
            pass.Images, new Predictions(pass.Predictions.Main, new LogitReadout(score.ToString(), Meaning(score), _ => double.NaN), scores.Of(pass)));
    }

    private AcceptanceTable Threshold(ScoreSpec score, double rate, OodScore scores, EvaluatedSet[] sets)
    {
        var groups = ShotGroups.From(protocol.TrainingCounts, protocol.ShotRule);
        var chosen = outputs.HeldOut is { } heldOut ? (heldOut.Images, Scores: scores.Of(heldOut)) : (sets[0].Images, Scores: sets[0].Predictions.Scores(Branch.Main));
        var threshold = AcceptanceThreshold.Of(chosen.Scores, rate);
        return new AcceptanceTable(
            score.ToString(), threshold, rate, chosen.Scores.Length, ShareInterval.OfFuture(chosen.Scores.Count(value => value <= threshold), chosen.Scores.Length),
            [
                AcceptanceRow.OfClasses("these images", chosen.Images, chosen.Scores, threshold, groups),
                .. sets.Skip(outputs.HeldOut is null ? 1 : 0).Select(set => Row(set.Images, set.Predictions.Scores(Branch.Main))),
            ]);

        AcceptanceRow Row(LabelledSet images, double[] ofImages) => images == sets[0].Images
            ? AcceptanceRow.OfClasses("test images", images, ofImages, threshold, groups)
            : images.Group == SetGroup.Shift ? AcceptanceRow.OfClasses(images.Name, images, ofImages, threshold, groups)
            : AcceptanceRow.Of(images.Name, isInDistribution: false, DetectionBySet.Part(images, ofImages).OutOfDistribution, threshold);
    }

    private static string Meaning(ScoreSpec score) => $"{score}: {score.Definition} ({score.Source}); higher = more out-of-distribution.";

    // What a score needs and the outputs have not, in words; null where nothing is missing.
    private string? Lack(ScoreSpec score)
    {
        var missing = score.Needs & ~outputs.Has;
        string[] words =
        [
            .. new[]
            {
                (ScoreNeeds.Network, "the network itself, along whose gradient images are changed"),
                (ScoreNeeds.Logits, "logits"),
                (ScoreNeeds.Features, "features"),
                (ScoreNeeds.TrainingLogits, "logits of the training images"),
                (ScoreNeeds.TrainingFeatures, "features of the training images"),
                (ScoreNeeds.Classifier, "the weights of the classifier (--classifier)"),
            }.Where(part => missing.HasFlag(part.Item1)).Select(part => part.Item2),
        ];
        return missing == ScoreNeeds.None ? null : string.Join(" and ", missing.HasFlag(ScoreNeeds.Network) ? words[..1] : words);
    }
}

/// <summary>Features and logits of a published model, computed on images by ONNX Runtime as those of a frozen backbone are, and kept with them.</summary>
internal static class OnnxIntake
{
    /// <summary>Runs a model over every set.</summary>
    /// <param name="recipe">The images, and as the backbone the model.</param>
    /// <param name="outputs">Names of its outputs, each null for the obvious one.</param>
    /// <param name="classifier">Weights that make logits of the features, and their files; null for none.</param>
    /// <param name="listener">Told how it goes.</param>
    /// <exception cref="InputException">The model or the images cannot be used.</exception>
    public static ModelOutputs Read(
        Recipe recipe, OutputNames outputs, (LinearClassifier Classifier, IReadOnlyList<InputFile> Files)? classifier, FeatureListener listener)
    {
        var dataset = Dataset.Open(recipe.Data.InDistribution!, recipe.Data.Root);
        dataset.RequireClasses();
        var (features, logits) = outputs.Choose(FrozenBackbone.OutputsOf(recipe.Backbone with { ImageSize = recipe.ImageSize }), dataset.ClassNames.Count, recipe.Backbone.Path!);
        recipe = recipe with { Backbone = recipe.Backbone with { Output = features?.Name ?? logits!.Name, LogitsOutput = features is null ? null : logits?.Name } };
        using var backbone = FrozenBackbone.Open(recipe.Backbone with { ImageSize = recipe.ImageSize });
        recipe = recipe with { Backbone = backbone.Settings };
        listener.Say(
            $"Model: {recipe.Backbone.Path}: images of {backbone.ImageSize} pixels; "
            + $"{(features is null ? "no features" : backbone.Graph.Description)}; {(logits is null ? "no logits" : $"{logits.FeatureCount} logits, the output {logits.Name}")}.");
        var data = BackboneFeatures.Attach(recipe, TrainingDataReader.Read(recipe, withOutliers: false), backbone, trains: false, listener);
        foreach (var remark in data.Remarks)
        {
            listener.Say($"Note: {remark}");
        }

        if (!dataset.Parts.Contains(Dataset.TestPart))
        {
            listener.Say($"Note: {recipe.Data.InDistribution} has no test part, so images are held out for it; the model may have been trained on them.");
        }

        var (width, paths) = (features is null ? 0 : backbone.FeatureCount, recipe.Data.OutOfDistribution.ToLookup(set => set.Name, set => set.Path));
        var model = new InputFile(
            "model", Path.GetFileName(recipe.Backbone.Path!), new FileInfo(recipe.Backbone.Path!).Length, backbone.Settings.Sha256!, null,
            $"features {features?.Name ?? "none"}, logits {logits?.Name ?? "none"}");
        var read = ModelOutputs.Of(
            Set(data.Training, "training", recipe.Data.InDistribution),
            Set(data.Test, "test", null),
            [.. data.OutOfDistribution.Select(set => (Set(set, set.Name, paths[set.Name].FirstOrDefault()), set.Group))],
            data.Validation is { } held ? Set(held, "held out", null) : null,
            classifier,
            data.Training.ClassNames);
        return read with { Files = [model, .. read.Files] };

        ArraySet Set(ImageSet images, string name, string? path)
        {
            INumberRows rows = images.Features!;
            return new ArraySet(
                name,
                path ?? name,
                width == 0 ? null : new ColumnRows(rows, 0, width),
                logits is null ? null : new ColumnRows(rows, width, logits.FeatureCount),
                images.Labels.ToArray(),
                null,
                Files(images, name, path))
            {
                Images = images,
            };
        }

        static InputFile[] Files(ImageSet images, string name, string? path)
        {
            var fingerprint = SetFingerprint.Of(name, images);
            var pixels = new InputFile(name, Path.GetFileName(path) ?? name, null, fingerprint.Pixels, images.Count, "images: the hash is that of pixels and labels");
            return path is not null && File.Exists(path) && Dataset.IsListed(path) ? [ArraySet.Hashed(name, path, images.Count, "list of images"), pixels] : [pixels];
        }
    }
}

/// <summary>The outputs of a model that are features and logits, each null where nobody names it.</summary>
internal sealed record OutputNames(string? Features, string? Logits)
{
    /// <summary>Chooses outputs: by the user's names, else by what they are called (<c>logits</c>; <c>features</c>, <c>embedding</c>), else by the number of classes.</summary>
    /// <param name="outputs">What the model gives for an image.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="path">The model, for messages.</param>
    /// <exception cref="InputException">There is no such output, or the logits are of other classes, or nothing can be told.</exception>
    public (BackboneOutput? Features, BackboneOutput? Logits) Choose(IReadOnlyList<BackboneOutput> outputs, int classes, string path)
    {
        var usable = outputs.Where(output => output.FeatureCount > 0).ToList();
        var logits = Named(Logits, "--logits-output") ?? One(IsCalled("logit")) ?? One(output => output.Reading == FeatureReading.Row && output.FeatureCount == classes && !IsCalled("feat", "embed")(output));
        if (logits is not null && (logits.Reading != FeatureReading.Row || logits.FeatureCount != classes))
        {
            throw new InputException(
                $"The output {logits.Description} of {path} cannot be the logits of {classes} classes; expected (1, {classes}). Name another with --logits-output, or the images of the model's own classes.");
        }

        usable.RemoveAll(output => output == logits);
        var features = Named(Features, "--features-output") ?? One(IsCalled("feat", "embed")) ?? (usable.Count == 1 ? usable[0] : null);
        return features is null && (logits is null || usable.Count > 0)
            ? throw new InputException(
                $"{path} has the outputs {string.Join(", ", outputs.Select(output => output.Description))}, and which are features is not clear; name it with --features-output, and logits with --logits-output.")
            : features == logits && features is not null
            ? throw new InputException($"--features-output and --logits-output both name {features.Name}; name two outputs, or one.")
            : (features, logits);

        BackboneOutput? Named(string? name, string option) => name is null ? null
            : usable.FirstOrDefault(output => output.Name == name) ?? outputs.FirstOrDefault(output => output.Name == name && output.FeatureCount > 0)
            ?? throw new InputException($"{path} has no output {name} of one image's numbers; it has {string.Join(", ", outputs.Select(output => output.Description))}. Choose one with {option}.");

        BackboneOutput? One(Func<BackboneOutput, bool> condition) => usable.Where(condition).ToArray() is [var only] ? only : null;

        static Func<BackboneOutput, bool> IsCalled(params string[] parts) => output => parts.Any(part => output.Name.Contains(part, StringComparison.OrdinalIgnoreCase));
    }
}
