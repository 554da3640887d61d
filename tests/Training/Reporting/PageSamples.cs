using Pascl.Tests.Training.Evaluation;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Reporting;

/// <summary>Run folders with everything that a page shows, made up without training.</summary>
internal static class PageSamples
{
    /// <summary>A name that would become markup, or break a file, where it is not escaped.</summary>
    public const string Hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\u0001&amp;\"'";

    public static Recipe Recipe { get; } = Presets.Find("quickstart").Recipe with
    {
        Representation = Presets.Find("quickstart").Recipe.Representation with { Epochs = 3 },
        AuxiliaryBranch = Presets.Find("quickstart").Recipe.AuxiliaryBranch with { Epochs = 2 },
    };

    /// <summary>Writes a run of which so many epochs are finished; the evaluation is left out.</summary>
    public static RunFolder Write(TemporaryFolder parent, string name, int epochs, bool withAccuracy = true)
    {
        var folder = RunFolder.At(Path.Combine(parent.Path, name));
        Directory.CreateDirectory(folder.Root);
        folder.WriteRecipe(RecipeFile.Write(Recipe));
        folder.WriteMachine([("CPU", Hostile), ("memory", "16 GiB")]);
        EpochRecord[] history = [.. Epochs(withAccuracy).Take(epochs)];
        using var log = RunLog.Open(folder.Log);
        foreach (var epoch in history)
        {
            for (var step = 10; step <= 40; step += 10)
            {
                log.Write(new(
                    epoch.Phase, epoch.Epoch, 3, step, 40, epoch.Losses.ToDictionary(loss => loss.Key, loss => loss.Value + (1.0 / step)), epoch.LearningRate,
                    1000, step, 1 << 20));
            }
        }

        if (history.Length > 0)
        {
            using var model = nn.Linear(2, 2);
            var info = new CheckpointInfo(
                history[^1].Phase, history[^1].Epoch, 0, RecipeFile.Write(Recipe), new RunHistory(history, null).ToJson(), ["a", "b", "c"], [500, 50, 5]);
            Checkpoint.Save(folder.Checkpoint, info, model);
        }

        return folder;
    }

    /// <summary>Writes a finished run with its evaluation, whose class and set names are <see cref="Hostile"/>.</summary>
    public static RunFolder WriteEvaluated(TemporaryFolder parent, string name)
    {
        var folder = Write(parent, name, int.MaxValue);
        var random = new Random(3);
        var test = Set("test", [.. Enumerable.Range(0, 90).Select(i => i % 3)]);
        ImageSet[] sets = [Set("near", None(60)), Set(Hostile, None(40)), Set("no such thing as a short name for a set of images", None(30))];
        var evaluation = Evaluator.Of(
            images => new Predictions(Logits(random, images), Logits(random, images)), test, sets, EvaluationSamples.Protocol);
        var report = evaluation.Report();
        report.Write(folder.Report);
        var features = FeatureMap.Of(
        [
            ("head", ImageGroup.Head, Features(random, 60)),
            ("tail", ImageGroup.Tail, Features(random, 30)),
            .. sets.Select(set => (set.Name, ImageGroup.OutOfDistribution, Features(random, set.Count))),
        ]);
        new EvaluationFigures { Detection = evaluation.Figures(), Features = features }.Write(folder.Evaluation.Figures);
        ContactSheet.Write(folder.Evaluation.Worst, report.Worst, test, sets);
        return folder;
    }

    private static int[] None(int count) => [.. Enumerable.Repeat(ImageSet.NoClass, count)];

    private static ImageSet Set(string name, int[] labels) => new(
        name, new PixelBlock(labels.Length, 8, 8), labels, ["plane", Hostile, "cat"], [.. labels.Select((_, i) => $"/data/{Hostile}/{i}.png")]);

    // The label's logit is raised, and images of no class are unsure.
    private static Logits Logits(Random random, ImageSet images)
    {
        var logits = new float[3 * images.Count];
        for (var i = 0; i < logits.Length; i++)
        {
            logits[i] = (3 * random.NextSingle()) + (images.Labels[i / 3] == i % 3 ? 2 : 0);
        }

        return new Logits(logits, 3);
    }

    private static Features Features(Random random, int count) => new([.. Enumerable.Range(0, 8 * count).Select(_ => random.NextSingle())], 8);

    private static IEnumerable<EpochRecord> Epochs(bool withAccuracy)
    {
        for (var epoch = 1; epoch <= 3; epoch++)
        {
            yield return new(
                TrainingPhase.RepresentationName, epoch, new Dictionary<string, double> { ["total"] = 3.0 / epoch, ["contrastive"] = 1.0 / epoch },
                0.001 / epoch, withAccuracy ? 0.5 + (0.1 * epoch) : null);
        }

        for (var epoch = 1; epoch <= 2; epoch++)
        {
            yield return new(
                TrainingPhase.AuxiliaryBranchName, epoch, new Dictionary<string, double> { ["total"] = 1.0 / epoch }, 0.0005,
                withAccuracy ? 0.75 : null);
        }
    }
}
