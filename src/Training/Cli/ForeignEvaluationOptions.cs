using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Pascl.Training.Backbones;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Intake;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;
using Pascl.Training.Reporting.Page;
using Spectre.Console;

namespace Pascl.Training.Cli;

/// <summary>The options of <c>evaluate</c> for a model of somebody else's, in the place of a run.</summary>
internal sealed class ForeignEvaluationOptions
{
    private readonly Option<string[]> features = new("--features")
    {
        HelpName = "TRAIN TEST [OOD ...]",
        Description = "evaluate any model from arrays of features, logits and labels, in the place of RUN: those of its training images, of the test images, and of out-of-distribution sets as for "
            + "--ood; .npz, .safetensors, .pt, or folders of .npy (docs/any-model.md)",
        AllowMultipleArgumentsPerToken = true,
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string> classifier = new("--classifier")
    {
        Description = "weights of the classifier that makes logits of the features, (classes, features), where TRAIN does not hold them; several scores need them",
    };

    private readonly Option<string> classes = new("--classes") { Description = "names of the classes, one a line in the order of the labels; default: class 0, class 1, ..." };
    private readonly Option<string> score = new("--score") { Description = "score of the report, its page and its threshold: NAME or NAME:PARAMETER=VALUE; default: msp" };
    private readonly Option<double?> rate = new("--tpr") { Description = "also choose the threshold that accepts this share of in-distribution images, as calibrate does for a run" };
    private readonly Option<string> heldOut = new("--held-out") { Description = "arrays of in-distribution images to choose the threshold on; default: the test images, with a warning" };
    private readonly Option<string> name = new("--name") { Description = "what the model is called in the report and by compare; default: the name of the folder or file of the report" };
    private readonly Option<int?> seed = new("--seed") { Description = "seed of the model's training, so that compare takes several of one --name together; default: 0" };

    private readonly ForeignModelOptions model = new();

    private Option[] Own => [classifier, classes, score, rate, heldOut, name, seed];

    public void AddTo(Command command)
    {
        foreach (var option in Own.Prepend(features).Concat(model.Own.Prepend(model.Model)))
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Whether a model of somebody else's is asked for.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="run">The run that is named; null for none.</param>
    /// <param name="ofRun">Options that only a run has a use for.</param>
    /// <param name="ofImages">Options that a run and a model on images have a use for, and arrays have not.</param>
    /// <exception cref="InputException">Several are asked for, or none, or an option is of another kind.</exception>
    public bool IsAsked(ParseResult result, string? run, Option[] ofRun, Option[] ofImages)
    {
        var (areArrays, isModel) = (RecipeOptions.WasGiven(result, features), RecipeOptions.WasGiven(result, model.Model));
        string[] asked = [.. run is null ? Array.Empty<string>() : [$"the run {run}"], .. areArrays ? [features.Name] : Array.Empty<string>(), .. isModel ? [model.Model.Name] : Array.Empty<string>()];
        if (asked.Length != 1)
        {
            throw new InputException(asked.Length > 1
                ? $"{string.Join(" and ", asked)} are each what to evaluate; give one of them."
                : "evaluate needs to know what to evaluate: a run folder, --features TRAIN TEST OOD... with the features and logits of any model, or --model MODEL.onnx --images ID.");
        }

        var (useless, of) = areArrays ? ([.. ofRun, .. ofImages, .. model.Own], "arrays (--features)")
            : isModel ? ([.. ofRun, classes, heldOut], "a model on images (--model)")
            : ((Option[])[.. Own, .. model.Own], "a run");
        return Array.Find(useless, option => RecipeOptions.WasGiven(result, option)) is { } found
            ? throw new InputException($"{found.Name} has no use for {of}; leave it out.")
            : areArrays || isModel;
    }

    /// <summary>Evaluates.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="sets">Further sets.</param>
    /// <param name="images">Where the images of a model are; of no use to arrays.</param>
    /// <param name="output">Where the results go.</param>
    /// <param name="withDetails">Whether more tables are printed.</param>
    /// <param name="scores">The scores that are compared.</param>
    public int Run(ParseResult result, IReadOnlyList<NamedPath> sets, MovedImages images, EvaluationOutput output, bool withDetails, IReadOnlyList<ScoreSpec> scores)
    {
        if (result.GetValue(rate) is { } share)
        {
            AcceptanceThreshold.CheckRate(share, "--tpr");
        }

        output.RequireTable();
        var files = FilesOf(output);
        var outputs = RecipeOptions.WasGiven(result, model.Model) ? model.Read(result, sets, images, Classifier(result)) : Read(result, sets);
        foreach (var remark in outputs.Remarks)
        {
            Console.WriteLine($"Note: {remark}");
        }

        var evaluation = new ForeignEvaluation(outputs);
        var possible = scores.Count == 0 ? scores : evaluation.Possible(scores, Console.Error.WriteLine);
        var described = new ForeignModel(NameOf(result, files), result.GetValue(seed) ?? 0, ForeignModel.HashOf(outputs.Test.Images.Labels), outputs.Files);
        var (report, perImage, figures) = Report(result, outputs, evaluation, described, possible);
        if (report is not null)
        {
            EvaluationTable.Write(AnsiConsole.Console, report, withDetails);
            WriteThreshold(report, outputs);
        }

        var compared = possible.Count == 0 ? null : evaluation.Compare(possible);
        if (compared is not null)
        {
            ScoreTable.Write(AnsiConsole.Console, compared);
        }

        output.WriteTable(report, compared);
        Write(files, outputs, (report, perImage, figures), compared);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Peak memory: {Process.GetCurrentProcess().PeakWorkingSet64 >> 20:N0} MiB, mapped files included."));
        return ExitCode.Done;
    }

    private ModelOutputs Read(ParseResult result, IReadOnlyList<NamedPath> further)
    {
        var given = result.GetRequiredValue(features);
        if (given.Length < 2)
        {
            throw new InputException($"--features {given[0]} names one set; expected those of the training images and of the test images, and then out-of-distribution sets.");
        }

        NamedPath[] sets = [.. given.Skip(2).Select(RecipeOptions.ParseNamedPath), .. further];
        if (sets.FirstOrDefault(set => set.Root is not null || Data.NoiseSets.IsName(set.Path)) is { } images)
        {
            throw new InputException($"{images.Path} is a set of images, of which there are no features here; name a file of arrays.");
        }

        return ModelOutputs.Of(
            ArraySet.Read("training", given[0]),
            ArraySet.Read("test", given[1]),
            [.. sets.Select(set => (ArraySet.Read(set.Name ?? Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(set.Path)), set.Path), set.Group))],
            result.GetValue(heldOut) is { } held ? ArraySet.Read("held out", held) : null,
            Classifier(result),
            result.GetValue(classes) is { } names ? NamesIn(names) : null);
    }

    private (LinearClassifier Classifier, IReadOnlyList<InputFile> Files)? Classifier(ParseResult result) =>
        result.GetValue(classifier) is { } weights ? ArraySet.ReadClassifier(weights) : null;

    private (EvaluationReport? Report, ImageScores? Images, EvaluationFigures? Figures) Report(
        ParseResult result, ModelOutputs outputs, ForeignEvaluation evaluation, ForeignModel described, IReadOnlyList<ScoreSpec> scores)
    {
        if (!outputs.HasLogits && scores.Count > 0 && result.GetValue(score) is null && result.GetValue(rate) is null)
        {
            Console.WriteLine("Note: without logits images are not classified, so there is no report; --classifier makes logits of the features.");
            return (null, null, null);
        }

        return evaluation.Evaluate(ScoreSpec.Parse(result.GetValue(score) ?? LogitReadout.MaximumSoftmax.ScoreName), described, result.GetValue(rate));
    }

    private static void WriteThreshold(EvaluationReport report, ModelOutputs outputs)
    {
        if (report.Threshold is not { } table)
        {
            return;
        }

        if (outputs.HeldOut is null)
        {
            Console.WriteLine("Warning: the threshold is chosen on the test set: its accepted share is no test of the threshold any more. Name other in-distribution images with --held-out.");
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Threshold: an image is accepted if its {table.Score} score is at most {table.Threshold:R}."));
        Console.WriteLine(AcceptanceText.Expected(table));
        AcceptanceText.Write(AnsiConsole.Console, table);
    }

    private static void Write(
        EvaluationFiles? files, ModelOutputs outputs, (EvaluationReport? Report, ImageScores? Images, EvaluationFigures? Figures) evaluation, ScoreReport? scores)
    {
        if (files is null)
        {
            return;
        }

        if (scores is not null)
        {
            scores.Write(files.Scores);
            Console.WriteLine($"Scores: {files.Scores}");
        }

        if (evaluation is ({ } report, { } perImage, { } figures))
        {
            report.Write(files.Report);
            perImage.Write(files.Images);
            figures.Write(files.Figures);
            byte[]? worst = null;
            if (outputs.Test.Images is Data.ImageSet test)
            {
                ContactSheet.Write(files.Worst, report.Worst, test, [.. outputs.Sets.Select(set => set.Images).OfType<Data.ImageSet>()]);
                worst = File.ReadAllBytes(files.Worst);
            }

            ForeignPage.Write(files.Page, report, figures, scores, worst, DateTimeOffset.Now);
            Console.WriteLine($"Report: {files.Report}");
            Console.WriteLine($"Page: {files.Page}");
        }
    }

    // A folder holds a report.json as that of a run does, so that compare finds it.
    private static EvaluationFiles? FilesOf(EvaluationOutput output)
    {
        if (output.Path is not { } path)
        {
            return null;
        }

        var isFile = path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) && !Directory.Exists(path);
        if (!isFile && File.Exists(path))
        {
            throw new InputException($"{path} is a file; --out names a folder, or a file .json.");
        }

        var files = new EvaluationFiles(isFile ? path : Path.Combine(path, "report.json"));
        OverwriteOption.Require(output.Overwrites, files.Report, files.Page, files.Scores, files.Images, files.Figures, files.Worst);
        if (!isFile)
        {
            try
            {
                Directory.CreateDirectory(path);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new InputException($"{path} could not be created: {DurableFile.Reason(exception)}. Choose another --out.", exception);
            }
        }

        return files;
    }

    private string NameOf(ParseResult result, EvaluationFiles? files)
    {
        var report = files is null ? "" : Path.GetFullPath(files.Report);
        return result.GetValue(name) ?? (files is null ? "model"
            : Path.GetFileName(report) == "report.json" ? Path.GetFileName(Path.GetDirectoryName(report)!)
            : Path.GetFileNameWithoutExtension(report));
    }

    private static string[] NamesIn(string path)
    {
        try
        {
            string[] names = [.. File.ReadAllLines(path).Select(line => line.Trim()).Where(line => line.Length > 0)];
            return names.Length == 0 || names.Distinct().Count() < names.Length
                ? throw new InputException($"{path} holds {(names.Length == 0 ? "no names" : "a name twice")}; expected the names of the classes, one a line, each once.")
                : names;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{path} cannot be read: {exception.Message} A list of the classes' names was expected.", exception);
        }
    }
}

/// <summary>The options of <c>evaluate --model</c>: a published model as an ONNX file, of which features and logits are computed on images.</summary>
internal sealed class ForeignModelOptions
{
    private readonly Option<string> features = new("--features-output") { Description = "output of the model with the features; default: the one that is called so, or the only one beside the logits" };
    private readonly Option<string> logits = new("--logits-output") { Description = "output of the model with the logits; default: the one that is called so, or has as many numbers as there are classes" };

