using Pascl.Training.Backbones;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using Pascl.Training.Reporting.Page;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>A run as the user sees it: the data, the progress, the table, and where the folder is.</summary>
internal static class TrainingRun
{
    /// <summary>Trains a recipe in a new run folder and evaluates it.</summary>
    public static int Start(Recipe recipe, string? output, TrainingOptions options, CancellationToken cancellation)
    {
        if (ProcessGroup.Current.IsFirst)
        {
            RunFolder.RequireFree(output);
        }

        recipe = BackboneFeatures.Resolve(recipe);
        var data = ReadForTraining(recipe);
        foreach (var sentence in StartingWeights.Check(recipe, data))
        {
            Console.WriteLine(sentence);
        }

        using var folder = OfFirstRank(() => RunFolder.Create(recipe.Preset, output));
        if (folder.AbruptEndOfNeighbour() is { } abrupt)
        {
            Console.Error.WriteLine(abrupt);
        }

        return Begin(recipe, data, folder, options, cancellation);
    }

    /// <summary>Continues the run in a folder from its last checkpoint, or begins it again where it stopped before the first one.</summary>
    public static int Continue(string path, MovedImages moved, TrainingOptions options, CancellationToken cancellation)
    {
        using var folder = OfFirstRank(() => RunFolder.Resume(path));
        if (folder.AbruptEnd is { } abrupt)
        {
            Console.Error.WriteLine(abrupt);
        }

        if (folder.IsBeforeFirstCheckpoint)
        {
            Console.WriteLine($"The run in {folder.Root} stopped before its first checkpoint and begins again.");
            var recipe = RecipeFile.Read(folder.Recipe);
            recipe = recipe with { Data = moved.Apply(recipe), Backbone = moved.BackboneOf(recipe, folder) };
            return Begin(recipe, ReadForTraining(recipe), folder, options, cancellation);
        }

        using var run = Run.Open(folder, moved);
        var data = WithFeatures(run.Recipe, ReadForTraining(run.Recipe), cancellation);
        using var trainer = NewTrainer(run.Recipe, data, folder, options);
        trainer.Resume(run);
        if (trainer.IsFinished)
        {
            Console.WriteLine($"The run in {folder.Root} was finished; it is evaluated again.");
        }

        return Finish(trainer, data, folder, cancellation);
    }

    private static Trainer NewTrainer(Recipe recipe, TrainingData data, RunFolder folder, TrainingOptions options) => new(recipe, data, folder)
    {
        ChecksConvolutions = options.ChecksConvolutions,
        CheckpointInterval = options.CheckpointInterval,
        PageWriter = written => RunPage.TryWrite(written, Console.Error),
    };

    private static int Begin(Recipe recipe, TrainingData data, RunFolder folder, TrainingOptions options, CancellationToken cancellation)
    {
        data = WithFeatures(recipe, data, cancellation);
        using var trainer = NewTrainer(recipe, data, folder, options);
        folder.WriteRecipe(RecipeFile.Write(trainer.Recipe));
        return Finish(trainer, data, folder, cancellation);
    }

    /// <summary>Evaluates a trained run, on the sets of its recipe or on others.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="moved">Where its images are now; a report on other out-of-distribution sets is not the run's own.</param>
    /// <param name="output">Where the report goes.</param>
    /// <param name="withDetails">Whether more tables are printed.</param>
    /// <param name="scores">The scores that are compared with each other beside the evaluation, or none.</param>
    /// <param name="checksConvolutions">Whether the convolutions are checked first.</param>
    public static int Evaluate(
        string path, MovedImages moved, EvaluationOutput output, bool withDetails, IReadOnlyList<ScoreSpec> scores, bool checksConvolutions)
    {
        var folder = RunFolder.Open(path);
        var files = FilesOf(folder, moved.OutOfDistribution ?? [], output);
        output.RequireTable();
        using var run = Run.Open(folder, moved);
        run.Features = FeatureLines.Listener();
        scores = Possible(run, scores);
        if (checksConvolutions)
        {
            ConvolutionOption.Warn(run.CheckConvolutions(scores.Any(NeedsNetwork)));
        }

        var passes = new Dictionary<ImageSet, FeaturePass>();
        var fingerprint = DataFingerprint.Of(run.Images, run.Recipe.Data.Place, run.Recipe.SplitSeed);
        var (evaluation, report) = Evaluate(run.Recipe, run.Images, fingerprint, scores.Count == 0 ? images => Predictions.Of(run.Network, images) : Keep, withDetails);
        var scoreReport = scores.Count == 0 ? null : Compare(run, scores, passes);
        if (ProcessGroup.Current.IsFirst)
        {
            output.WriteTable(report, scoreReport);
        }

        if (files is not null)
        {
            Write(evaluation, report, scoreReport is null ? null : scoreReport with { Data = fingerprint }, run.Recipe, run.Images, run.Network, folder, files);
            Console.WriteLine($"Report: {files.Report}");
            if (scoreReport is not null)
            {
                Console.WriteLine($"Scores: {files.Scores}");
            }

            Console.WriteLine($"Page: {files.Page}");
        }

        return ExitCode.Done;

        Predictions Keep(ImageSet images) => (passes[images] = FeaturePass.Of(run.Network, images)).Predictions;
    }

