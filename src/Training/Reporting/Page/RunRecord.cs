using System.Text.Json;
using Pascl.Training.Checkpoints;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;

namespace Pascl.Training.Reporting.Page;

/// <summary>What a run folder holds for its page. Only the recipe must be there; of what is missing or damaged a sentence is kept.</summary>
internal sealed class RunRecord
{
    private readonly List<string> notes = [];

    private RunRecord(RunFolder folder, EvaluationFiles evaluation)
    {
        Folder = folder.Root;
        var checkpoint = ReadWhere(folder.Checkpoint, "so there are no curves of finished epochs", Info);
        Recipe = File.Exists(folder.Recipe) || checkpoint is null ? RecipeFile.Read(folder.Recipe) : RecipeFile.Parse(checkpoint.Recipe, folder.Checkpoint);
        Threshold = checkpoint?.Threshold;
        Acceptance = File.Exists(folder.Threshold) ? ReadWhere(folder.Threshold, "", _ => folder.ReadThreshold(Threshold)) : null;
        var quantisation = RunFolder.QuantisationOf(folder.QuantisedModel);
        Quantisation = File.Exists(quantisation) ? ReadWhere(quantisation, "", path => QuantisationReport.FromJson(File.ReadAllText(path))) : null;
        Provenance = folder.ReadProvenance();
        Epochs = checkpoint is null ? [] : RunHistory.FromJson(checkpoint.History, folder.Checkpoint).Epochs;
        Steps = ReadWhere(folder.Log, "so the curves have one point for each epoch and no speed is known", RunLog.Read) ?? [];
        var machine = ReadWhere(folder.Machine, "so it is not known where the run was trained", ReadMachine) ?? [];
        Machine = machine.Where(part => !IsConvolution(part.Key)).ToDictionary();
        Convolutions = machine.Where(part => IsConvolution(part.Key)).ToDictionary();
        IsTrained = IsOver(TrainingPhase.RepresentationName, Recipe.Representation) && IsOver(TrainingPhase.AuxiliaryBranchName, Recipe.AuxiliaryBranch);
        if (IsTrained || File.Exists(evaluation.Report))
        {
            Report = ReadWhere(evaluation.Report, "so the run was not evaluated; write it with: evaluate RUN", EvaluationReport.Read);
        }

        if (Report is not null)
        {
            Figures = ReadWhere(
                evaluation.Figures,
                "so there is no ROC, no precision over recall, no histogram of scores and no feature map; write it with: evaluate RUN",
                EvaluationFigures.Read);
            Scores = File.Exists(evaluation.Scores) ? ReadWhere(evaluation.Scores, "", ScoreReport.Read) : null;
            Worst = ReadWhere(evaluation.Worst, "so the most wrong images are only listed; write it with: evaluate RUN", File.ReadAllBytes);
        }
    }

    public string Folder { get; }

    public Recipe Recipe { get; }

    /// <summary>The finished epochs of the last checkpoint.</summary>
    public IReadOnlyList<EpochRecord> Epochs { get; }

    /// <summary>The threshold of the last checkpoint, or null where none was chosen.</summary>
    public ScoreThreshold? Threshold { get; }

    /// <summary>What the threshold accepts, or null where that is not known.</summary>
    public AcceptanceTable? Acceptance { get; }

    /// <summary>What its model in eight bits loses, or null where there is none in the folder.</summary>
    public QuantisationReport? Quantisation { get; }

    /// <summary>What made the run, or null for one of an earlier version.</summary>
    public Provenance? Provenance { get; }

    public IReadOnlyList<StepReport> Steps { get; }

    /// <summary>Where it was trained, each part and what it is; empty where that is not known.</summary>
    public IReadOnlyDictionary<string, string> Machine { get; }

    /// <summary>What the check of the convolutions found on that machine; empty where there was none.</summary>
    public IReadOnlyDictionary<string, string> Convolutions { get; }

    /// <summary>Whether every epoch of both phases is finished.</summary>
    public bool IsTrained { get; }

    /// <summary>The evaluation, or null where there is none.</summary>
    public EvaluationReport? Report { get; }

    /// <summary>What its figures are drawn from, or null where that is missing.</summary>
    public EvaluationFigures? Figures { get; }

    /// <summary>The comparison of scores, or null where none was asked for.</summary>
    public ScoreReport? Scores { get; }

    /// <summary>The picture of the most wrong images as PNG, or null where there is none.</summary>
    public byte[]? Worst { get; }

    /// <summary>A sentence about everything that is missing or cannot be read.</summary>
    public IReadOnlyList<string> Notes => notes;

    /// <summary>Reads a run folder, also one that is being trained in.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="evaluation">The evaluation to show; the run's own where it is left out.</param>
    /// <exception cref="InputException">The folder does not exist or holds no recipe.</exception>
    public static RunRecord Read(RunFolder folder, EvaluationFiles? evaluation = null)
    {
        if (!Directory.Exists(folder.Root))
        {
            throw new InputException($"{folder.Root} does not exist; the folder of a run was expected.");
        }

        return File.Exists(folder.Recipe) || File.Exists(folder.Checkpoint)
            ? new RunRecord(folder, evaluation ?? folder.Evaluation)
            : throw new InputException($"{folder.Root} is not the folder of a run: it has no recipe.json.");
    }

    public int Finished(string phase) => Epochs.Count(epoch => epoch.Phase == phase);

    /// <summary>Whether nothing is left of a phase.</summary>
    public bool IsOver(string phase, PhaseRecipe settings) => Finished(phase) >= settings.Epochs || EarlyStopping.IsOver(Epochs, phase, Recipe.Patience);

    private T? ReadWhere<T>(string path, string consequence, Func<string, T?> read)
        where T : class
    {
        if (!File.Exists(path))
        {
            notes.Add($"There is no {Path.GetFileName(path)}, {consequence}.");
            return null;
        }

        try
        {
            return read(path);
        }
        catch (Exception exception) when (exception is InputException or IOException or UnauthorizedAccessException or JsonException)
        {
            notes.Add($"{Path.GetFileName(path)} was left out: {exception.Message}");
            return null;
        }
    }

    private static CheckpointInfo Info(string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        return checkpoint.Info;
    }

    private static bool IsConvolution(string part) => part.StartsWith(ConvolutionReport.RowPrefix, StringComparison.Ordinal);

    private static Dictionary<string, string> ReadMachine(string path) =>
        JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllBytes(path)) ?? [];
}
