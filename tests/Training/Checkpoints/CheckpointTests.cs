using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Optimisation;
using TorchSharp;

namespace Pascl.Tests.Training.Checkpoints;

public sealed class CheckpointTests
{
    private static readonly CheckpointInfo info = new("representation", 3, 42, """{"seed":1}""", "[]", ["cat", "dog"], [50, 5], 1234);

    private string folder = "";

    private string Target => Path.Combine(folder, "checkpoint.safetensors");

    [SetUp]
    public void CreateFolder() => folder = Directory.CreateTempSubdirectory("pascl-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [TestCase(OptimiserKind.Adam, 0.9, false)]
    [TestCase(OptimiserKind.Sgd, 0.9, true)]
    [TestCase(OptimiserKind.Sgd, 0.9, false)]
    [TestCase(OptimiserKind.Sgd, 0, false)]
    public void three_steps_and_three_more_after_resuming_equal_six_bit_for_bit(OptimiserKind kind, double momentum, bool nesterov)
    {
        var settings = new OptimiserSettings(kind, 0.05, WeightDecay: 5e-4, Momentum: momentum, Nesterov: nesterov);
        using var unbroken = new TinyRun(settings, seed: 7);
        var expected = unbroken.Train(steps: 6);

        using var first = new TinyRun(settings, seed: 7);
        var losses = first.Train(steps: 3);
        Checkpoint.Save(Target, info, first.Model, first.Optimiser);
        using var second = new TinyRun(settings, seed: 99);
        second.Train(steps: 2);
        using (var checkpoint = Checkpoint.Open(Target))
        {
            checkpoint.LoadInto(second.Model);
            checkpoint.LoadInto(second.Optimiser);
            checkpoint.RestoreRandomState();
        }

        losses = [.. losses, .. second.Train(steps: 3)];

        Assert.Multiple(() =>
        {
            Assert.That(losses, Is.EqualTo(expected));
            Assert.That(second.Bytes(), Is.EqualTo(unbroken.Bytes()));
        });
    }

    [Test]
    public void the_threshold_of_the_deployed_model_comes_back_where_one_was_chosen()
    {
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        var calibrated = info with { Threshold = new ScoreThreshold("msp", 0.95, 0.1 + 0.2, 1000) };
        Checkpoint.Save(Target, calibrated, run.Model);
        using (var checkpoint = Checkpoint.Open(Target))
        {
            Assert.That(checkpoint.Info.Threshold, Is.EqualTo(calibrated.Threshold));
        }

        Checkpoint.Save(Target, info, run.Model);
        using (var checkpoint = Checkpoint.Open(Target))
        {
            Assert.That(checkpoint.Info.Threshold, Is.Null);
        }
    }

    [Test]
    public void storing_a_threshold_leaves_every_tensor_and_what_a_later_version_added()
    {
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        run.Train(steps: 2);
        Checkpoint.Save(Target, info, run.Model, run.Optimiser);
        AddMetadata("colour", "blue");
        var before = Content();
        Checkpoint.Store(Target, new ScoreThreshold("msp", 0.9, 0.1 + 0.2, 7));
        Checkpoint.Store(Target, new ScoreThreshold("energy", 0.95, double.Epsilon, 8));
        var after = Content();
        using var checkpoint = Checkpoint.Open(Target);
        Assert.Multiple(() =>
        {
            Assert.That(checkpoint.Info.Threshold, Is.EqualTo(new ScoreThreshold("energy", 0.95, double.Epsilon, 8)));
            Assert.That(after.Tensors, Is.EqualTo(before.Tensors));
            Assert.That(after.Metadata.Where(entry => entry.Key != "calibration"), Is.EquivalentTo(before.Metadata));
            Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1), "nothing else is left in the folder");
        });
    }

    [Test]
    public void the_position_of_the_run_comes_back()
    {
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        Checkpoint.Save(Target, info, run.Model);
        using var checkpoint = Checkpoint.Open(Target);
        Assert.Multiple(() =>
        {
            Assert.That(checkpoint.Info with { ClassNames = info.ClassNames, TrainingCounts = info.TrainingCounts }, Is.EqualTo(info));
            Assert.That(checkpoint.Info.ClassNames, Is.EqualTo(info.ClassNames));
            Assert.That(checkpoint.Info.TrainingCounts, Is.EqualTo(info.TrainingCounts));
            Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1), "nothing else is left in the folder");
        });
    }

    [Test]
    public void tensors_carry_the_keys_of_the_state_dict()
    {
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        Checkpoint.Save(Target, info, run.Model, run.Optimiser);
        using var file = SafetensorsFile.Open(Target);
        string[] some =
        [
            "model.conv.weight", "model.bn.running_mean", "model.bn.num_batches_tracked",
            "optimiser.conv.weight.exp_avg_sq", "optimiser.fc.bias.step", "random.torch",
        ];
        Assert.That(file.Entries.Keys, Is.SupersetOf(some));
    }

    [Test]
    public void every_misfit_is_listed_and_nothing_is_loaded()
    {
        using var scope = torch.NewDisposeScope();
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        Checkpoint.Save(Target, info, run.Model);
        using var other = torch.nn.Sequential(
            ("conv", torch.nn.Conv2d(3, 4, 3)),
            ("bn", torch.nn.BatchNorm2d(1)),
            ("head", torch.nn.Linear(4, 2)));
        var before = other.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        using var checkpoint = Checkpoint.Open(Target);

        var message = Assert.Throws<InputException>(() => checkpoint.LoadInto(other))!.Message;

        string[] expected =
        [
            "missing: head.weight Float32 (2, 4)", "missing: head.bias Float32 (2)",
            "different: bn.weight is Float32 (4) in the file but must be Float32 (1)", "different: bn.running_var",
            "unexpected: fc.weight", "unexpected: fc.bias",
        ];
        Assert.Multiple(() =>
        {
            foreach (var line in expected)
            {
                Assert.That(message, Does.Contain(line));
            }

            Assert.That(message.Split('\n'), Has.Length.EqualTo(1 + 2 + 4 + 2));
            foreach (var (name, tensor) in other.state_dict())
            {
                Assert.That(tensor.eq(before[name]).all().item<bool>(), name);
            }
        });
    }

    [Test]
    public void another_element_type_is_a_misfit()
    {
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        Checkpoint.Save(Target, info, run.Model);
        run.Model.to(torch.float64);
        using var checkpoint = Checkpoint.Open(Target);
        Assert.That(
            () => checkpoint.LoadInto(run.Model),
            Throws.TypeOf<InputException>().With.Message.Contains("conv.weight is Float32 (4, 3, 3, 3) in the file but must be Float64"));
    }

    [Test]
    public void the_state_of_another_optimiser_is_a_misfit()
    {
        using var adam = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        using var sgd = new TinyRun(new(OptimiserKind.Sgd, 1e-3), seed: 1);
        Checkpoint.Save(Target, info, adam.Model, adam.Optimiser);
        using var checkpoint = Checkpoint.Open(Target);
        Assert.That(
            () => checkpoint.LoadInto(sgd.Optimiser),
            Throws.TypeOf<InputException>()
                .With.Message.Contains("missing: fc.bias.momentum_buffer")
                .And.Message.Contains("unexpected: conv.weight.step")
                .And.Message.EndsWith("\n  and 16 more"));
    }

    [Test]
    public void a_file_of_tensors_alone_is_no_checkpoint()
    {
        using var tensor = torch.ones(2);
        var tensors = new Dictionary<string, torch.Tensor> { ["a"] = tensor };
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        using (var stream = File.Create(Target))
        {
            SafetensorsFile.Write(stream, tensors, metadata);
        }

        Assert.That(() => Checkpoint.Open(Target), Throws.TypeOf<InputException>().With.Message.Contains("not a checkpoint"));
    }

    [Test]
    public void saving_leaks_no_tensor()
    {
        using var run = new TinyRun(new(OptimiserKind.Adam, 1e-3), seed: 1);
        Checkpoint.Save(Target, info, run.Model, run.Optimiser);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Checkpoint.Save(Target, info, run.Model, run.Optimiser);
        using (var checkpoint = Checkpoint.Open(Target))
        {
            checkpoint.LoadInto(run.Model);
            checkpoint.LoadInto(run.Optimiser);
            checkpoint.RestoreRandomState();
        }

        Assert.That(DisposeScopeManager.Statistics.ThreadTotalLiveCount, Is.EqualTo(before));
    }

    private void AddMetadata(string key, string value)
    {
        using var scope = torch.NewDisposeScope();
        using var file = SafetensorsFile.Open(Target);
        var tensors = file.Entries.Keys.ToDictionary(name => name, file.Read);
        DurableFile.Replace(Target, stream => SafetensorsFile.Write(stream, tensors, new Dictionary<string, string>(file.Metadata) { [key] = value }));
    }

    private (Dictionary<string, byte[]> Tensors, Dictionary<string, string> Metadata) Content()
    {
        using var file = SafetensorsFile.Open(Target);
        var tensors = file.Entries.Keys.ToDictionary(name => name, name =>
        {
            using var tensor = file.Read(name);
            return tensor.bytes.ToArray();
        });
        return (tensors, new(file.Metadata));
    }
}
