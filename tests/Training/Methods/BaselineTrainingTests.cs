using System.Runtime.InteropServices;
using Pascl.Tests.Training.Evaluation;
using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training.Methods;

/// <summary>Whole runs of the baseline methods, of seconds.</summary>
public sealed class BaselineTrainingTests
{
    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [TestCase(Method.EnergyOutlierExposure, "in-distribution-hinge", "energy", Branch.Main)]
    [TestCase(Method.Eat, "in-distribution", "abstention-mass", Branch.Auxiliary)]
    [TestCase(Method.Rna, "in-distribution", "msp", Branch.Main)]
    [TestCase(Method.Tscl, "total", "outlier-probability", Branch.Main)]
    [TestCase(Method.Patt, "in-distribution", "energy", Branch.Main)]
    public void a_method_trains_and_is_read_by_its_own_score(string method, string falling, string score, Branch scoreBranch)
    {
        var data = TinyTraining.Few;
        var recipe = Short(method, epochs: 2);
        using var folder = RunFolder.Create(recipe.Preset, Path.Combine(parent.Path, "run"));
        using var trainer = new Trainer(recipe, data, folder);
        trainer.Run();
        var counts = data.Training.CountPerClass();
        var report = Evaluator.Evaluate(
            images => Predictions.Of(trainer.Model, images), data.Test, data.OutOfDistribution,
            new EvaluationProtocol(counts, recipe.Tail(counts).Flags, ShotRule.Rank));
        var scores = Predictions.Of(trainer.Model, data.Test).Scores(scoreBranch);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trainer.History[1].Losses[falling], Is.LessThan(trainer.History[0].Losses[falling]));
            Assert.That(report.Score, Is.EqualTo(score));
            Assert.That(report.Conventions["score"], Does.StartWith(trainer.Model.Head.Readout([]).Meaning));
            Assert.That(report.Deployed.ScoreBranch, Is.EqualTo(scoreBranch));
            Assert.That(
                report.Deployed.Sets.Select(set => set.Result.Metrics.Auroc),
                Is.EqualTo(data.OutOfDistribution.Select(set =>
                    NaiveMetrics.Auroc(Predictions.Of(trainer.Model, set).Scores(scoreBranch), scores))).Within(1e-12));
        }
    }

    [Test]
    public void a_cancelled_run_with_further_outputs_resumes_bit_for_bit_and_can_be_finetuned_on_request()
    {
        var recipe = Short(Method.Cocl, epochs: 1) with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 1 } };
        var whole = TinyTraining.Run(recipe, parent, "whole");
        using var cancellation = new CancellationTokenSource();
        Assert.That(
            () => TinyTraining.Run(recipe, parent, "stopped", new Stop(cancellation), cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        var stopped = RunFolder.Open(Path.Combine(parent.Path, "stopped"));
        TinyTraining.Resume(stopped);
        var tensors = TinyTraining.Tensors(stopped);
        var history = TinyTraining.History(stopped);
        var counts = TinyTraining.Few.Training.CountPerClass();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(tensors, Is.EqualTo(TinyTraining.Tensors(whole)));
            Assert.That(tensors.Keys, Has.Member("model.method.prototypes.weight").And.Member("model.method.class_shares"));
            Assert.That(
                MemoryMarshal.Cast<byte, double>(tensors["model.method.class_shares"]).ToArray(),
                Is.EqualTo(counts.Select(count => count / (double)counts.Sum())).Within(1e-12), "the prior that the outputs are calibrated by");
            Assert.That(history.Select(e => e.Losses["total"]), Is.EqualTo(TinyTraining.History(whole).Select(e => e.Losses["total"])));
            Assert.That(history[^1].Phase, Is.EqualTo("auxiliary-branch"));
            Assert.That(history[^1].Losses["total"], Is.InRange(0.1, 10), "cross entropy of the classes alone");
        }
    }

    [Long]
    [TestCase(Method.Rna)]
    [TestCase(Method.Tscl)]
    [TestCase(Method.Patt)]
    public void a_cancelled_run_of_it_resumes_bit_for_bit_and_can_be_finetuned_on_request(string method)
    {
        var recipe = Short(method, epochs: 1) with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 1 } };
        var whole = TinyTraining.Run(recipe, parent, "whole");
        using var cancellation = new CancellationTokenSource();
        Assert.That(
            () => TinyTraining.Run(recipe, parent, "stopped", new Stop(cancellation), cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        var stopped = RunFolder.Open(Path.Combine(parent.Path, "stopped"));
        TinyTraining.Resume(stopped);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TinyTraining.Tensors(stopped), Is.EqualTo(TinyTraining.Tensors(whole)));
            Assert.That(TinyTraining.History(stopped)[^1].Losses["total"], Is.InRange(0.1, 10), "cross entropy of the classes alone");
        }
    }

    [Test]
    public void berl_starts_from_a_run_and_keeps_what_it_takes_outliers_for()
    {
        var start = TinyTraining.Run(
            Short(Method.CrossEntropy, epochs: 1) with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0 } }, parent, "start");
        var recipe = MethodDefinition.Find(Method.Berl).Apply(TinyTraining.Recipe with { StartingRun = start.Root });
        recipe = recipe with { OutlierBatchSize = 8, Representation = recipe.Representation with { Epochs = 1 } };
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var model = Trainer.CreateModel(recipe, TinyTraining.Few.Training.ClassCount, device);
        Trainer.Phases(recipe, TinyTraining.Few, device)[0].Enter(model);

        var outliers = TinyTraining.Few.Outliers!;
        var classes = Predictions.Of(model, outliers).Main.Classes();
        var shares = Enumerable.Range(0, model.Head.ClassCount).Select(label => classes.Count(c => c == label) / (double)outliers.Count);
        var run = TinyTraining.Run(recipe, parent, "run");
        var tensors = TinyTraining.Tensors(run);
        var history = TinyTraining.History(run);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.state_dict()["conv1.weight"].contiguous().bytes.ToArray(), Is.EqualTo(TinyTraining.Tensors(start)["model.conv1.weight"]), "the start's weights");
            Assert.That(MemoryMarshal.Cast<byte, double>(tensors["model.method.class_shares"]).ToArray(), Is.EqualTo(shares).Within(1e-12));
            Assert.That(history[0].Losses["outlier-active"], Is.InRange(0, 1));
            Assert.That(history[0].Losses["in-distribution-active"], Is.EqualTo(1), "this small a network is far from an energy of -23");
        }
    }

    [TestCase(Method.EnergyOutlierExposure)]
    [TestCase(Method.Cocl)]
    [TestCase(Method.Eat)]
    [TestCase(Method.Rna)]
    [TestCase(Method.Tscl)]
    [TestCase(Method.Patt)]
    public void a_step_leaves_no_tensor(string method)
    {
        var recipe = Short(method, epochs: 1) with { OutlierBatchSize = 8, Representation = TinyTraining.Recipe.Representation with { BatchSize = 8 } };
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var model = Trainer.CreateModel(recipe, TinyTraining.Few.Training.ClassCount, device);
        var phase = Trainer.Phases(recipe, TinyTraining.Few, device)[0];
        using var steps = new TrainingSteps(phase, model, TinyTraining.Few, device);
        using var loader = TrainingSteps.NewLoader(phase, TinyTraining.Few, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        using var batch = loader.Epoch(0).First();
        model.train();
        steps.Take(batch, sums);
        var tensors = torch.Tensor.TotalCount;
        steps.Take(batch, sums);
        Assert.That(torch.Tensor.TotalCount, Is.EqualTo(tensors));
    }

    private static Recipe Short(string method, int epochs)
    {
        var recipe = MethodDefinition.Find(method).Apply(TinyTraining.Recipe);
        return recipe with
        {
            Representation = recipe.Representation with { Epochs = epochs },
            AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = Math.Min(1, recipe.AuxiliaryBranch.Epochs) },
        };
    }

    private sealed class Stop(CancellationTokenSource cancellation) : IProgress<StepReport>
    {
        public void Report(StepReport value) => cancellation.Cancel();
    }
}
