using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Optimisation;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training.Optimisation;

/// <summary>The exponential moving average of the weights: its numbers, and whole runs of seconds with it.</summary>
public sealed class WeightAverageTests
{
    private const double Decay = 0.8;

    private static readonly Recipe averaged = TinyTraining.Recipe with { EmaDecay = Decay };

    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    // 0.9 (0.9 * 1 + 0.1 * 2) + 0.1 * 4, and 0.9 (-2) + 0.1 * 8.
    private static readonly double[] expectedAverage = [1.39, -1.0];

    private static readonly double[][] twoSteps = [[2, -2], [4, 8]];

    [Test]
    public void it_follows_the_weights_by_the_formula()
    {
        using var scope = torch.NewDisposeScope();
        var weights = torch.tensor(new[] { 1.0, -2.0 });
        using var average = new WeightAverage(0.9, [("w", weights)]);
        foreach (var next in twoSteps)
        {
            weights.copy_(torch.tensor(next));
            average.Follow();
        }

        Assert.That(Values(average.Outside["w"]), Is.EqualTo(expectedAverage).Within(1e-12));
        using (average.InPlaceOfWeights())
        {
            Assert.That(Values(weights), Is.EqualTo(expectedAverage).Within(1e-12));
            Assert.That(Values(average.Outside["w"]), Is.EqualTo(twoSteps[1]));
        }

        Assert.That(Values(weights), Is.EqualTo(twoSteps[1]));
        average.Keep();
        Assert.That(Values(weights), Is.EqualTo(expectedAverage).Within(1e-12));
    }

    [Test]
    public void weights_that_do_not_move_stay_to_the_last_bit()
    {
        using var scope = torch.NewDisposeScope();
        var weights = torch.rand(100);
        using var average = new WeightAverage(0.999, [("w", weights)]);
        for (var step = 0; step < 50; step++)
        {
            average.Follow();
        }

        Assert.That(average.Outside["w"].data<float>().ToArray(), Is.EqualTo(weights.data<float>().ToArray()));
    }

