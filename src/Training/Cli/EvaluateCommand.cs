using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary><c>evaluate</c>: the numbers of a trained run, on its own test sets or on others.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder" };
        var sets = new Option<string[]>("--ood")
        {
            Description = "out-of-distribution test set instead of the run's own, NAME=PATH or PATH; may be repeated",
        };
        var output = new Option<string>("--out")
        {
            Description = "where to write the report; the worst images go beside it; default RUN/report.json, or nothing with --ood",
        };
        var details = new Option<bool>("--details")
        {
            Description = "also print AUPR and FPR95 in the conventions of other papers, detection per shot group, calibration, "
                + "and the tail classes rejected most",
        };
        var command = new Command("evaluate", "Evaluates a trained run on its test set and on out-of-distribution sets.")
        {
            run, sets, output, details,
        };
        command.SetAction(result => TrainingRun.Evaluate(
            result.GetRequiredValue(run),
            [.. (result.GetValue(sets) ?? []).Select(RecipeOptions.ParseNamedPath)],
            result.GetValue(output),
            result.GetValue(details)));
        return command.WithExamples(
            "evaluate runs/oe-1",
            "evaluate runs/oe-1 --details",
            "evaluate runs/oe-1 --ood textures=dtd.tar.gz --ood noise/ --out noise.json");
    }
}
