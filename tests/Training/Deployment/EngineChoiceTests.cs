using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;

namespace Pascl.Tests.Training.Deployment;

/// <summary>A run scored by ONNX Runtime beside the same run scored by libtorch.</summary>
public sealed class EngineChoiceTests
{
    private TemporaryFolder folder = null!;

    [OneTimeSetUp]
    public void RequireLibrary() => OnnxLibrary.Require();

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [TestCase(Method.OutlierExposure, "msp")]
    [TestCase(Method.OutlierExposure, "energy-prior")]
    [TestCase(Method.Cocl, "outlier-probability")]
    [TestCase(Method.Eat, "abstention-mass")]
    [TestCase(Method.Eat, "energy")]
    public void every_score_and_every_decision_is_that_of_libtorch_in_batches_of_any_size(string method, string score)
    {
        var recipe = TinyTraining.Recipe with { Width = 4, Method = method };
        using (var network = SmallNetworks.Create(recipe.Width, recipe))
        {
            DeployedRun.Write(folder, "run", recipe, network, new ScoreThreshold(score, 0.9, Middle(network, score), 100));
        }

        using var torch = Open();
        using var onnx = Open();
        Assert.That(onnx.Use(ScoringEngine.Onnx, 64), Is.Null, "nothing was to be chosen");
        Assert.That((torch.Description.Engine, onnx.Description.Engine), Is.EqualTo(("libtorch", "ONNX Runtime")));
        var images = SmallNetworks.Images(70, 8, 8);
        var expected = torch.Score(images);
        Assert.That(expected.Select(image => image.Accepted).Distinct().Count(), Is.EqualTo(2), "the threshold divides the images");
        Assert.Multiple(() =>
        {
            foreach (var size in (int[])[1, 64])
            {
                var found = Enumerable.Range(0, images.Count).Chunk(size).SelectMany(part => onnx.Score(images.Select(part))).ToArray();
                Assert.That(found.Select(image => image.Class), Is.EqualTo(expected.Select(image => image.Class)));
                Assert.That(found.Select(image => image.Accepted), Is.EqualTo(expected.Select(image => image.Accepted)));
                Assert.That(found.Select(image => image.Score), Is.EqualTo(expected.Select(image => image.Score)).Within(1e-5));
                Assert.That(found.Select(image => image.Probability), Is.EqualTo(expected.Select(image => image.Probability)).Within(1e-5));
            }
        });
        Assert.That(onnx.Score(images.Select([])), Is.Empty);
    }

    // It would keep an identifier of the machine and what is to be sent in the cache folder; in a process of its own, because a process decides once. Programs of continuous integration send nothing.
    [Test]
    [Platform("Linux")]
    public void onnx_runtime_sends_nothing_about_its_use_and_keeps_nothing_for_it()
    {
        var run = DeployedRun.Write(folder, "run", new ScoreThreshold("energy", 0.9, -1.1, 100));
        var picture = folder.Write("picture.png", Data.Formats.TestImages.Plain(8, 8, 100));
        var home = Directory.CreateDirectory(Path.Combine(folder.Path, "home")).FullName;
        var (code, output, error) = PasclProgram.Run(
            $"score {run} {picture} --engine onnx", ("HOME", home), ("XDG_CACHE_HOME", Path.Combine(home, "cache")), ("CI", ""));
        Assert.That((code, error), Is.EqualTo((0, "")), output);
        Assert.That(Directory.GetFiles(home, "*", SearchOption.AllDirectories), Is.Empty);
    }

    [Test]
    public void threads_that_score_at_one_time_get_the_numbers_of_one_alone()
    {
        using var model = Open(DeployedRun.Write(folder, "run"));
        model.Use(ScoringEngine.Onnx, 64);
        ImageSet[] batches = [.. Enumerable.Range(1, 24).Select(count => SmallNetworks.Images(count, 8, 8))];
        var expected = batches.Select(model.Score).ToArray();
        Parallel.For(0, batches.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => Assert.That(model.Score(batches[i]), Is.EqualTo(expected[i])));
    }