    private static EvaluationFiles? FilesOf(RunFolder folder, IReadOnlyList<NamedPath> sets, EvaluationOutput output)
    {
        // The run's own report is that of the run's own images, which were compared by their fingerprints, so it can be written again.
        if (output.Path is not { } path)
        {
            return sets.Count == 0 ? folder.Evaluation : null;
        }

        var files = new EvaluationFiles(Directory.Exists(path) ? Path.Combine(path, Path.GetFileName(folder.Report)) : path);
        OverwriteOption.Require(output.Overwrites, files.Report, files.Page);
        return files.Page != files.Report
            ? files
            : throw new InputException($"{files.Report} is the name of the page that goes with the report; end --out in .json.");
    }

    // Of all scores those that a frozen backbone cannot have are left out and named; where nothing else was asked for, there is nothing to do.
    private static IReadOnlyList<ScoreSpec> Possible(Run run, IReadOnlyList<ScoreSpec> scores)
    {
        string[] perturbed = run.Recipe.Backbone.Path is null ? [] : [.. scores.Where(NeedsNetwork).Select(score => score.Name)];
        if (perturbed.Length == 0)
        {
            return scores;
        }

        var reason = $"The scores {string.Join(", ", perturbed)} change the pixels along their gradient, which a frozen backbone does not give";
        if (perturbed.Length == scores.Count)
        {
            throw new InputException($"{reason}; choose others with --scores.");
        }

        Console.Error.WriteLine($"{reason}; they are left out.");
        return [.. scores.Where(score => !NeedsNetwork(score))];
    }

    private static bool NeedsNetwork(ScoreSpec score) => score.Needs.HasFlag(ScoreNeeds.Network);

    private static ScoreReport Compare(Run run, IReadOnlyList<ScoreSpec> scores, Dictionary<ImageSet, FeaturePass> passes)
    {
        var report = ScoreReport.Measure(
            passes[run.Images.Test],
            [.. run.Images.OutOfDistribution.Select(set => passes[set])],
            scores,
            new ScoreFitting(run.Network, run.Images.Training),
            Protocol(run.Recipe, run.Images).TailClasses);
        ScoreTable.Write(AnsiConsole.Console, report);
        return report;
    }

    private static int Finish(Trainer trainer, TrainingData data, RunFolder folder, CancellationToken cancellation)
    {
        Console.WriteLine($"Run folder: {folder.Root}");
        Console.WriteLine($"Computes on: {trainer.Device}");
        var convolutions = trainer.ChecksConvolutions ? trainer.CheckConvolutions() : null;
        ConvolutionOption.Warn(convolutions);
        folder.WriteMachine(
            [.. MachineReport.Parts(), ("computes on", trainer.Device), ("ranks", $"{ProcessGroup.Current.Size} on {string.Join(", ", ProcessGroup.Current.Hosts.Distinct())}"), .. convolutions?.Rows ?? []]);
        folder.WriteProvenance(Provenance.Now(trainer.Fingerprint, data.Warnings, weights: null));
        try
        {
            TrainingProgress.Show(AnsiConsole.Console, progress => trainer.Run(progress, cancellation));
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine($"Interrupted; continue with: {PasclCommand.Invocation} train --resume {folder.Root}");
            throw;
        }

        foreach (var phase in trainer.History.Where(epoch => epoch.ValidationAccuracy is not null).GroupBy(epoch => epoch.Phase))
        {
            var kept = phase.MaxBy(epoch => epoch.ValidationAccuracy)!;
            Console.WriteLine(FormattableString.Invariant(
                $"Kept of the phase {phase.Key}: epoch {kept.Epoch} of {phase.Count()}, with {100 * kept.ValidationAccuracy:F2} % of the held-out images right (mean over the classes)."));
        }

        folder.WriteProvenance(Provenance.Now(trainer.Fingerprint, data.Warnings, WeightHash.Of(trainer.Model)));
        var (evaluation, report) = Evaluate(trainer.Recipe, data, trainer.Fingerprint, images => Predictions.Of(trainer.Model, images), withDetails: false);
        Write(evaluation, report, null, trainer.Recipe, data, trainer.Model, folder, folder.Evaluation);
        Console.WriteLine($"Run folder: {folder.Root}");
        Console.WriteLine($"Page: {folder.Evaluation.Page}");
        VerifyCommand.WriteOf(folder, trainer.Recipe);
        Console.WriteLine($"Next: {PasclCommand.Invocation} calibrate {folder.Root}    (a threshold for score, serve and export)");
        return ExitCode.Done;
    }

