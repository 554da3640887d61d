using System.CommandLine;
using System.Text;
using Pascl.Training.Deployment;

namespace Pascl.Training.Cli;

/// <summary><c>score</c>: what a trained run says about images, one JSON object per line.</summary>
internal static class ScoreCommand
{
    public static Command Create()
    {
        var run = new Argument<string>("RUN") { Description = "run folder" };
        var paths = new Argument<string[]>("PATH")
        {
            Description = "images, folders, archives (.tar, .tar.gz, .tgz), folders inside archives (ARCHIVE/inner/folder), or patterns with *, ? and **",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var fromInput = new Option<bool>("--stdin") { Description = "also read paths from standard input, one per line" };
        var command = new Command(
            "score",
            "Writes one line of JSON for each image: source, class, probability of the class, out-of-distribution score, and whether the score is at most "
            + "the run's threshold. An image that cannot be read has an error instead, and the others are still scored. "
            + "Exit code 0 if every image was scored, 1 if one was not, 2 if the run cannot be used.")
        {
            run, paths, fromInput,
        };
        command.SetAction(result => Run(result.GetRequiredValue(run), result.GetValue(paths) ?? [], result.GetValue(fromInput), BackboneOption.File(result), ConvolutionOption.IsOn(result), EngineOption.Of(result)));
        return command.WithEngine().WithBackbone().WithConvolutionCheck().WithExamples(
            "score runs/oe-1 photo.jpg",
            "score runs/oe-1 photos archive.tar.gz downloads.tar/photos 'more/**/*.png'",
            "score runs/oe-1 --stdin");
    }

    private static int Run(string path, string[] paths, bool fromInput, string? backbone, bool checksConvolutions, ScoringEngine engine)
    {
        if (paths.Length == 0 && !fromInput)
        {
            throw new InputException("There is nothing to score: name images, folders, archives or patterns, or give their paths on standard input with --stdin.");
        }

        using var model = ScoringModel.Open(path, Environment.ProcessorCount, backbone);
        model.WarnWithoutThreshold(Console.Error);
        ConvolutionOption.Warn(checksConvolutions ? model.CheckConvolutions(ScoringPipeline.BatchSize(model)) : null);
        using var inputs = new CountedInputs(ImageInputs.Of(fromInput ? paths.Concat(Lines(Console.In)) : paths));

        // From standard input any number may come, and whoever writes them may wait for the answers to the first.
        var isChosen = engine != ScoringEngine.Auto || fromInput || inputs.Has(ScoringPipeline.WorthMeasuring(model));
        if (isChosen && model.Use(engine, ScoringPipeline.BatchSize(model)) is { } sentence)
        {
            Console.Error.WriteLine(sentence);
        }

        var (text, failed) = (new StringBuilder(), false);
        foreach (var images in ScoringPipeline.Run(model, inputs))
        {
            ScoredImageJson.AppendLines(text.Clear(), images);
            Console.Out.Write(text);
            failed |= images.Any(image => image.Error is not null);
        }

        return failed ? ExitCode.CheckFailed : ExitCode.Done;
    }

    private static IEnumerable<string> Lines(TextReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0)
            {
                yield return line;
            }
        }
    }
}
