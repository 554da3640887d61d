using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary><c>calibrate</c>: the threshold of the deployed model.</summary>
internal static class CalibrateCommand
{
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder" };
        var rate = new Option<double>("--tpr")
        {
            Description = "share of in-distribution images to accept, above 0 and at most 1",
            DefaultValueFactory = _ => 0.95,
        };
        var score = new Option<string>("--score")
        {
            Description = "out-of-distribution score: one of an image's logits, NAME or NAME:PARAMETER=VALUE with "
                + string.Join(", ", Evaluation.Scores.ScoreKinds.OfLogits.Select(kind => kind.Name)) + "; default: the method's own",
        };
        var images = new Option<string>("--id")
        {
            Description = "in-distribution images that the run was not trained on; default: the images it held out with --validation, "
                + "else its test set, with a warning",
        };
        var command = new Command(
            "calibrate",
            "Chooses the threshold on the out-of-distribution score that accepts a given share of held-out in-distribution images, "
            + "stores it in the checkpoint, and shows what it accepts and rejects.")
        {
            run, rate, score, images,
        };
        command.SetAction(result => RunCalibration.Run(
            result.GetRequiredValue(run), result.GetRequiredValue(rate), result.GetValue(score), result.GetValue(images), ConvolutionOption.IsOn(result)));
        return command.WithConvolutionCheck().WithExamples(
            "calibrate runs/oe-1", "calibrate runs/oe-1 --tpr 0.98 --score energy", "calibrate runs/oe-1 --id photos-of-this-year");
    }
}
