using System.Text;
using Google.Protobuf;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Reporting;
using Spectre.Console;

namespace Pascl.Training.Cli;

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
