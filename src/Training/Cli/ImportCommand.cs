using System.CommandLine;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

/// <summary><c>import</c>: weights that were trained elsewhere as a run folder.</summary>
internal static class ImportCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "the first phase's weights: a file of torch.save or safetensors" };
        var auxiliary = new Option<string>("--auxiliary")
        {
            Description = "the finetuned weights (second phase); without it the auxiliary branch starts as a copy of the main branch",
        };
        var classifier = new Option<string>("--classifier") { Description = "classifier of the finetuned file that has both linear and aux_linear" };
        classifier.AcceptOnlyFromAmong("linear", "aux_linear");
        var key = new Option<string>("--key")
        {
            Description = "where the weights lie in FILE that holds several, for example ema or checkpoint.model; without it the only ones",
        };
        var auxiliaryKey = new Option<string>("--auxiliary-key") { Description = "the same in the finetuned file" };
        var output = new Option<string>("--out") { Description = "run folder; default ./runs/<date>-<preset>" };
        var source = new RecipeSource();
        var command = new Command(
            "import",
            "Makes a run folder of weights trained elsewhere, such as the authors' checkpoints. Classes, counts and test sets come from the same options "
            + "as for training; depth and width from the file. Files are read without running anything in them.")
        {
            file,
        };
        source.AddTo(command, key, auxiliary, auxiliaryKey, classifier, output);
        command.SetAction(result => RunImport.Read(
            source.Read(result),
            [.. source.Given(result)],
            new ImportedPaths(
                result.GetRequiredValue(file), result.GetValue(key), result.GetValue(auxiliary), result.GetValue(auxiliaryKey), result.GetValue(classifier)),
            result.GetValue(output),
            ConvolutionOption.IsOn(result)));
        return command.WithConvolutionCheck().WithExamples(
            "import latest.pth --auxiliary best_clean_acc.pth --preset cifar10-lt-paper --data DATA --out runs/authors",
            "import checkpoint.pth --key ema --id photos --ood textures=dtd --method ce",
            "import latest.pth --id photos --ood textures=dtd --method ce",
            "import model.safetensors --recipe runs/oe-1/recipe.json");
    }
}

/// <summary>An import as the user sees it: what matched, what was not used, and where the run is. Nothing is written before everything fits.</summary>
internal static class RunImport
{
    private const int MostListed = 8;

