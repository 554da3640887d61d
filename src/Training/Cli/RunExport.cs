using System.Diagnostics;
using System.Text.Json;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Interop;
using Pascl.Training.Model;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;

namespace Pascl.Training.Cli;

/// <summary>An export as the user sees it: what was written, how large it is, and how it was verified.</summary>
internal static class RunExport
{
    public static int Write(string path, ExportFormat format, string? output, OnnxSettings settings, bool checksConvolutions)
    {
        var watch = Stopwatch.StartNew();
        var folder = RunFolder.Open(path);
        using var checkpoint = Checkpoint.Open(folder.Checkpoint);
        var ending = format.ToString().ToLowerInvariant();
        var file = Path.GetFullPath(output ?? Path.Combine(folder.Root, $"model.{ending}"));
        if (!Directory.Exists(Path.GetDirectoryName(file)))
        {
            throw new InputException($"{file} could not be written: its folder does not exist.");
        }

        // What is deployed is the network in float32 on the CPU, whatever it was trained with.
        var trained = RecipeFile.Parse(checkpoint.Info.Recipe, folder.Checkpoint);
        var recipe = trained with { Precision = Precision.Float32, Device = "cpu", Backend = Backend.Torch };
        using var device = ComputeDevice.Open(recipe.Device, recipe.Backend);
        using var model = Trainer.CreateModel(recipe, checkpoint.Info.ClassNames.Count, device);
        checkpoint.LoadInto(model);
        RequirePlainNetwork(model, format, folder);
        string[] written = format switch
        {
            ExportFormat.Onnx => WriteOnnx(file, folder, checkpoint.Info, recipe, model, settings, checksConvolutions),
            ExportFormat.Safetensors => WriteSafetensors(file, checkpoint.Info, model),
            _ => WeightExport.WriteTorch(file, model),
        };
        foreach (var one in written)
        {
            Console.WriteLine(FormattableString.Invariant($"Written: {one} ({new FileInfo(one).Length / 1e6:0.00} MB)"));
        }

        Console.WriteLine(FormattableString.Invariant($"Took {watch.Elapsed.TotalSeconds:0.0} s"));
        return ExitCode.Done;
    }

    // The authors' network has a column for each class and nothing beside it.
    private static void RequirePlainNetwork(DualBranchResNet model, ExportFormat format, RunFolder folder)
    {
        if (format == ExportFormat.Pth && model.Head.Columns != model.Head.ClassCount)
        {
            throw new InputException(
                $"The network of the run in {folder.Root} has other outputs than one for each class, so it does not fit the authors' network. "
                + "Use --format onnx or --format safetensors.");
        }
    }

    private static string[] WriteSafetensors(string file, CheckpointInfo info, DualBranchResNet model)
    {
        // "pt" says that the tensors are those of a PyTorch network; its loaders look for it.
        var metadata = new Dictionary<string, string> { ["format"] = "pt", ["class_names"] = JsonSerializer.Serialize(info.ClassNames) };
        WeightExport.WriteSafetensors(file, model, metadata);
        return [file];
    }

    private static string[] WriteOnnx(
        string file, RunFolder folder, CheckpointInfo info, Recipe recipe, DualBranchResNet model, OnnxSettings settings, bool checksConvolutions)
    {
        var (text, calibration) = ScoreOf(folder, info.Calibration, settings);
        var score = DeployedScore.Of(AcceptanceScore.Of(text, Readout.Of(model), info.TrainingCounts));
        var images = OnnxVerification.Choose(ImagesOf(recipe, settings.Images));
        if (checksConvolutions)
        {
            ConvolutionOption.Warn(ConvolutionCheck.Run(
                model, images.Height, images.Width, [.. ConvolutionUse.Evaluation([images], OnnxVerification.BatchSize)]));
        }

        var deployed = new DeployedModel(model, info.ClassNames, images.Height, score, calibration);
        var agreement = OnnxExport.Write(file, deployed, settings.Input, images);
        Console.WriteLine(FormattableString.Invariant(
            $"Verified by ONNX Runtime on {agreement.Images:N0} images of {images.Name}: largest difference {agreement.Largest:0.0e+0} "));
        Console.WriteLine(FormattableString.Invariant(
            $"  (logits {agreement.Logits:0.0e+0}, probabilities {agreement.Probabilities:0.0e+0}, {score.Name} {agreement.Scores:0.0e+0}; ")
            + FormattableString.Invariant($"allowed {OnnxAgreement.Allowed:0e+0})"));
        return [file];
    }

    // The threshold belongs to one score, so that score is exported with it. Null stands for the method's own.
    private static (string? Score, Calibration? Calibration) ScoreOf(RunFolder folder, Calibration? calibration, OnnxSettings settings)
    {
        if (settings.WithoutThreshold)
        {
            return (settings.Score ?? calibration?.Score, null);
        }

        if (calibration is null)
        {
            throw new InputException(
                $"The run in {folder.Root} has no threshold, so the model could not say which images it accepts. "
                + $"Choose one with: calibrate {folder.Root}; or export the score alone with --without-threshold.");
        }

        return settings.Score is null || settings.Score == calibration.Score
            ? (calibration.Score, calibration)
            : throw new InputException(
                $"The run's threshold is one of the score {calibration.Score}, not of {settings.Score}. Calibrate it anew with: "
                + $"calibrate {folder.Root} --score {settings.Score}; or export the score alone with --without-threshold.");
    }

    private static ImageSet ImagesOf(Recipe recipe, string? path)
    {
        if (path is null)
        {
            return TrainingDataReader.Read(recipe, withOutliers: false, withOutOfDistribution: false).Test;
        }

        var sets = Datasets.ReadOutOfDistribution(null, path, new ReadOptions(recipe.Data.ImageSize, recipe.Data.SkipBroken));
        return sets[0].Count > 0 ? sets[0] : throw new InputException($"{path} holds no images to verify the model on.");
    }
}
