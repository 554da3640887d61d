using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Methods;
using Pascl.Training.Recipes;

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