    /// <summary>Where there is a frozen backbone, features take the place of the images; what was computed before is found on the disk.</summary>
    public static TrainingData WithFeatures(Recipe recipe, TrainingData data, CancellationToken cancellation)
    {
        if (recipe.Backbone.Path is null)
        {
            return data;
        }

        using var backbone = FrozenBackbone.Open(recipe.Backbone with { ImageSize = recipe.ImageSize });
        Console.WriteLine($"Backbone: {recipe.Backbone.Path}: images of {backbone.ImageSize} pixels, {backbone.Graph.Description}; it stays as it is.");
        return BackboneFeatures.Attach(recipe, data, backbone, trains: true, FeatureLines.Listener(), cancellation);
    }

    /// <summary>Reads a recipe's images, shows what they are, and checks that training can begin.</summary>
    public static TrainingData ReadForTraining(Recipe recipe)
    {
        recipe.Validate();
        var data = TrainingDataReader.Read(recipe);
        data = recipe.Data.InDistribution is null ? data : data with { Warnings = data.Overlaps() };
        DataSummary.Write(AnsiConsole.Console, data);
        Trainer.Check(recipe, data);
        ThreadWarning.Write(recipe, Console.Error);
        return data;
    }

    private static void Write(
        Evaluator evaluation, EvaluationReport report, ScoreReport? scores, Recipe recipe, TrainingData data, DualBranchNetwork model, RunFolder folder, EvaluationFiles files)
    {
        // Computed by all ranks, written by the first.
        var features = FeatureMap.Of(model, data.Test, data.OutOfDistribution, Protocol(recipe, data).TailClasses);
        if (!ProcessGroup.Current.IsFirst)
        {
            return;
        }

        (report with { Threshold = ThresholdOf(folder) }).Write(files.Report);
        evaluation.Images().Write(files.Images);
        ContactSheet.Write(files.Worst, report.Worst, data.Test, data.OutOfDistribution);
        scores?.Write(files.Scores);
        new EvaluationFigures { Detection = evaluation.Figures(), Features = features }.Write(files.Figures);
        RunPage.Write(folder, files);
    }

    // The checkpoint has it as long as its weights are those that it was chosen for.
    private static AcceptanceTable? ThresholdOf(RunFolder folder)
    {
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        try
        {
            return folder.ReadThreshold(checkpoint.Info.Threshold);
        }
        catch (InputException exception)
        {
            Console.Error.WriteLine($"Note: the threshold is not in the report. {exception.Message}");
            return null;
        }
    }

    // The first rank opens the folder and holds its lock; the others follow it there.
    private static RunFolder OfFirstRank(Func<RunFolder> open)
    {
        var ranks = ProcessGroup.Current;
        var opened = ranks.IsFirst ? open() : null;
        var root = ranks.GatherTexts(opened?.Root ?? "")[0];
        return opened ?? RunFolder.Follow(root);
    }

    private static EvaluationProtocol Protocol(Recipe recipe, TrainingData data)
    {
        var counts = data.Training.CountPerClass();
        return new EvaluationProtocol(counts, recipe.Tail(counts).Flags, ShotGroups.UsualRule(counts.Length));
    }

    private static (Evaluator Evaluation, EvaluationReport Report) Evaluate(
        Recipe recipe, TrainingData data, DataFingerprint fingerprint, Func<ImageSet, Predictions> predict, bool withDetails)
    {
        var evaluation = Evaluator.Of(predict, data.Test, data.OutOfDistribution, Protocol(recipe, data));
        var report = evaluation.Report() with { Data = fingerprint };
        EvaluationTable.Write(AnsiConsole.Console, report, withDetails);
        return (evaluation, report);
    }
}

/// <summary>
/// Says where a recipe asks for more threads than there are cores. It is not refused, because results depend on the number of threads: a run of another machine
/// is repeated, or continued, with its own.
/// </summary>
internal static class ThreadWarning
{
    /// <summary>Writes the warning, where there is reason for it.</summary>
    public static void Write(Recipe recipe, TextWriter error)
    {
        if (recipe.Threads is { } threads && threads > Environment.ProcessorCount)
        {
            error.WriteLine(
                $"{threads} threads (--threads) are more than the processor cores that this program may use, {Environment.ProcessorCount}, which makes it slower. " +
                "Results depend on the number of threads, so it was left as it is.");
        }
    }
}
