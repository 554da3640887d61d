using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Deployment;

/// <summary>The folder of a run as training leaves it, without the training: a network of random numbers whose branches differ everywhere.</summary>
internal static class DeployedRun
{
    public static IReadOnlyList<string> ClassNames { get; } = ["cat", "dog", "ship", "tower", "Käse"];

    public static IReadOnlyList<int> TrainingCounts { get; } = [400, 200, 100, 20, 10];

    /// <summary>Writes a run of images of 8 x 8 and returns its folder.</summary>
    public static string Write(TemporaryFolder folder, string name, ScoreThreshold? calibration = null, Precision precision = Precision.Float32)
    {
        var recipe = TinyTraining.Recipe with { Width = 8, Precision = precision };
        using var network = SmallNetworks.Create(recipe.Width, ClassNames.Count);
        Write(folder, name, recipe, network, calibration);
        return Path.Combine(folder.Path, name);
    }

    /// <summary>Writes a run of the classes of the images that its recipe names, those of <see cref="TinyTraining"/>, and returns its folder.</summary>
    public static string OfItsImages(TemporaryFolder folder, Recipe recipe, ScoreThreshold? calibration, ImageGeometry? geometry = null)
    {
        var training = TinyTraining.Data.Training;
        using var network = SmallNetworks.Create(recipe.Width, recipe, training.ClassCount);
        using var run = RunFolder.Create(recipe.Preset, Path.Combine(folder.Path, "run"));
        var json = RecipeFile.Write(recipe);
        run.WriteRecipe(json);
        var info = new CheckpointInfo(
            TrainingPhase.AuxiliaryBranchName, 1, 1, json, "{\"Epochs\":[]}", training.ClassNames, training.CountPerClass(), Threshold: calibration)
        {
            Geometry = geometry ?? ImageGeometry.SmallImages,
        };
        Checkpoint.Save(run.Checkpoint, info, network);
        return run.Root;
    }

    /// <summary>Writes a network as the run of a recipe.</summary>
    public static void Write(TemporaryFolder folder, string name, Recipe recipe, DualBranchNetwork network, ScoreThreshold? calibration)
    {
        using var run = RunFolder.Create(recipe.Preset, Path.Combine(folder.Path, name));
        var json = RecipeFile.Write(recipe);
        run.WriteRecipe(json);
        var info = new CheckpointInfo(
            TrainingPhase.AuxiliaryBranchName, 1, 1, json, "{\"Epochs\":[]}", ClassNames, TrainingCounts, Threshold: calibration, ImageSize: 8);
        Checkpoint.Save(run.Checkpoint, info, network);
    }
}
