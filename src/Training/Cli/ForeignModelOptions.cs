using System.CommandLine;
using Pascl.Training.Backbones;
using Pascl.Training.Evaluation;
using Pascl.Training.Intake;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Training.Cli;

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