    private readonly RecipeOptions input = new(
        "--image-size", "--skip-broken", "--backbone-input", "--backbone-mean", "--backbone-deviation", "--backbone-channels", "--backbone-range");

    public Option<string> Model { get; } = new("--model")
    {
        HelpName = "MODEL.onnx",
        Description = "evaluate a published model on --images, in the place of RUN: its features, logits or both, read and kept as those of a frozen backbone are",
    };

    public Option[] Own => [features, logits, .. input.All];

    /// <summary>Runs the model.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="sets">The out-of-distribution sets.</param>
    /// <param name="images">Where the in-distribution images are, and where features are kept.</param>
    /// <param name="classifier">Weights that make logits of the features; null for none.</param>
    /// <exception cref="InputException">The model or the images cannot be used.</exception>
    public ModelOutputs Read(
        ParseResult result, IReadOnlyList<NamedPath> sets, MovedImages images, (LinearClassifier Classifier, IReadOnlyList<InputFile> Files)? classifier)
    {
        var path = Path.GetFullPath(result.GetRequiredValue(Model));
        var recipe = Presets.Custom with
        {
            Network = FrozenBackboneDefinition.Instance.Name,
            BackboneRate = 1,
            Backbone = new BackboneSettings { Path = path, Cache = images.FeatureCache is { } cache ? Path.GetFullPath(cache) : null },
            Data = new DataRecipe
            {
                InDistribution = Path.GetFullPath(images.InDistribution
                    ?? throw new InputException("--model needs images: --images ID with training and test images of the classes, or --benchmark NAME=FOLDER.")),
                Root = images.Root is { } root ? Path.GetFullPath(root) : null,
                OutOfDistribution = sets,
                ValidationList = true,
            },
        };
        recipe = input.Apply(result, recipe);
        recipe.Validate();
        return OnnxIntake.Read(recipe, new OutputNames(result.GetValue(features), result.GetValue(logits)), classifier, FeatureLines.Listener());
    }
}