    [Test]
    public void the_faster_engine_is_taken_and_both_figures_are_said()
    {
        using var model = Open(DeployedRun.Write(folder, "run"));
        Assert.That(
            model.Use(ScoringEngine.Auto, 64),
            Does.Match("^Engine: (ONNX Runtime|libtorch), the faster one here \\(ONNX Runtime [\\d,]+ images/s, libtorch [\\d,]+, in batches of \\d+ on \\d+ threads?\\)\\.$"));
        Assert.That(model.Score(SmallNetworks.Images(3, 8, 8)), Has.Length.EqualTo(3));
        Assert.That(new EngineComparison(0, 64, TorchRate: 99.6, OnnxRate: 1200).Sentence(1), Does.Contain("ONNX Runtime, the").And.Contain("ONNX Runtime 1,200 images/s, libtorch 100,"));
        Assert.That(new EngineComparison(0, 64, TorchRate: 1200, OnnxRate: 99.6).Sentence(2), Does.Contain("libtorch, the").And.Contain("on 2 threads"));
    }

    [Test]
    public void a_slow_network_is_measured_on_fewer_images_and_another_network_is_noticed()
    {
        using var network = SmallNetworks.Create(16);
        using var other = SmallNetworks.Create(16, seed: 2);
        using var onnx = new OnnxEngine(other, threads: 1);
        var found = EngineComparison.Of(new TorchEngine(network), onnx, SmallNetworks.Deployed(network).Score, imageSize: 96, batchSize: 1024);
        Assert.That(found.BatchSize, Is.InRange(1, 200));
        Assert.That(found.Difference, Is.GreaterThan(OnnxAgreement.Allowed));
        using var same = new OnnxEngine(network, threads: 1);
        Assert.That(
            EngineComparison.Of(new TorchEngine(network), same, SmallNetworks.Deployed(network).Score, imageSize: 32, batchSize: 8),
            Has.Property(nameof(EngineComparison.Difference)).LessThan(1e-5).And.Property(nameof(EngineComparison.BatchSize)).InRange(1, 8));
    }

    [Test]
    public void scores_of_another_precision_stay_with_libtorch()
    {
        // As an earlier version left it: without a precision, the threshold is one of the training's.
        var run = DeployedRun.Write(folder, "run", new ScoreThreshold("msp", 0.9, 0.5, 100), Precision.BFloat16);
        using var model = Open(run);
        Assert.That(model.Use(ScoringEngine.Auto, 64), Does.StartWith("Engine: libtorch; not ONNX Runtime, because the run's threshold was chosen in bfloat16"));
        Assert.That(
            () => model.Use(ScoringEngine.Onnx, 64),
            Throws.TypeOf<InputException>().With.Message.StartsWith($"The run in {run} cannot be scored by ONNX Runtime: the run's threshold was chosen in bfloat16").And.Message.EndsWith("Take the engine torch."));
        Assert.That(model.Use(ScoringEngine.Torch, 64), Is.Null);
        Assert.That(model.Score(SmallNetworks.Images(3, 8, 8)), Has.Length.EqualTo(3));
    }

    [Test]
    public void a_network_whose_outputs_are_not_finite_stays_with_libtorch_which_says_so()
    {
        var recipe = TinyTraining.Recipe with { Width = 4 };
        using var network = SmallNetworks.Create(recipe.Width, DeployedRun.ClassNames.Count);
        using (TorchSharp.torch.no_grad())
        {
            network.state_dict()["linear.bias"].fill_(float.NaN);
        }

        DeployedRun.Write(folder, "run", recipe, network, null);
        using var model = Open();
        Assert.That(model.Use(ScoringEngine.Auto, 64), Does.Contain("because it differs from libtorch"));
        Assert.That(() => model.Use(ScoringEngine.Onnx, 64), Throws.TypeOf<InputException>().With.Message.Contains("differs from libtorch"));
        Assert.That(() => model.Score(SmallNetworks.Images(3, 8, 8)), Throws.TypeOf<InputException>().With.Message.Contains("logit of NaN"));
    }

    private ScoringModel Open(string? run = null) => ScoringModel.Open(run ?? Path.Combine(folder.Path, "run"), 2);

    private static double Middle(DualBranchNetwork network, string score)
    {
        var known = OodScore.OfDeployed(score, Readout.Of(network), DeployedRun.TrainingCounts);
        var images = SmallNetworks.Images(70, 8, 8);
        var scores = known.Of(images, Predictions.Of(network, images));
        return AcceptanceThreshold.Of(scores, 0.5);
    }
}
