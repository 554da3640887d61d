using System.Security.Cryptography;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training;

/// <summary>The weights from which a training starts where they are not drawn: those of an earlier run, or a published backbone.</summary>
internal static class StartingWeights
{
    private const int MostListed = 8;

    /// <summary>The recipe with the network that the file of its published weights holds, and with that file's hash.</summary>
    /// <param name="recipe">The recipe, which names the file.</param>
    /// <param name="given">The options that the user gave, by name: what they say of the network must be so.</param>
    /// <exception cref="InputException">The file cannot be read, or holds another network.</exception>
    public static Recipe WithPretrained(Recipe recipe, IReadOnlyList<string> given)
    {
        if (recipe.Pretrained is not { Path: { } path } pretrained)
        {
            return recipe;
        }

        using var file = ImportedFile.Open(path, usual: ImportedFile.Linear, key: pretrained.Key);
        return WithShape(recipe, given, file.BackboneShape, path) with { Pretrained = pretrained with { Sha256 = HashOf(path) } };
    }

    /// <summary>The recipe with the network that a file of weights holds. The file decides; an option that says otherwise is a misunderstanding.</summary>
    /// <exception cref="InputException">An option says otherwise.</exception>
    public static Recipe WithShape(Recipe recipe, IReadOnlyList<string> given, NetworkShape shape, string path)
    {
        if ((given.Contains("--width") && recipe.Width != shape.Width) || ((given.Contains("--network") || given.Contains("--depth")) && recipe.Network != shape.Network))
        {
            throw new InputException(
                $"{path} is a {shape.Network} of width {shape.Width}, not a {recipe.Network} of width {recipe.Width}. "
                + "Leave --network and --width out; the file decides.");
        }

        return recipe with { Network = shape.Network, Width = shape.Width };
    }

    /// <summary>
    /// Checks what a recipe starts from: the run, which must have the same network, the same classes and the same test images, or the file of published weights, which
    /// must be the recipe's and fit its network.
    /// </summary>
    /// <returns>What was found in the file, a sentence each.</returns>
    /// <exception cref="InputException">It is not there, or does not fit; the message says what differs.</exception>
    public static IReadOnlyList<string> Check(Recipe recipe, TrainingData data)
    {
        CheckRun(recipe, data);
        return recipe.Pretrained.Path is null ? [] : CheckPretrained(recipe, data.Training.ClassCount);
    }

    private static List<string> CheckPretrained(Recipe recipe, int classCount)
    {
        using var file = OpenPretrained(recipe.Pretrained);
        var shape = file.BackboneShape;
        if ((shape.Network, shape.Width) != (recipe.Network, recipe.Width))
        {
            throw new InputException($"{file.Path} is a {shape.Network} of width {shape.Width}, but this network is {recipe.Network} of width {recipe.Width}.");
        }

        // Into a network of its own: whatever is wrong with the file is said before anything is written.
        var head = MethodDefinition.Find(recipe.Method).Head(recipe, classCount);
        using var network = NetworkDefinition.Find(recipe.Network).Create(new NetworkSettings(head, recipe.Width));
        file.LoadBackboneInto(network);
        string[] left = [.. file.Head.Concat(file.Unused)];
        return
        [
            $"{file.Path}: {file.Matched - file.Head.Count} tensors of a {shape.Network} of width {shape.Width} fill both branches; classifier and projection are new.",
            left.Length == 0 ? "Nothing of the file is left."
                : $"Left of the file: {string.Join(", ", left.Take(MostListed))}{(left.Length > MostListed ? $" and {left.Length - MostListed} more" : "")}.",
            .. file.Conversions,
        ];
    }

    // A recipe that is repeated, or begun again, must start from the same weights.
    private static ImportedFile OpenPretrained(PretrainedRecipe pretrained)
    {
        var path = pretrained.Path!;
        var file = ImportedFile.Open(path, usual: ImportedFile.Linear, key: pretrained.Key);
        if (pretrained.Sha256 is { } expected && HashOf(path) is var actual && actual != expected)
        {
            file.Dispose();
            throw new InputException($"{path} holds other weights than the recipe was made with: its SHA-256 is {actual}, and that of the recipe {expected}. Name the file anew with --weights.");
        }

        return file;
    }

    private static string HashOf(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static void CheckRun(Recipe recipe, TrainingData data)
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
        Require(
            earlier.Backbone.Sha256 == recipe.Backbone.Sha256, path,
            $"its backbone has the SHA-256 {earlier.Backbone.Sha256}, but this one has {recipe.Backbone.Sha256}");
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

    /// <summary>Copies the weights that the recipe starts from into the network; what a method keeps beside the classifier is left out.</summary>
    public static void Load(Recipe recipe, DualBranchNetwork model)
    {
        if (recipe.Pretrained.Path is not null)
        {
            using var file = OpenPretrained(recipe.Pretrained);
            file.LoadBackboneInto(model);
        }

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
