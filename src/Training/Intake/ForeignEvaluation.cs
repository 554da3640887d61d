using Pascl.Training.Data;
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
        ScoreReport.Measure(outputs.Test, outputs.Sets, scores, fitting) with { IsOfBranch = false };

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
            : AcceptanceRow.Of(images.Name, isInDistribution: false, ScoredImages.Part(images, ofImages).OutOfDistribution, threshold);
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
