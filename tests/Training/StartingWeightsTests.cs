using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training;

public sealed class StartingWeightsTests
{
    private TemporaryFolder parent = null!;
    private Recipe recipe = null!;

    [OneTimeSetUp]
    public void TrainNothing()
    {
        parent = new TemporaryFolder();
        var none = TinyTraining.Recipe with
        {
            Representation = TinyTraining.Recipe.Representation with { Epochs = 0 },
            AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0 },
        };
        recipe = none with { StartingRun = TinyTraining.Run(none, parent, "start").Root };
    }

    [OneTimeTearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void a_run_of_the_same_network_and_classes_fits() =>
        Assert.That(() => StartingWeights.Check(recipe, TinyTraining.Data), Throws.Nothing);

    [Test]
    public void another_width_is_refused() => ExpectRefusal(recipe with { Width = 4 }, "resnet18 of width 2", "resnet18 of width 4");

    [Test]
    public void another_classifier_is_refused() => ExpectRefusal(
        MethodDefinition.Find(Method.Cocl).Apply(recipe), $"(pascl) has {Classes} outputs", $"that of cocl has {Classes + 1}");

    [Test]
    public void another_folder_is_refused() => ExpectRefusal(recipe with { StartingRun = "no-such-run" }, "no-such-run", "does not exist");

    [Test]
    public void other_classes_are_refused() => Assert.That(
        () => StartingWeights.Check(recipe, Renamed), Throws.InstanceOf<InputException>().With.Message.Contains("these images have cat, dog"));

    [TestCase("resnet18", "model-main.pth", "linear.bias, linear.weight, projection")]
    [TestCase("resnet18-imagenet", "model-main.pth", "fc.bias, fc.weight, projection")]
    [TestCase("resnet50", "model-main.pth", "fc.bias, fc.weight, projection")]
    [TestCase("resnet18", "model.safetensors", "auxiliary_linear.bias")]
    public void published_weights_decide_the_network_and_fill_both_branches_before_the_features(string kind, string name, string left)
    {
        using var published = SmallNetworks.Create(2, classCount: 7, network: kind);
        var fitted = StartingWeights.WithPretrained(Pretrained(Write(published, name)), []);
        Assert.That((fitted.Network, fitted.Width, fitted.Pretrained.Sha256), Is.EqualTo((kind, 2, fitted.Pretrained.Sha256!)));
        Assert.That(string.Join(' ', StartingWeights.Check(fitted, TinyTraining.Data)), Does.Contain(left).And.Contain("classifier and projection are new"));

        using var network = NetworkDefinition.Find(kind).Create(new NetworkSettings(new NetworkHead(Classes), Width: 2, Seed: 4));
        using var untouched = NetworkDefinition.Find(kind).Create(new NetworkSettings(new NetworkHead(Classes), Width: 2, Seed: 4));
        StartingWeights.Load(fitted, network);
        var (source, before, after) = (SmallNetworks.Bytes(published), SmallNetworks.Bytes(untouched), SmallNetworks.Bytes(network));
        foreach (var (entry, bytes) in after)
        {
            var expected = DualBranchNetwork.IsInHead(entry) && !entry.StartsWith("auxiliary_linear", StringComparison.Ordinal) ? before[entry]
                : entry.StartsWith("auxiliary_linear", StringComparison.Ordinal) ? before[entry["auxiliary_".Length..]]
                : source[entry.Replace(".auxiliary", "", StringComparison.Ordinal)];
            Assert.That(bytes, Is.EqualTo(expected), entry);
        }
    }

    [Test]
    public void weights_without_a_classifier_are_those_of_a_backbone()
    {
        using var published = SmallNetworks.Create(2, network: "resnet50");
        using var scope = torch.NewDisposeScope();
        var path = Path.Combine(parent.Path, "headless.safetensors");
        using (var stream = File.Create(path))
        {
            var state = published.state_dict().Where(entry => AuthorsLayout.IsName(entry.Key) && !DualBranchNetwork.IsInHead(entry.Key));
            SafetensorsFile.Write(stream, state.ToDictionary(entry => $"backbone.{entry.Key}", entry => entry.Value), new Dictionary<string, string>());
        }

        var fitted = StartingWeights.WithPretrained(Pretrained(path), []);
        Assert.That(fitted.Network, Is.EqualTo("resnet50"));
        Assert.That(StartingWeights.Check(fitted, TinyTraining.Data), Has.Some.Contains("Nothing of the file is left."));
    }

    [Test]
    public void an_option_that_names_another_network_than_the_file_is_refused()
    {
        using var published = SmallNetworks.Create(2, network: "resnet50");
        var asked = Pretrained(Write(published, "fifty-main.pth"));
        Assert.That(
            () => StartingWeights.WithPretrained(asked, ["--network"]), Throws.TypeOf<InputException>().With.Message.Contains("is a resnet50 of width 2, not a resnet18"));
    }

    [Test]
    public void weights_that_changed_since_the_recipe_was_made_are_refused()
    {
        using var published = SmallNetworks.Create(2);
        using var other = SmallNetworks.Create(2, seed: 9);
        var fitted = StartingWeights.WithPretrained(Pretrained(Write(published, "changed-main.pth")), []);
        Write(other, "changed-main.pth");
        Assert.That(() => StartingWeights.Check(fitted, TinyTraining.Data), Throws.TypeOf<InputException>().With.Message.Contains("holds other weights than the recipe was made with"));
    }

    [Test]
    public void a_run_and_a_file_cannot_both_be_the_start() => Assert.That(
        (recipe with { Pretrained = new PretrainedRecipe { Path = "a.pth" } }).Validate, Throws.TypeOf<InputException>().With.Message.Contains("--from and --weights"));

    [Test]
    public void a_backbone_that_is_frozen_stays_bit_for_bit_through_the_first_phase()
    {
        using var published = SmallNetworks.Create(2, classCount: 7);
        var fitted = StartingWeights.WithPretrained(Pretrained(Write(published, "frozen-main.pth")), []);
        var run = TinyTraining.Run(
            fitted with { Trained = TrainableParameters.Classifier, Representation = fitted.Representation with { Epochs = 1 } }, parent, "frozen");
        var trained = TinyTraining.Tensors(run);
        var source = SmallNetworks.Bytes(published);
        foreach (var name in source.Keys.Where(name => AuthorsLayout.IsName(name) && !DualBranchNetwork.IsInHead(name) && !name.EndsWith("num_batches_tracked", StringComparison.Ordinal)))
        {
            Assert.That(trained[$"model.{name}"].Order(), Is.EqualTo(source[name].Order()), name);
        }

        Assert.That(trained["model.linear.weight"], Is.Not.EqualTo(source["linear.weight"]));
    }

    private Recipe Pretrained(string path) => recipe with { StartingRun = null, Pretrained = new PretrainedRecipe { Path = path } };

    // The main branch's file of two, or one of both branches.
    private string Write(DualBranchNetwork network, string name)
    {
        var path = Path.Combine(parent.Path, name);
        if (name.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            WeightExport.WriteSafetensors(path, network, new Dictionary<string, string>());
        }
        else
        {
            WeightExport.WriteTorch(path.Replace("-main", "", StringComparison.Ordinal), network);
        }

        return path;
    }

    private static TrainingData Renamed => TinyTraining.Data with
    {
        Training = new ImageSet("renamed", new PixelBlock(2, 8, 8), [0, 1], ["cat", "dog"]),
    };

    private static int Classes => TinyTraining.Data.Training.ClassCount;

    private static void ExpectRefusal(Recipe recipe, params string[] parts)
    {
        var refusal = Assert.Throws<InputException>(() => StartingWeights.Check(recipe, TinyTraining.Data))!;
        foreach (var part in parts)
        {
            Assert.That(refusal.Message, Does.Contain(part));
        }
    }
}
