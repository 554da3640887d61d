using System.CommandLine;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary><c>export</c>: a trained run as a file for other programs.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder" };
        var format = new Option<ExportFormat>("--format") { Description = "onnx, safetensors or pth", Required = true };
        var output = new Option<string>("--out")
        {
            Description = "file to write; default RUN/model.FORMAT. The two files of pth get -main and -auxiliary before the ending",
        };
        var input = new Option<PixelType>("--input")
        {
            Description = "pixels of an ONNX model: uint8 (0 to 255) or float (0 to 1)",
            DefaultValueFactory = _ => PixelType.UInt8,
            CustomParser = result => result.Tokens[0].Value.ToLowerInvariant() switch
            {
                "uint8" => PixelType.UInt8,
                "float" => PixelType.Float,
                var other => throw new InputException($"--input takes uint8 or float, not '{other}'."),
            },
        };
        var preprocess = new Option<string>("--preprocess")
        {
            Description = "who resizes and crops pictures for an ONNX model: outside (its user) or in-graph (the model, which takes the bytes of decoded pictures of any size)",
            DefaultValueFactory = _ => OnnxModel.Outside,
            CustomParser = result => result.Tokens[0].Value is OnnxModel.Outside or OnnxModel.InGraph
                ? result.Tokens[0].Value
                : throw new InputException($"--preprocess takes {OnnxModel.Outside} or {OnnxModel.InGraph}, not '{result.Tokens[0].Value}'."),
        };
        var score = new Option<string>("--score")
        {
            Description = "score of an ONNX model without threshold: " + string.Join(", ", OnnxScore.Names) + ", or the method's own, which is the default",
        };
        var withoutThreshold = new Option<bool>("--without-threshold") { Description = "an ONNX model that gives scores and leaves the decision to its user" };
        var images = new Option<string>("--images")
        {
            Description = "folder or archive of images on which an ONNX model is verified, instead of the run's test set",
        };
        var quantise = new Option<Quantisation>("--quantise")
        {
            Description = "int8: the convolutions of an ONNX model in whole numbers of eight bits, with what that loses on the run's test and out-of-distribution sets; RUN/model-int8.onnx",
        };
        var inDistribution = new Option<string>("--id") { Description = "where the run's in-distribution images are now, if they moved" };
        var root = new Option<string>("--root") { Description = "where the images of lists are now, if they moved" };
        var data = new Option<string>("--data") { Description = "where the folder with all images of the run's preset is now, if it moved" };
        var sets = new Option<string[]>("--ood") { Description = RecipeOptions.OutOfDistributionHelp + ", on which --quantise measures, instead of the run's own" };
        Option[] onnxOnly = [input, preprocess, score, withoutThreshold, images, quantise, inDistribution, root, data, sets];
        var command = new Command(
            "export",
            "Writes a trained run for other programs: ONNX with both branches in one graph, verified by ONNX Runtime before the file appears; "
            + "or its weights as safetensors or for PyTorch.")
        {
            run, format, output, input, preprocess, score, withoutThreshold, images, quantise, inDistribution, root, data, sets,
        };
        var force = OverwriteOption.AddTo(command);
        command.SetAction(result =>
        {
            var given = onnxOnly.FirstOrDefault(option => RecipeOptions.WasGiven(result, option));
            if (given is not null && result.GetRequiredValue(format) != ExportFormat.Onnx)
            {
                throw new InputException($"{given.Name} goes with --format onnx; the other formats hold weights alone.");
            }

            var inGraph = result.GetRequiredValue(preprocess) == OnnxModel.InGraph;
            if (inGraph && RecipeOptions.WasGiven(result, input) && result.GetRequiredValue(input) != PixelType.UInt8)
            {
                throw new InputException("--preprocess in-graph takes the bytes of pictures as they are decoded; leave out --input.");
            }

            return RunExport.Write(
                result.GetRequiredValue(run),
                result.GetRequiredValue(format),
                result.GetValue(output),
                new OnnxSettings(
                    inGraph ? PixelType.Picture : result.GetRequiredValue(input), result.GetValue(score), result.GetValue(withoutThreshold), result.GetValue(images), result.GetValue(quantise)),
                result.GetValue(force),
                new MovedImages(
                    result.GetValue(inDistribution),
                    OutOfDistribution: [.. (result.GetValue(sets) ?? []).Select(RecipeOptions.ParseNamedPath)],
                    Folder: result.GetValue(data),
                    Root: result.GetValue(root))
                {
                    Backbone = BackboneOption.File(result),
                },
                ConvolutionOption.IsOn(result));
        });
        return command.WithBackbone().WithConvolutionCheck().WithExamples(
            "export runs/oe-1 --format onnx",
            "export runs/oe-1 --format onnx --preprocess in-graph",
            "export runs/oe-1 --format onnx --input float --out deployed/model.onnx",
            "export runs/oe-1 --format onnx --without-threshold --score energy",
            "export runs/oe-1 --format onnx --quantise int8",
            "export runs/oe-1 --format onnx --quantise int8 --id photos --ood textures=dtd.tar.gz",
            "export runs/oe-1 --format pth --out pytorch/model.pth",
            "export runs/oe-1 --format safetensors");
    }
}