    public static int Read(Recipe recipe, IReadOnlyList<string> given, ImportedPaths paths, string? output, bool checksConvolutions)
    {
        if (paths.Classifier is not null && paths.Auxiliary is null)
        {
            throw new InputException("--classifier says which classifier of the finetuned file to take; name that file with --auxiliary.");
        }

        if (paths.AuxiliaryKey is not null && paths.Auxiliary is null)
        {
            throw new InputException("--auxiliary-key says where the weights lie in the finetuned file; name that file with --auxiliary.");
        }

        if (recipe.Pretrained.Path is not null)
        {
            throw new InputException("import takes the weights of the file that stands before its options, so --weights cannot be given with it.");
        }

        // In the first phase the authors train linear; the other classifier that some versions of their network have is left as it was drawn.
        using var main = ImportedFile.Open(paths.Main, usual: ImportedFile.Linear, key: paths.Key);
        if (main.HasBothBranches && paths.Auxiliary is not null)
        {
            throw new InputException($"{paths.Main} holds both branches already, so --auxiliary cannot be given with it.");
        }

        using var auxiliary = paths.Auxiliary is null ? null : ImportedFile.Open(paths.Auxiliary, paths.Classifier, key: paths.AuxiliaryKey);
        var shape = main.Shape;
        var fitting = StartingWeights.WithShape(recipe, given, shape, main.Path) with { Device = "cpu", Backend = Backend.Torch };
        fitting.Validate();
        RequirePlainHead(fitting, shape.ClassCount!.Value);
        var data = TrainingDataReader.Read(fitting, withOutliers: false);
        if (data.Training.ClassCount != shape.ClassCount)
        {
            throw new InputException(
                $"{main.Path} knows {shape.ClassCount} classes, but {data.Training.Name} has {data.Training.ClassCount}; "
                + "name the images that it was trained on.");
        }

        using var device = ComputeDevice.Open(fitting.Device, fitting.Backend);
        using var model = Trainer.CreateModel(fitting, data.Training.ClassCount, device);
        ImportedNetwork.Fill(model, main, auxiliary);
        Report(main);
        if (auxiliary is not null)
        {
            Report(auxiliary);
        }

        if (checksConvolutions)
        {
            // Import computes nothing; whoever imports learns here whether this machine can.
            ConvolutionOption.Warn(ConvolutionCheck.Run(
                model, data.Test.Height, data.Test.Width, [.. ConvolutionUse.Evaluation([data.Test, .. data.OutOfDistribution], Predictions.UsualBatchSize)]));
        }

        // A run without finetuned weights stands before its second phase, and train --resume takes it; the other one is finished. Nothing is trained here, so that
        // the images need not be enough for a batch.
        var phase = Trainer.Phases(fitting, data, device).Single(phase => phase.Branch == Branch.Auxiliary);
        var isFinetuned = auxiliary is not null || main.HasBothBranches;
        using var optimiser = new Optimiser(phase.Settings.Optimiser, model.MakeTrainable(phase.Trained, phase.Branch));
        var epochs = isFinetuned ? phase.Settings.Epochs : 0;
        var json = RecipeFile.Write(fitting with { Precision = model.Precision, Device = recipe.Device, Backend = recipe.Backend });
        var history = new RunHistory([], null).ToJson();
        var info = new CheckpointInfo(
            phase.Name, epochs, (long)epochs * (data.Training.Count / phase.Batches.BatchSize), json, history,
            data.Training.ClassNames, data.Training.CountPerClass(),
            ImageSize: data.Training.Height,
            Data: DataFingerprint.Of(data, fitting.Data.Place, fitting.SplitSeed))
        {
            Geometry = fitting.Input.Geometry,
        };
        using var folder = RunFolder.Create(recipe.Preset, output);
        folder.WriteRecipe(json);
        Checkpoint.Save(folder.Checkpoint, info, model, optimiser);
        Console.WriteLine($"Run folder: {folder.Root}");
        if (!isFinetuned)
        {
            Console.WriteLine($"Its auxiliary branch is a copy of the main branch; finetune it with: pascl train --resume {folder.Root}");
        }

        return ExitCode.Done;
    }

    private static void RequirePlainHead(Recipe recipe, int classCount)
    {
        var method = MethodDefinition.Find(recipe.Method);
        if (method.Head(recipe, classCount) is { IsPlain: false })
        {
            throw new InputException(
                $"The method {method.Name} keeps more in its network than a classifier, and import reads plain networks; name another --method.");
        }
    }

    private static void Report(ImportedFile file)
    {
        Console.WriteLine($"{file.Path}: {file.Matched} tensors matched, 0 missing, 0 of another shape or type, {file.Unused.Count} not used");
        foreach (var name in file.Unused.Take(MostListed))
        {
            Console.WriteLine($"  not used: {name}");
        }

        if (file.Unused.Count > MostListed)
        {
            Console.WriteLine($"  and {file.Unused.Count - MostListed} more");
        }

        foreach (var note in file.Notes)
        {
            Console.WriteLine($"  {note}");
        }
    }
}

/// <summary>The files of an import.</summary>
/// <param name="Main">The first phase's file, or one with both branches.</param>
/// <param name="Key">Where the weights lie in it; null for the only ones.</param>
/// <param name="Auxiliary">The finetuned file; null where there is none.</param>
/// <param name="AuxiliaryKey">Where the weights lie in that; null for the only ones.</param>
/// <param name="Classifier">The classifier of the finetuned file; null for the only one.</param>
internal sealed record ImportedPaths(string Main, string? Key, string? Auxiliary, string? AuxiliaryKey, string? Classifier);
