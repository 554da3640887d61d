using System.CommandLine;

namespace Pascl.Training.Cli;

/// <summary><c>import</c>: weights that were trained elsewhere as a run folder.</summary>
internal static class ImportCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "the first phase's weights: a file of torch.save or safetensors" };
        var auxiliary = new Option<string>("--auxiliary")
        {
            Description = "the finetuned weights (second phase); without it the auxiliary branch starts as a copy of the main branch",
        };
        var classifier = new Option<string>("--classifier") { Description = "classifier of the finetuned file that has both linear and aux_linear" };
        classifier.AcceptOnlyFromAmong("linear", "aux_linear");
        var output = new Option<string>("--out") { Description = "run folder; default ./runs/<date>-<preset>" };
        var source = new RecipeSource();
        var command = new Command(
            "import",
            "Makes a run folder of weights trained elsewhere, such as the authors' checkpoints. Classes, counts and test sets come from the same options "
            + "as for training; depth and width from the file. Files are read without running anything in them.")
        {
            file,
        };
        source.AddTo(command, auxiliary, classifier, output);
        command.SetAction(result => RunImport.Read(
            source.Read(result),
            [.. source.Given(result)],
            new ImportedPaths(result.GetRequiredValue(file), result.GetValue(auxiliary), result.GetValue(classifier)),
            result.GetValue(output),
            ConvolutionOption.IsOn(result)));
        return command.WithConvolutionCheck().WithExamples(
            "import latest.pth --auxiliary best_clean_acc.pth --preset cifar10-lt-paper --data DATA --out runs/authors",
            "import latest.pth --id photos --ood textures=dtd --method ce",
            "import model.safetensors --recipe runs/oe-1/recipe.json");
    }
}
