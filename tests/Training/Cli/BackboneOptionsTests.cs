using Pascl.Tests.Training.Backbones;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Backbones;
using Pascl.Training.Cli;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Cli;

/// <summary>A frozen backbone on the command line.</summary>
public sealed class BackboneOptionsTests
{
    private TemporaryFolder folder = null!;

    private string Model => Path.Combine(folder.Path, "model.onnx");

    [SetUp]
    public void Prepare()
    {
        OnnxLibrary.Require();
        folder = new TemporaryFolder();
        TinyBackbone.Quarters(Model);
    }

    [TearDown]
    public void Delete() => folder?.Dispose();

    [Test]
    public void options_change_the_recipe_and_its_file_repeats_them()
    {
        var recipe = MethodOptionsTests.Read(
            $"--preset quickstart --backbone {Model} --backbone-output features --backbone-input clip --backbone-mean 1 2 3 --backbone-deviation 4 5 6 "
            + $"--backbone-channels bgr --backbone-range bytes --backbone-views 7 --feature-cache {folder.Path}");
        var written = RecipeFile.Write(recipe);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(recipe.Network, Is.EqualTo("frozen-backbone"));
            Assert.That(RecipeFile.Write(RecipeFile.Parse(written, "recipe.json")), Is.EqualTo(written));
            Assert.That(recipe.Backbone.Mean.Concat(recipe.Backbone.StandardDeviation), Is.EqualTo(Enumerable.Range(1, 6)));
            Assert.That(
                (recipe.Backbone.Output, recipe.Backbone.Input, recipe.Backbone.Channels, recipe.Backbone.Range, recipe.Backbone.Views, recipe.Backbone.Cache),
                Is.EqualTo(("features", BackboneInput.Clip, ChannelOrder.Bgr, PixelRange.Bytes, 7, folder.Path)));
        }
    }

    [Test]
    public void a_recipe_of_a_version_without_backbones_is_read()
    {
        var written = RecipeFile.Write(Presets.Custom);
        var start = written.IndexOf("\"backbone\": {", StringComparison.Ordinal);
        var earlier = written.Remove(start, written.IndexOf("},", start, StringComparison.Ordinal) + 2 - start);
        Assert.That(earlier, Does.Not.Contain("\"backbone\""));
        Assert.That(RecipeFile.Write(RecipeFile.Parse(earlier, "recipe.json")), Is.EqualTo(written));
    }

    [TestCase("--backbone MODEL --network resnet18", "--backbone is a network of its own: leave --network and --depth out.")]
    [TestCase("--network frozen-backbone", "The network frozen-backbone is trained on the features of a published model: name it with --backbone MODEL.onnx.")]
    [TestCase("--backbone-views 3", "--backbone-views belongs to --backbone, but the network is resnet18.")]
    [TestCase("--backbone MODEL --outliers none", "The method pascl without outlier images (--outliers none) mixes the pixels of images in every step, but the features of a frozen backbone are computed before; choose --virtual-outliers annulus or another --method.")]
    [TestCase("--backbone MODEL --method eat", "The method eat mixes the pixels of images in every step, but the features of a frozen backbone are computed before; choose another --method.")]
    [TestCase("--backbone MODEL --precision bf16", "What is trained on a frozen backbone computes in float32; leave --precision out.")]
    [TestCase("--backbone MODEL --backbone-mean 1 2", "The mean of the backbone's input is 1 2; it must be three finite numbers.")]
    [TestCase("--backbone MODEL --backbone-deviation 1 0 1", "The standard deviation of the backbone's input is 1 0 1; it must be three numbers above 0.")]
    [TestCase("--backbone MODEL --backbone-views 0", "The number of the backbone's views is 0; it must be between 1 and 1000.")]
    public void options_that_do_not_fit_are_refused_in_a_sentence(string options, string sentence) => Assert.That(
        () => MethodOptionsTests.Read("--preset quickstart " + options.Replace("MODEL", Model, StringComparison.Ordinal)),
        Throws.TypeOf<InputException>().With.Message.EqualTo(sentence));

    [Test]
    public void what_is_wrong_with_a_model_is_said_before_anything_is_written()
    {
        var output = Path.Combine(folder.Path, "run");
        using (Assert.EnterMultipleScope())
        {
            Refused($"train --preset quickstart --backbone {folder.Path}/other.onnx --out {output}", $"The backbone {folder.Path}/other.onnx cannot be read:");
            Refused($"train --preset quickstart --backbone {Model} --image-size 32 --out {output}", "takes images of 8 x 8 pixels alone, but 32 are asked for");
            Refused($"train --preset quickstart --backbone {Model} --backbone-output pooled --out {output}", "has no output pooled; it has features.");
            folder.Write("cache", "a file");
            Refused($"train --preset quickstart --backbone {Model} --feature-cache {folder.Path}/cache --out {output}", $"cannot be kept in {folder.Path}/cache:");
        }
    }

    [Test]
    public void commands_take_a_run_whose_backbone_has_moved_and_refuse_another()
    {
        var recipe = BackboneFeatures.Resolve(TinyTraining.Recipe with { Network = "frozen-backbone", Backbone = TinyBackbone.Settings(Model) });
        using (var network = new FrozenBackboneNetwork(new NetworkSettings(new NetworkHead(DeployedRun.ClassNames.Count), 2) { Backbone = recipe.Backbone }))
        {
            DeployedRun.Write(folder, "run", recipe, network, new("msp", 0.95, 0.5, 10));
        }

        var root = Path.Combine(folder.Path, "run");
        var other = TinyBackbone.Scaled(Path.Combine(folder.Path, "other.onnx"), 2);
        var image = folder.Write("image.png", Pascl.Tests.Training.Data.Formats.TestImages.Png(8, 8, new byte[8 * 8 * 3]));
        var here = InProcess.Run($"score {root} {image}");
        File.Move(Model, Path.Combine(folder.Path, "moved.onnx"));
        var moved = InProcess.Run($"score {root} {image} --backbone {folder.Path}/moved.onnx");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((here.Code, here.Error), Is.EqualTo((0, "")));
            Assert.That(moved, Is.EqualTo(here));
            Refused($"score {root} {image}", $"The backbone of the run in {root} is not there: {Model}.");
            foreach (var command in (string[])["score", "serve", "export --format onnx", "evaluate", "calibrate", "train --resume"])
            {
                Refused($"{command} {root} {(command == "score" ? image + " " : "")}--backbone {other}", $"The backbone {other} is another model than the run was trained on:");
            }

            Refused($"evaluate {root} --scores odin --backbone {folder.Path}/moved.onnx", "The scores odin change the pixels along their gradient");
        }
    }

    private static void Refused(string line, string words)
    {
        var (code, error) = InProcess.Refused(line);
        Assert.That((code, error), Is.EqualTo((ExitCode.BadInput, error)), line);
        Assert.That(error, Does.Contain(words).And.Not.Contain("defect"), line);
    }
}
