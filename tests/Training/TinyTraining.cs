using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training;

/// <summary>Whole runs of seconds: a narrow network on a few small synthetic images.</summary>
internal static class TinyTraining
{
    private static readonly Recipe Quickstart = Presets.Find("quickstart").Recipe;

    public static Recipe Recipe { get; } = Quickstart with
    {
        Width = 2,
        Precision = Precision.Float32,
        Threads = 1,
        OutlierBatchSize = 8,
        Data = Quickstart.Data with { ImageSize = 8 },
        Representation = Quickstart.Representation with { Epochs = 2, BatchSize = 40 },
        AuxiliaryBranch = Quickstart.AuxiliaryBranch with { Epochs = 1, BatchSize = 40 },
    };

    /// <summary>The images of the recipe, which a command with it reads; painted once for all tests.</summary>
    public static TrainingData Data { get; } = TrainingDataReader.Read(Recipe);

    /// <summary>The images of whole runs: a fourth of those for training, which still are eleven batches.</summary>
    public static TrainingData Few { get; } = Fourth(Data);

    /// <summary>Data with every fourth training image of each class.</summary>
    public static TrainingData Fourth(TrainingData data) =>
        data with { Training = data.Training.Select(Enumerable.Range(0, data.Training.Count).Where(image => image % 4 == 0)) };

    /// <summary>Runs a recipe from its beginning in a new folder below <paramref name="parent"/>.</summary>
    public static RunFolder Run(
        Recipe recipe, TemporaryFolder parent, string name, IProgress<StepReport>? display = null, CancellationToken cancellation = default)
    {
        var folder = RunFolder.Create(recipe.Preset, Path.Combine(parent.Path, name));
        using (folder)
        {
            using var trainer = new Trainer(recipe, Few, folder);
            trainer.Run(display, cancellation);
        }

        return folder;
    }

    /// <summary>Continues a run from its checkpoint to the end.</summary>
    public static void Resume(RunFolder stopped)
    {
        using var folder = RunFolder.Resume(stopped.Root);
        using var run = Pascl.Training.Run.Open(folder);
        using var trainer = new Trainer(run.Recipe, Few, folder);
        trainer.Resume(run);
        trainer.Run();
    }

    /// <summary>The tensors of a checkpoint byte for byte, by name.</summary>
    public static Dictionary<string, byte[]> Tensors(RunFolder folder)
    {
        using var file = SafetensorsFile.Open(folder.Checkpoint);
        return file.Entries.Keys.ToDictionary(name => name, name =>
        {
            using var tensor = file.Read(name);
            return tensor.bytes.ToArray();
        });
    }

    /// <summary>The losses of a run's finished epochs.</summary>
    public static IReadOnlyList<EpochRecord> History(RunFolder folder)
    {
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        return RunHistory.FromJson(checkpoint.Info.History, folder.Checkpoint).Epochs;
    }
}
