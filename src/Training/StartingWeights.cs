using Pascl.Training.Data;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training;

/// <summary>The weights of an earlier run, from which another one starts.</summary>
internal static class StartingWeights
{
    /// <summary>Checks that the run which a recipe starts from, if it names one, has the same network, the same classes, and the same test images.</summary>
    /// <exception cref="InputException">There is no such run, or it does not fit; the message says what differs.</exception>
    public static void Check(Recipe recipe, TrainingData data)
    {
        var classNames = data.Training.ClassNames;
        if (recipe.StartingRun is not { } path)
        {
            return;
        }

        using var start = Run.Open(path);
        var earlier = start.Recipe;
        Require(
            start.Info.ClassNames.SequenceEqual(classNames), path,
            $"it has the classes {List(start.Info.ClassNames)}, but these images have {List(classNames)}");
        Require(
            (earlier.Network, earlier.Width) == (recipe.Network, recipe.Width), path,
            $"its network is {earlier.Network} of width {earlier.Width}, but this one is {recipe.Network} of width {recipe.Width}");
        RequireItsTest(start, recipe, data, path);
        var (had, has) = (MethodDefinition.Find(earlier.Method), MethodDefinition.Find(recipe.Method));
        var (columns, wanted) = (had.Head(earlier, classNames.Count).Columns, has.Head(recipe, classNames.Count).Columns);
        Require(columns == wanted, path, $"its classifier ({had.Name}) has {columns} outputs, but that of {has.Name} has {wanted}");
    }

    // Test images that trained the first weights would test nothing. Built-in images are drawn anew for each seed.
    private static void RequireItsTest(Run start, Recipe recipe, TrainingData data, string path)
    {
        if (recipe.Data.InDistribution is null || start.Info.Data is not { } trained)
        {
            return;
        }

        var now = DataFingerprint.Of(data, recipe.Data.Place, recipe.SplitSeed);
        var isSame = trained.Of(SetFingerprint.Test) is { } test ? now.Of(SetFingerprint.Test) is { } other && test.IsSameAs(other) : trained.HasFilesOf(now) || start.Recipe.SplitSeed == recipe.SplitSeed;
        Require(
            isSame, path,
            $"it was tested on other images ({trained}) than this run would be ({now}), so that its weights may have been trained on this run's test images; "
            + $"use the same images and --split-seed {start.Recipe.SplitSeed.ToString(System.Globalization.CultureInfo.InvariantCulture)}");
    }

    /// <summary>Copies the weights of the recipe's starting run into the network; what a method keeps beside the classifier is left out.</summary>
    public static void Load(Recipe recipe, DualBranchNetwork model)
    {
        if (recipe.StartingRun is { } path)
        {
            using var start = Run.Open(path);
            start.Checkpoint.LoadInto(model, exceptPrefix: DualBranchNetwork.MethodPrefix);
        }
    }

    private static void Require(bool holds, string path, string difference)
    {
        if (!holds)
        {
            throw new InputException($"Training cannot start from {path}: {difference}.");
        }
    }

    private static string List(IReadOnlyList<string> names) => string.Join(", ", names.Take(10)) + (names.Count > 10 ? ", ..." : "");
}