    [Test]
    public void it_is_of_what_is_trained_and_of_the_statistics_of_batch_norm()
    {
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var model = Trainer.CreateModel(averaged, TinyTraining.Few.Training.ClassCount, device);
        string[][] names = [.. Trainer.Phases(averaged, TinyTraining.Few, device).Select(phase =>
        {
            using var steps = new TrainingSteps(phase, model, TinyTraining.Few, device);
            return steps.Average!.Outside.Keys.ToArray();
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(names[0], Has.Member("conv1.weight").And.Member("linear.bias").And.Member("bn1.running_var").And.None.EndsWith("num_batches_tracked").And.None.Contains("auxiliary"));
            Assert.That(names[1], Has.Member("auxiliary_linear.weight").And.Member("bn1.auxiliary.running_mean").And.No.Member("conv1.weight"));
        }
    }

    // Inside and at the end of epochs of both phases: a report comes after ten of an epoch's eleven steps and at its end.
    [Long]
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    [TestCase(5)]
    public void a_cancelled_run_resumes_bit_for_bit(int report)
    {
        using var whole = TinyTraining.Run(averaged, parent, "whole");
        using var cancellation = new CancellationTokenSource();
        var stop = new Stop(report, cancellation);
        Assert.That(() => TinyTraining.Run(averaged, parent, "stopped", stop, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        using var stopped = RunFolder.Open(Path.Combine(parent.Path, "stopped"));
        var between = TinyTraining.Tensors(stopped);
        TinyTraining.Resume(stopped);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(between.Keys.Count(name => name.StartsWith("training.", StringComparison.Ordinal)), Is.Positive, "what the next step goes on from");
            Assert.That(between.Keys.Where(name => name.StartsWith("training.", StringComparison.Ordinal) && between[name].SequenceEqual(between[$"model.{name[9..]}"])), Is.Empty);
            Assert.That(TinyTraining.Tensors(stopped), Is.EqualTo(TinyTraining.Tensors(whole)));
            Assert.That(TinyTraining.History(stopped).Select(e => e.Losses["total"]), Is.EqualTo(TinyTraining.History(whole).Select(e => e.Losses["total"])));
        }
    }

    [Test]
    public void what_a_phase_ends_with_is_the_average_of_its_steps_and_the_second_phase_starts_from_it()
    {
        var first = averaged with { AuxiliaryBranch = averaged.AuxiliaryBranch with { Epochs = 0 } };
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        Trainer.PrepareTorch(first);
        using var model = Trainer.CreateModel(first, TinyTraining.Few.Training.ClassCount, device);
        var phase = Trainer.Phases(first, TinyTraining.Few, device)[0];
        phase.Enter(model);
        using var steps = new TrainingSteps(phase, model, TinyTraining.Few, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        var (expected, statistics) = (Values(model.state_dict()["linear.weight"]), Values(model.state_dict()["bn1.running_mean"]));
        for (var epoch = 0; epoch < first.Representation.Epochs; epoch++)
        {
            foreach (var _ in steps.Epoch(epoch, 0, sums))
            {
                expected = Moved(expected, "linear.weight");
                statistics = Moved(statistics, "bn1.running_mean");
            }
        }

        using var run = TinyTraining.Run(first, parent, "first");
        using var file = SafetensorsFile.Open(run.Checkpoint);
        using var scope = torch.NewDisposeScope();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Values(file.Read("model.linear.weight")), Is.EqualTo(expected).Within(1e-5));
            Assert.That(Values(file.Read("model.bn1.running_mean")), Is.EqualTo(statistics).Within(1e-5));
            Assert.That(file.Read("model.auxiliary_linear.weight").bytes.ToArray(), Is.EqualTo(file.Read("model.linear.weight").bytes.ToArray()), "the second phase has no steps");
            Assert.That(file.Read("model.bn1.auxiliary.running_mean").bytes.ToArray(), Is.EqualTo(file.Read("model.bn1.running_mean").bytes.ToArray()));
            Assert.That(file.Entries.Keys, Has.None.StartsWith("training."), "the phase is over");
        }

        double[] Moved(double[] average, string name) => [.. average.Zip(Values(model.state_dict()[name]), (e, w) => (Decay * e) + ((1 - Decay) * w))];
    }

    [Test]
    public void the_epoch_that_held_out_images_choose_is_one_of_averages()
    {
        var recipe = averaged with { Data = averaged.Data with { ValidationFraction = 0.2 } };
        var data = TinyTraining.Fourth(TrainingDataReader.Read(recipe));
        using var folder = RunFolder.Create(recipe.Preset, Path.Combine(parent.Path, "run"));
        using var trainer = new Trainer(recipe, data, folder);
        trainer.Run();
        using var run = Run.Open(folder.Root);
        var best = trainer.History.Where(epoch => epoch.Phase == TrainingPhase.AuxiliaryBranchName).MaxBy(epoch => epoch.ValidationAccuracy)!;
        var (classes, labels) = (Predictions.Of(run.Network, data.Validation!).Auxiliary.Classes(), data.Validation!.Labels.ToArray());
        var accuracy = labels.Zip(classes).GroupBy(pair => pair.First).Average(group => group.Average(pair => pair.First == pair.Second ? 1.0 : 0));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(accuracy, Is.EqualTo(best.ValidationAccuracy).Within(1e-12), "that of what is opened is that of the history");
            Assert.That(WeightHash.Of(run.Network), Is.EqualTo(WeightHash.Of(trainer.Model)));
        }
    }

    [Test]
    public void without_it_a_checkpoint_is_as_before()
    {
        using var run = TinyTraining.Run(TinyTraining.Recipe with { Representation = TinyTraining.Recipe.Representation with { Epochs = 1 } }, parent, "run");
        Assert.That(TinyTraining.Tensors(run).Keys.Select(name => name.Split('.')[0]).Distinct(), Is.EquivalentTo(["model", "optimiser", "random"]));
    }

    [Test]
    public void neither_a_step_nor_a_phase_leaves_a_tensor()
    {
        var recipe = MethodDefinition.Change(averaged, Method.OutlierExposure);
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var model = Trainer.CreateModel(recipe, TinyTraining.Few.Training.ClassCount, device);
        var phase = Trainer.Phases(recipe, TinyTraining.Few, device)[0];
        TakeSteps(phase with { AverageDecay = null });
        var tensors = torch.Tensor.TotalCount; // with the gradients of the last step
        TakeSteps(phase);
        Assert.That(torch.Tensor.TotalCount, Is.EqualTo(tensors));

        void TakeSteps(TrainingPhase phase)
        {
            using var steps = new TrainingSteps(phase, model, TinyTraining.Few, device);
            using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
            using var loader = TrainingSteps.NewLoader(phase, TinyTraining.Few, device);
            using Batch batch = loader.Epoch(0).First();
            model.train();
            steps.Take(batch, sums);
            var before = torch.Tensor.TotalCount;
            steps.Take(batch, sums);
            steps.Average?.InPlaceOfWeights().Dispose();
            Assert.That(torch.Tensor.TotalCount, Is.EqualTo(before));
        }
    }

    private static double[] Values(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to(torch.float64).contiguous().data<double>().ToArray();
    }

    private sealed class Stop(int report, CancellationTokenSource cancellation) : IProgress<StepReport>
    {
        private int reports;

        public void Report(StepReport value)
        {
            if (++reports == report)
            {
                cancellation.Cancel();
            }
        }
    }
}
