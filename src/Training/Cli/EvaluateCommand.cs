using System.CommandLine;
using System.Text;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Ranks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;

namespace Pascl.Training.Cli;

/// <summary><c>evaluate</c>: the numbers of a trained run, on its own test sets or on others.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var run = new Argument<string?>("RUN") { Description = "run folder; none with --features", Arity = ArgumentArity.ZeroOrOne };
        var foreign = new ForeignEvaluationOptions();
        var sets = new Option<string[]>("--ood")
        {
            Description = RecipeOptions.OutOfDistributionHelp + ", instead of the run's own",
        };
        var output = new Option<string>("--out")
        {
            Description = "file or existing folder for the report; page, figures, worst images and scores go beside it; "
                + "default RUN/report.json, or nothing with --ood or --features",
        };
        var csv = new Option<string>("--csv")
        {
            Description = "also write the table of OpenOOD v1.5: FPR@95, AUROC, AUPR_IN, AUPR_OUT, ACC; full spectrum and compared scores go beside it",
        };
        var scores = new Option<string>("--scores")
        {
            HelpName = "all|name,name",
            Description = "also compare out-of-distribution scores: all, or NAME or NAME:PARAMETER=VALUE with commas between; scores: "
                + string.Join(", ", ScoreSpec.All.Select(score => score.Name)),
        };
        var inDistribution = new Option<string>("--id", "--images") { Description = "where the run's in-distribution images are now, if they moved; the images of --model" };
        var benchmark = new Option<string>("--benchmark")
        {
            HelpName = "NAME=FOLDER",
            Description = "the near, far and covariate-shifted sets of a benchmark of OpenOOD v1.5 in the folder of its data, and with --model its in-distribution images: "
                + string.Join(", ", OpenOodBenchmark.All.Select(known => known.Name)),
        };
        var root = new Option<string>("--root") { Description = "where the images of the run's lists are now, if they moved, or those of lists named by --ood" };
        var data = new Option<string>("--data") { Description = "where the folder with all images of the run's preset is now, if it moved" };
        var details = new Option<bool>("--details")
        {
            Description = "also print AUPR and FPR95 in the conventions of other papers, detection per shot group, calibration, "
                + "and the tail classes rejected most",
        };
        var command = new Command("evaluate", "Evaluates a trained run, or any model from its features and logits, on its test set and on out-of-distribution sets.")
        {
            run, sets, benchmark, output, csv, details, scores, inDistribution, root, data,
        };
        foreign.AddTo(command);
        var force = OverwriteOption.AddTo(command);
        command.SetAction(result =>
        {
            NamedPath[] named = [.. (result.GetValue(sets) ?? []).Select(RecipeOptions.ParseNamedPath)];
            var written = new EvaluationOutput(result.GetValue(output), result.GetValue(csv), result.GetValue(force));
            var withDetails = result.GetValue(details);
            var compared = result.GetValue(scores) is { } list ? ScoreSpec.ParseList(list) : [];
            var isForeign = foreign.IsAsked(
                result, result.GetValue(run), [data, BackboneOption.FileOption, ConvolutionOption.Option], [inDistribution, root, benchmark, BackboneOption.CacheOption]);
            var images = new MovedImages(result.GetValue(inDistribution), Folder: result.GetValue(data), Root: result.GetValue(root))
            {
                Backbone = BackboneOption.File(result),
                FeatureCache = BackboneOption.Cache(result),
            };
            if (result.GetValue(benchmark) is { } text)
            {
                var (known, folder) = OpenOodBenchmark.Parse(text);
                named = [.. known.In(folder, sentence => Console.WriteLine($"Note: {sentence}")), .. named];
                if (isForeign && images.InDistribution is null)
                {
                    var (training, below) = known.InDistribution(folder);
                    images = images with { InDistribution = training, Root = below };
                }
            }

            if (isForeign && !ProcessGroup.Current.IsAlone)
            {
                throw new InputException("Only a run is evaluated by several ranks; give --features and --model to one process, without mpirun or srun.");
            }

            return isForeign
                ? foreign.Run(result, named, images, written, withDetails, compared)
                : TrainingRun.Evaluate(
                    result.GetRequiredValue(run)!, images with { OutOfDistribution = named }, written, withDetails, compared, ConvolutionOption.IsOn(result));
        });
        return command.WithBackbone(hasCache: true).WithConvolutionCheck().WithRanks().WithExamples(
            "evaluate runs/oe-1",
            "evaluate runs/oe-1 --details",
            "evaluate runs/oe-1 --scores all",
            "evaluate runs/oe-1 --scores msp,energy:temperature=2,knn:k=5 --ood noise:gaussian --ood noise:blobs",
            "evaluate runs/oe-1 --ood textures=dtd.tar.gz --ood noise/ --out noise.json",
            "evaluate runs/oe-1 --ood near:cifar100=cifar100 --ood far:svhn=svhn.tar --ood shift:sketches=sketches --csv ood.csv",
            "evaluate runs/oe-1 --benchmark cifar10=openood/data --scores all --csv ood.csv",
            "evaluate --features train.npz test.npz near:cifar100=cifar100.npz far:svhn=svhn.npz --scores all --out resnet50",
            "evaluate --features train.npz test.npz svhn.npz --classifier fc.safetensors --score vim --tpr 0.95 --held-out val.npz --out resnet50",
            "evaluate --model dinov2.onnx --images photos --ood near:others=other-photos --ood far:textures=dtd --backbone-input dinov2 --scores knn,rmds --out dinov2");
    }
}

/// <summary>Where the results of an evaluation go.</summary>
/// <param name="Path">The file of the report, or a folder for it; null for the usual place.</param>
/// <param name="Csv">The file for OpenOOD's table; null for none.</param>
/// <param name="Overwrites">Whether files there may be written over.</param>
internal sealed record EvaluationOutput(string? Path, string? Csv, bool Overwrites)
{
    /// <summary>Refuses the table where it cannot go, before anything is computed.</summary>
    /// <exception cref="InputException">It is a folder, or a file that may not be written over.</exception>
    public void RequireTable()
    {
        if (Csv is not null)
        {
            if (Directory.Exists(Csv))
            {
                throw new InputException($"{Csv} is a folder; --csv names a file, such as {System.IO.Path.Combine(Csv, "ood.csv")}.");
            }

            OverwriteOption.Require(Overwrites, [Csv], "--csv");
        }
    }

    /// <summary>Writes OpenOOD's table, where it was asked for.</summary>
    /// <exception cref="InputException">One of its files exists and may not be written over, or cannot be written.</exception>
    public void WriteTable(EvaluationReport? report, ScoreReport? scores)
    {
        if (Csv is null)
        {
            return;
        }

        var tables = OpenOodCsv.Files(Csv, report, scores);
        OverwriteOption.Require(Overwrites, tables.Select(table => table.Path), "--csv");
        foreach (var (path, text) in tables)
        {
            DurableFile.Replace(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        }

        Console.WriteLine($"Table: {tables[0].Path}{(tables.Count > 1 ? $", and {tables.Count - 1} beside it by the names of the scores" : "")}");
    }
}
