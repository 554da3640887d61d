using System.CommandLine;
using Pascl.Training.Deployment;

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
        };
        var score = new Option<string>("--score")
        {
            Description = "score of an ONNX model without threshold: " + string.Join(", ", DeployedScore.Names) + ", or the method's own, which is the default",
        };
        var withoutThreshold = new Option<bool>("--without-threshold") { Description = "an ONNX model that gives scores and leaves the decision to its user" };
        var images = new Option<string>("--images")
        {
            Description = "folder or archive of images on which an ONNX model is verified, instead of the run's test set",
        };
        Option[] onnxOnly = [input, score, withoutThreshold, images];
        var command = new Command(
            "export",
            "Writes a trained run for other programs: ONNX with both branches in one graph, verified by ONNX Runtime before the file appears; "
            + "or its weights as safetensors or for PyTorch.")
        {
            run, format, output, input, score, withoutThreshold, images,
        };
        command.SetAction(result =>
        {
            var given = onnxOnly.FirstOrDefault(option => RecipeOptions.WasGiven(result, option));
            if (given is not null && result.GetRequiredValue(format) != ExportFormat.Onnx)
            {
                throw new InputException($"{given.Name} goes with --format onnx; the other formats hold weights alone.");
            }

            return RunExport.Write(
                result.GetRequiredValue(run),
                result.GetRequiredValue(format),
                result.GetValue(output),
                new OnnxSettings(
                    result.GetRequiredValue(input), result.GetValue(score), result.GetValue(withoutThreshold), result.GetValue(images)),
                ConvolutionOption.IsOn(result));
        });
        return command.WithConvolutionCheck().WithExamples(
            "export runs/oe-1 --format onnx",
            "export runs/oe-1 --format onnx --input float --out deployed/model.onnx",
            "export runs/oe-1 --format onnx --without-threshold --score energy",
            "export runs/oe-1 --format pth --out pytorch/model.pth",
            "export runs/oe-1 --format safetensors");
    }
}
