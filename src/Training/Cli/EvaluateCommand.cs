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
        var output = new Option<string>("--out") { Description = "where to write the report; default RUN/report.json, or nothing with --ood" };
        var command = new Command("evaluate", "Evaluates a trained run on its test set and on out-of-distribution sets.")
        {
            run, sets, output,
        };
        command.SetAction(result => TrainingRun.Evaluate(
            result.GetRequiredValue(run), [.. (result.GetValue(sets) ?? []).Select(RecipeOptions.ParseNamedPath)], result.GetValue(output)));
        return command.WithExamples("evaluate runs/oe-1", "evaluate runs/oe-1 --ood textures=dtd.tar.gz --ood noise/ --out noise.json");
    }
}
