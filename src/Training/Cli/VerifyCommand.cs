using System.CommandLine;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Verification;

namespace Pascl.Training.Cli;

/// <summary><c>verify</c>: finished runs against the mean and the standard deviation of other seeds, or these measured from runs.</summary>
internal static class VerifyCommand
{
    private const int MostDifferences = 3;

    public static Command Create()
    {
        var runs = new Argument<string[]>("RUN") { Description = "finished run folders; with --write at least two seeds of one recipe", Arity = ArgumentArity.OneOrMore };
        var expected = new Option<string>("--expected") { Description = "file that --write wrote; default: what comes with the run's preset" };
        var written = new Option<string>("--write") { Description = "measure the runs and write mean and standard deviation of every number into this file" };
        var command = new Command(
            "verify",
            "Compares finished runs with what several seeds of their recipe came to: losses by epoch, BatchNorm statistics, metrics. Says which number deviates first, in the "
            + "order of training, and by how many standard deviations. Exit code 1 where one does.")
        {
            runs, expected, written,
        };
        var force = OverwriteOption.AddTo(command);
        command.SetAction(result => result.GetValue(written) is { } file
            ? Write(result.GetRequiredValue(runs), file, result.GetValue(expected), result.GetValue(force))
            : Verify(result.GetRequiredValue(runs), result.GetValue(expected), result.GetValue(force)));
        return command.WithExamples(
            "verify runs/quickstart-7",
            "verify runs/oe-0 runs/oe-1 runs/oe-2 --write oe.json",
            "verify runs/oe-3 --expected oe.json");
    }

    private static int Write(string[] runs, string path, string? expected, bool overwrites)
    {
        if (expected is not null)
        {
            throw new InputException("--expected and --write exclude each other: runs are compared with a file, or a file is made of them.");
        }

        OverwriteOption.Require(overwrites, path);
        var measured = Expectations.Of(runs);
        measured.Write(path);
        Console.WriteLine($"Written: {path}, {measured.Numbers.Count} numbers of {measured.Origin}");
        return ExitCode.Done;
    }

    private static int Verify(string[] runs, string? path, bool overwrites)
    {
        if (overwrites)
        {
            throw new InputException("--force goes with --write; without it nothing is written.");
        }

        var given = path is null ? null : Expectations.Read(path);
        var passed = true;
        foreach (var run in runs)
        {
            var folder = RunFolder.Open(run);
            var recipe = RecipeFile.Read(folder.Recipe);
            var expected = given ?? Expectations.OfPreset(recipe.Preset)
                ?? throw new InputException($"No expectations come with the preset {recipe.Preset} of {folder.Root}; name a file of them with --expected.");
            var verification = Verification.Of(RunNumbers.Of(folder), expected);
            if (expected.Differences(recipe) is { Count: > 0 } differences)
            {
                Console.WriteLine(
                    $"{folder.Root} has another recipe: {string.Join(", ", differences.Take(MostDifferences))}{(differences.Count > MostDifferences ? $", and {differences.Count - MostDifferences} more" : "")}.");
            }

            if (expected.Data is { } images && folder.ReadProvenance()?.Data is { } own && !own.IsSameAs(images))
            {
                string[] sets = [.. own.Differences(images).Select(pair => pair.Here.Set)];
                Console.WriteLine($"{folder.Root} was trained or tested on other images ({(sets.Length > 0 ? string.Join(", ", sets) : "other files or another split")}): {own} instead of {images}.");
            }

            Console.WriteLine($"{folder.Root}: {verification.Sentence()}");
            passed &= verification.Passed;
        }

        return passed ? ExitCode.Done : ExitCode.CheckFailed;
    }

    /// <summary>
    /// Says at the end of a training how the run compares with what comes with its preset; nothing where the recipe was changed or nothing comes with it, nor by a rank
    /// that does not write the run: what it would read may not be there yet.
    /// </summary>
    public static void WriteOf(RunFolder folder, Recipe recipe)
    {
        if (folder.IsWritten && Expectations.OfPreset(recipe.Preset) is { } expected && expected.IsOf(recipe))
        {
            var verification = Verification.Of(RunNumbers.Of(folder), expected);
            Console.WriteLine($"{(verification.Passed ? "Verified" : "Not verified")}: {verification.Sentence()}");
        }
    }
}
