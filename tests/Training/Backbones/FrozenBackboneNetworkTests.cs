using Pascl.Tests.Training.Deployment;
using Pascl.Tests.Training.Evaluation;
using Pascl.Training;
using Pascl.Training.Backbones;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training.Backbones;

/// <summary>Whole runs on a frozen backbone, and what leaves them.</summary>
public sealed class FrozenBackboneNetworkTests
{
    private TemporaryFolder folder = null!;
    private Recipe recipe = null!;

    private string Model => Path.Combine(folder.Path, "model.onnx");

    [SetUp]
    public void Prepare()
    {
        OnnxLibrary.Require();
        folder = new TemporaryFolder();
        TinyBackbone.Quarters(Model, 17, 1, 3, TinyBackbone.Size, TinyBackbone.Size);
        recipe = BackboneFeatures.Resolve(TinyTraining.Recipe with
        {
            Network = "frozen-backbone",
            Backbone = TinyBackbone.Settings(Model) with { Views = 3, Cache = Path.Combine(folder.Path, "cache") },
        });
    }

    [TearDown]
    public void Delete() => folder?.Dispose();

    [Test]
    public void the_file_fills_in_what_a_recipe_leaves_open()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(recipe.Backbone.ImageSize, Is.EqualTo(TinyBackbone.Size));
            Assert.That(recipe.Backbone.Output, Is.EqualTo("features"));
            Assert.That(recipe.Backbone.Sha256, Has.Length.EqualTo(64));
            Assert.That(RecipeFile.Parse(RecipeFile.Write(recipe), "recipe.json").Backbone.Sha256, Is.EqualTo(recipe.Backbone.Sha256));
        }
    }

    [TestCase(Method.CrossEntropy)]
    [TestCase(Method.OutlierExposure)]
    [TestCase(Method.Pascl)]
    [TestCase(Method.EnergyOutlierExposure)]
    [TestCase(Method.Cocl)]
    [TestCase(Method.Tscl)]
    [TestCase(Method.Patt)]
    public void methods_train_on_features_and_the_images_give_the_same_predictions_as_the_features(string method)
    {
        recipe = MethodDefinition.Change(recipe, method);
        var data = WithFeatures(trains: true);
        var run = Train("run", data, recipe);
        using var opened = Run.Open(run.Root);
        var (test, plain) = (data.Test, TinyTraining.Few.Test);
        Assert.That((test.Features is null, plain.Features is null), Is.EqualTo((false, true)));
        var (fromFeatures, fromImages) = (Predictions.Of(opened.Network, test), Predictions.Of(opened.Network, plain));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(fromImages.Main.Values(), Is.EqualTo(fromFeatures.Main.Values()));
            Assert.That(fromImages.Auxiliary.Values(), Is.EqualTo(fromFeatures.Auxiliary.Values()));
            Assert.That(History(run), Is.All.Matches<EpochRecord>(epoch => epoch.Losses.Values.All(double.IsFinite)));
        }
    }

    [Test]
    public void what_the_features_tell_is_learnt_by_both_branches()
    {
        var names = new[] { "red", "green", "blue" };
        // Which channel is brightest stays so in every view; how bright it is does not, because a crop at 8 pixels has a black border that is a good part of a quarter.
        var data = new TrainingData(Coloured(60, seed: 1), null, Coloured(25, seed: 2), null, [], []);
        recipe = MethodDefinition.Change(recipe, Method.CrossEntropy) with { ChangesColours = false, Width = 4, Representation = recipe.Representation with { Epochs = 10 } };
        using var backbone = FrozenBackbone.Open(recipe.Backbone);
        var run = Train("run", BackboneFeatures.Attach(recipe, data, backbone, trains: true, FeatureListener.Nobody), recipe);
        using var opened = Run.Open(run.Root);
        var predictions = Predictions.Of(opened.Network, data.Test);
        using (Assert.EnterMultipleScope())
        {
            foreach (var branch in Enum.GetValues<Branch>())
            {
                var right = predictions[branch].Classes().Zip(data.Test.Labels.ToArray()).Count(pair => pair.First == pair.Second);
                Assert.That(right, Is.GreaterThanOrEqualTo(0.95 * data.Test.Count), $"{branch}");
            }
        }

        ImageSet Coloured(int perClass, int seed)
        {
            var random = new Random(seed);
            int[] labels = [.. Enumerable.Range(0, perClass * names.Length).Select(i => i % names.Length)];
            var pixels = new PixelBlock(labels.Length, TinyBackbone.Size, TinyBackbone.Size);
            for (var i = 0; i < labels.Length; i++)
            {
                var image = pixels.Writable(i);
                for (var place = 0; place < image.Length; place++)
                {
                    image[place] = (byte)(random.Next(120) + (place % PixelBlock.Channels == labels[i] ? 100 : 40));
                }
            }

            return new ImageSet("coloured", pixels, labels, names);
        }
    }

    [Test]
    public void the_same_seed_gives_the_same_bits_for_any_number_of_data_threads_and_when_interrupted()
    {
        var data = WithFeatures(trains: true);
        var first = TinyTraining.Tensors(Train("first", data, recipe with { DataThreads = 1 }));
        Assert.That(TinyTraining.Tensors(Train("threads", data, recipe with { DataThreads = 3 })), Is.EqualTo(first));

        var stopped = RunFolder.Create(recipe.Preset, Path.Combine(folder.Path, "stopped"));
        using (stopped)
        {
            using var stop = new CancellationTokenSource();
            using var trainer = new Trainer(recipe, data, stopped);
            stopped.WriteRecipe(RecipeFile.Write(trainer.Recipe));
            Assert.That(() => trainer.Run(new StopAt(stop), stop.Token), Throws.InstanceOf<OperationCanceledException>());
        }

        using (var again = RunFolder.Resume(stopped.Root))
        {
            using var run = Run.Open(again);
            using var trainer = new Trainer(run.Recipe, WithFeatures(trains: true), again);
            trainer.Resume(run);
            trainer.Run();
        }

        Assert.That(TinyTraining.Tensors(stopped), Is.EqualTo(first));
    }

    [Test]
    public void only_what_stands_on_the_backbone_is_trained_and_the_second_phase_trains_the_other_branch()
    {
        using var network = Create();
        string[] Names(TrainableParameters which, Branch branch) => [.. network.MakeTrainable(which, branch).Select(parameter => parameter.Name)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                Names(TrainableParameters.All, Branch.Main),
                Is.EquivalentTo(
                [
                    "normalisation.weight", "normalisation.bias", "adapter.weight", "adapter_normalisation.weight", "adapter_normalisation.bias", "linear.weight", "linear.bias",
                    "projection.0.weight", "projection.0.bias", "projection.2.weight", "projection.2.bias",
                ]));
            Assert.That(
                Names(TrainableParameters.BatchNormAndClassifier, Branch.Auxiliary),
                Is.EquivalentTo(
                [
                    "normalisation.auxiliary.weight", "normalisation.auxiliary.bias", "adapter_normalisation.auxiliary.weight", "adapter_normalisation.auxiliary.bias",
                    "auxiliary_linear.weight", "auxiliary_linear.bias",
                ]));
        }
    }

    [Test]
    public void images_of_another_size_are_refused()
    {
        using var network = Create();
        using var images = torch.zeros(2, 3, 16, 16);
        Assert.That(
            () => network.Predict(images),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                $"The images are 16x16 pixels, but the backbone {Model} takes 8x8; read them with --image-size 8."));
    }

    [Test]
    public void a_run_is_opened_with_its_backbone_in_its_folder_or_where_it_is_named_and_with_no_other()
    {
        var root = Deployed("run");
        var elsewhere = Path.Combine(folder.Path, "elsewhere.onnx");
        using (var run = Run.Open(root))
        {
            Assert.That(((FrozenBackboneNetwork)run.Network).Backbone.Path, Is.EqualTo(Model));
        }

        File.Move(Model, elsewhere);
        Assert.That(
            () => Run.Open(root),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                $"The backbone of the run in {root} is not there: {Model}. Say where it is now with --backbone, or put it into the run folder."));
        using (var run = Run.OpenDeployed(RunFolder.Open(root), elsewhere))
        {
            Assert.That(((FrozenBackboneNetwork)run.Network).Backbone.Path, Is.EqualTo(elsewhere));
        }

        File.Move(elsewhere, Path.Combine(root, "model.onnx"));
        using (var run = Run.Open(root))
        {
            Assert.That(((FrozenBackboneNetwork)run.Network).Backbone.Path, Is.EqualTo(Path.Combine(root, "model.onnx")));
        }

        TinyBackbone.Scaled(Path.Combine(root, "model.onnx"), 2);
        using (var run = Run.Open(root))
        {
            Assert.That(() => run.Network, Throws.TypeOf<InputException>().With.Message.Contains($"but that of the run's is {recipe.Backbone.Sha256}."));
        }

        var whole = DeployedRun.Write(folder, "whole");
        Assert.That(
            () => Run.OpenDeployed(RunFolder.Open(whole), elsewhere),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                $"The run in {whole} was trained without a frozen backbone, so it has no use for {elsewhere}; leave that out."));
    }

    [Test]
    public void a_detector_gives_an_image_the_same_score_alone_and_among_others_and_at_another_size_of_file()
    {
        var root = Deployed("run", new ScoreThreshold("msp", 0.95, 0.5, 100));
        using var detector = Detector.Open(root, threads: 2, backbone: Model);
        var files = Enumerable.Range(1, 5).Select(i =>
        {
            var colours = new byte[24 * 16 * 3];
            new Random(i).NextBytes(colours);
            return (ReadOnlyMemory<byte>)Pascl.Tests.Training.Data.Formats.TestImages.Png(24, 16, colours);
        }).ToArray();
        var together = detector.Score(files);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(detector.Model.ImageSize, Is.EqualTo(TinyBackbone.Size));
            for (var i = 0; i < files.Length; i++)
            {
                var alone = detector.Score(files[i].Span);
                Assert.That(alone.Score, Is.EqualTo(together[i].Score).Within(1e-6));
                Assert.That(alone.Accepted, Is.EqualTo(alone.Score <= 0.5));
            }
        }
    }

    [TestCase(8)]
    [TestCase(13)]
    [TestCase(17)]
    [TestCase(18)]
    [TestCase(21)]
    public void an_export_holds_backbone_and_head_and_agrees_with_torch_in_every_version_of_the_operators(int operatorSet)
    {
        TinyBackbone.Quarters(Model, operatorSet, 1, 3, TinyBackbone.Size, TinyBackbone.Size);
        Verify(recipe.Backbone with { Sha256 = null, Range = PixelRange.Bytes, Channels = ChannelOrder.Bgr, Mean = [103, 116, 123], StandardDeviation = [60, 61, 62] });
    }

    [TestCase("tokens")]
    [TestCase("map")]
    [TestCase("last")]
    [TestCase("names")]
    public void an_export_agrees_for_every_kind_of_backbone(string kind)
    {
        _ = kind switch
        {
            "tokens" => TinyBackbone.Tokens(Model),
            "map" => TinyBackbone.Map(Model),
            "last" => TinyBackbone.ChannelsLast(Model),

            // The exported graph has outputs of these names itself.
            _ => TinyBackbone.TwoOutputs(Model, OnnxModel.Logits, OnnxModel.Score),
        };
        Verify(recipe.Backbone with { Sha256 = null, Output = kind == "names" ? OnnxModel.Logits : null });
    }

    [Test]
    public void a_backbone_that_holds_one_image_inside_is_trained_on_and_not_exported()
    {
        TinyBackbone.OneImageInside(Model);
        var file = Path.Combine(folder.Path, "deployed.onnx");
        using var network = Create(recipe.Backbone with { Sha256 = null });
        Assert.That(
            () => OnnxExport.Write(file, Describe(network), PixelType.UInt8, TinyTraining.Few.Test),
            Throws.TypeOf<InputException>().With.Message.Contains("Export the backbone with a batch of any size. Nothing was written."));
        Assert.That(file, Does.Not.Exist);
    }

    [Test]
    public void it_is_scored_as_it_is_and_not_quantised()
    {
        TinyBackbone.OneImageInside(Model);
        using var network = Create(recipe.Backbone with { Sha256 = null });
        Assert.That(OnnxEngine.WhyNot(network), Is.EqualTo("its frozen backbone is run by ONNX Runtime already"));
        Assert.That(() => OnnxQuantisation.Require(network), Throws.TypeOf<InputException>().With.Message.Contains($"stands on the frozen backbone {Model}").And.Message.Contains("--quantise"));
    }

    private static IReadOnlyList<EpochRecord> History(RunFolder run) => TinyTraining.History(run);

    private static DeployedModel Describe(FrozenBackboneNetwork network) => new(
        network, DeployedRun.ClassNames, TinyBackbone.Size, ImageGeometry.SmallImages, OodScore.OfDeployed("energy", Readout.Of(network), DeployedRun.TrainingCounts), new ScoreThreshold("energy", 0.95, -1, 10));

    private void Verify(BackboneSettings settings)
    {
        var file = Path.Combine(folder.Path, "deployed.onnx");
        using var network = Create(settings);
        foreach (var input in Enum.GetValues<PixelType>())
        {
            var agreement = OnnxExport.Write(file, Describe(network), input, TinyTraining.Few.Test);
            var drawn = input == PixelType.Picture ? 5 : 0;
            Assert.That((agreement.Images, agreement.Holds), Is.EqualTo((TinyTraining.Few.Test.Count + drawn, true)), $"{agreement}");
        }

        using var session = new OnnxSession(File.ReadAllBytes(file));
        Assert.That(session.Metadata["backbone"], Is.EqualTo(network.Backbone.Sha256));
    }

    // With statistics and weights by which the branches differ.
    private FrozenBackboneNetwork Create(BackboneSettings? settings = null)
    {
        var network = new FrozenBackboneNetwork(
            new NetworkSettings(new NetworkHead(DeployedRun.ClassNames.Count), Width: 2, Seed: 3) { Backbone = settings ?? recipe.Backbone });
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        using var generator = new torch.Generator(5);
        foreach (var (name, tensor) in network.state_dict())
        {
            if (name.Contains("normalisation", StringComparison.Ordinal) && tensor.is_floating_point())
            {
                tensor.copy_(torch.rand(tensor.shape, generator: generator) + 0.5);
            }
        }

        return network;
    }

    private string Deployed(string name, ScoreThreshold? threshold = null)
    {
        using var network = Create();
        DeployedRun.Write(folder, name, recipe with { Width = 2 }, network, threshold);
        return Path.Combine(folder.Path, name);
    }

    private TrainingData WithFeatures(bool trains)
    {
        using var backbone = FrozenBackbone.Open(recipe.Backbone);
        return BackboneFeatures.Attach(recipe, TinyTraining.Few, backbone, trains, FeatureListener.Nobody);
    }

    private RunFolder Train(string name, TrainingData data, Recipe trained)
    {
        var run = RunFolder.Create(trained.Preset, Path.Combine(folder.Path, name));
        using (run)
        {
            using var trainer = new Trainer(trained, data, run);
            run.WriteRecipe(RecipeFile.Write(trainer.Recipe));
            trainer.Run();
        }

        return run;
    }

    private sealed class StopAt(CancellationTokenSource stop) : IProgress<StepReport>
    {
        public void Report(StepReport value)
        {
            if (value.Epoch == 2)
            {
                stop.Cancel();
            }
        }
    }
}