/// <summary>An export as the user sees it: what was written, how large it is, and how it was verified.</summary>
internal static class RunExport
{
    public static int Write(string path, ExportFormat format, string? output, OnnxSettings settings, bool overwrites, MovedImages moved, bool checksConvolutions)
    {
        var watch = Stopwatch.StartNew();
        var folder = RunFolder.Open(path);
        var ending = format.ToString().ToLowerInvariant();
        var file = Path.GetFullPath(output ?? (settings.Quantisation == Quantisation.Int8 ? folder.QuantisedModel : Path.Combine(folder.Root, $"model.{ending}")));
        if (!Directory.Exists(Path.GetDirectoryName(file)))
        {
            throw new InputException($"{file} could not be written: its folder does not exist.");
        }

        OverwriteOption.Require(
            overwrites, format == ExportFormat.Pth ? Enum.GetValues<Branch>().Select(branch => WeightExport.TorchFile(file, branch))
                : format != ExportFormat.Onnx ? [file]
                : settings.Quantisation == Quantisation.Int8 ? [file, OnnxExamples.FileOf(file), RunFolder.QuantisationOf(file)]
                : [file, OnnxExamples.FileOf(file)]);

        // What is deployed is the network in float32 on the CPU, whatever it was trained with.
        using var run = Run.Open(folder, moved, device: "cpu", precision: Precision.Float32);
        var model = run.Network;
        RequirePlainNetwork(model, format, folder);
        string[] written = format switch
        {
            ExportFormat.Onnx => WriteOnnx(file, run, model, settings, checksConvolutions),
            ExportFormat.Safetensors => WriteSafetensors(file, run.Info, model),
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
    private static void RequirePlainNetwork(DualBranchNetwork model, ExportFormat format, RunFolder folder)
    {
        if (format == ExportFormat.Pth && model.Head.Columns != model.Head.ClassCount)
        {
            throw new InputException(
                $"The network of the run in {folder.Root} has other outputs than one for each class, so it does not fit the authors' network. "
                + "Use --format onnx or --format safetensors.");
        }
    }

    private static string[] WriteSafetensors(string file, CheckpointInfo info, DualBranchNetwork model)
    {
        // "pt" says that the tensors are those of a PyTorch network; its loaders look for it.
        var metadata = new Dictionary<string, string>
        {
            ["format"] = "pt",
            ["class_names"] = JsonSerializer.Serialize(info.ClassNames),
            ["pascl_version"] = ProgramVersion.Number,
            ["pascl_commit"] = ProgramVersion.Commit,
            ["weights"] = WeightHash.Of(model),
        };
        WeightExport.WriteSafetensors(file, model, metadata);
        return [file];
    }

    private static string[] WriteOnnx(string file, Run run, DualBranchNetwork model, OnnxSettings settings, bool checksConvolutions)
    {
        var (folder, info, recipe) = (run.Folder, run.Info, run.Recipe);
        var (text, threshold) = ScoreOf(folder, info.Threshold, settings);
        if (threshold is not null && run.ThresholdPrecision != Precision.Float32)
        {
            throw new InputException(
                $"The threshold of the run in {folder.Root} was chosen in bfloat16 by an earlier version, and an ONNX model computes in float32, where it would decide otherwise. "
                + $"Choose it anew with: pascl calibrate {folder.Root}");
        }

        var score = OodScore.OfDeployed(text, Readout.Of(model), info.TrainingCounts);
        OnnxScore.Require(score);
        if (settings.Quantisation == Quantisation.Int8)
        {
            OnnxQuantisation.Require(model);
        }

        var images = OnnxVerification.Choose(ImagesOf(recipe, settings.Images));
        if (checksConvolutions)
        {
            ConvolutionOption.Warn(ConvolutionCheck.Run(
                model, images.Height, images.Width, [.. ConvolutionUse.Evaluation([images], OnnxVerification.BatchSize)]));
        }

        var deployed = new DeployedModel(model, info.ClassNames, images.Height, info.Geometry, score, threshold, info.Data);
        var (exact, agreement) = OnnxExport.Verify(deployed, settings.Input, images);
        Console.WriteLine(FormattableString.Invariant(
            $"Verified by ONNX Runtime on {images.Count:N0} images of {images.Name}{(agreement.Images > images.Count ? $" and {agreement.Images - images.Count} pictures of other sizes" : "")}, {(threshold is null ? "" : "every decision and ")}with a largest difference of {agreement.Largest:0.0e+0} "));
        Console.WriteLine(FormattableString.Invariant(
            $"  (logits {agreement.Logits:0.0e+0}, probabilities {agreement.Probabilities:0.0e+0}, {score.Name} {agreement.Scores:0.0e+0}; ")
            + FormattableString.Invariant($"allowed {OnnxAgreement.Allowed:0e+0})"));
        if (settings.Quantisation == Quantisation.Int8)
        {
            return QuantisedExport.Write(file, run, exact, deployed, settings.Input, images);
        }

        DurableFile.Replace(file, stream => stream.Write(exact));
        OnnxExamples.Write(OnnxExamples.FileOf(file), deployed, images);
        return [file, OnnxExamples.FileOf(file)];
    }

    // The threshold belongs to one score, so that score is exported with it. Null stands for the method's own.
    private static (string? Score, ScoreThreshold? Threshold) ScoreOf(RunFolder folder, ScoreThreshold? threshold, OnnxSettings settings)
    {
        if (settings.WithoutThreshold)
        {
            return (settings.Score ?? threshold?.Score, null);
        }

        if (threshold is null)
        {
            throw new InputException(
                $"The run in {folder.Root} has no threshold, so the model could not say which images it accepts. "
                + $"Choose one with: pascl calibrate {folder.Root}; or export the score alone with --without-threshold.");
        }

        return settings.Score is null || settings.Score == threshold.Score
            ? (threshold.Score, threshold)
            : throw new InputException(
                $"The run's threshold is one of the score {threshold.Score}, not of {settings.Score}. Calibrate it anew with: "
                + $"pascl calibrate {folder.Root} --score {settings.Score}; or export the score alone with --without-threshold.");
    }

    private static ImageSet ImagesOf(Recipe recipe, string? path)
    {
        if (path is null)
        {
            return TrainingDataReader.Read(recipe, withOutliers: false, withOutOfDistribution: false).Test;
        }

        var sets = Datasets.ReadOutOfDistribution(null, path, new ReadOptions(recipe.ImageSize, recipe.Data.SkipBroken) { Geometry = recipe.Input.Geometry });
        return sets[0].Count > 0 ? sets[0] : throw new InputException($"{path} holds no images to verify the model on.");
    }
}

/// <summary>What a user can choose about an ONNX model.</summary>
/// <param name="Input">Its pixels.</param>
/// <param name="Score">The score; null for the one that the run was calibrated with, or its method's own.</param>
/// <param name="WithoutThreshold">Whether it gives scores only.</param>
/// <param name="Images">Images to verify it on; null for the run's test set.</param>
/// <param name="Quantisation">Whether its convolutions are computed in whole numbers.</param>
internal sealed record OnnxSettings(PixelType Input, string? Score, bool WithoutThreshold, string? Images, Quantisation Quantisation);

/// <summary>In which numbers the convolutions of an ONNX model are computed.</summary>
internal enum Quantisation
{
    /// <summary>float32.</summary>
    None,

    /// <summary>Weights and activations of eight bits.</summary>
    Int8,
}

/// <summary>An export in eight bits as the user sees it: on which images it was calibrated, and what it loses.</summary>
internal static class QuantisedExport
{
    /// <summary>Quantises a verified model, measures what that loses, and writes model, examples and the measurement.</summary>
    /// <param name="file">The file.</param>
    /// <param name="run">The run, whose images are read.</param>
    /// <param name="float32">The verified model.</param>
    /// <param name="deployed">What it is.</param>
    /// <param name="input">Its pixels.</param>
    /// <param name="verifiedOn">The images that it was verified on.</param>
    /// <returns>The files that were written.</returns>
    public static string[] Write(string file, Pascl.Training.Run run, byte[] float32, DeployedModel deployed, PixelType input, ImageSet verifiedOn)
    {
        foreach (var missing in run.LeaveOutMissingSets())
        {
            Console.WriteLine($"Note: {missing} is not there any more, so what eight bits lose on it is left out.");
        }

        var (images, description) = run.Images.Validation is { } heldOut
            ? (heldOut, "images that the run held out (--validation)")
            : (run.Images.Training, "training images, because the run held none out (--validation)");
        var quantised = OnnxQuantisation.Of(deployed, input, images);
        var squares = OnnxQuantisation.OfSquares(input);
        var exact = squares == input ? float32 : OnnxModel.Create(deployed, squares).ToByteArray();
        var report = QuantisationLoss.Of(exact, deployed, quantised, squares, run.Images, description);
        Console.WriteLine(QuantisationText.Chosen(report));
        QuantisationText.Write(AnsiConsole.Console, report);
        foreach (var sentence in QuantisationText.Sentences(report))
        {
            Console.WriteLine(sentence);
        }

        DurableFile.Replace(file, stream => stream.Write(quantised.Bytes));
        OnnxExamples.Write(OnnxExamples.FileOf(file), quantised, input, verifiedOn);
        DurableFile.Replace(RunFolder.QuantisationOf(file), stream => stream.Write(Encoding.UTF8.GetBytes(report.ToJson())));
        return [file, OnnxExamples.FileOf(file), RunFolder.QuantisationOf(file)];
    }
}
