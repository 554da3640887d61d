using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training;

public sealed class TrainerTests
{
    private TemporaryFolder parent = null!;
    private TemporaryFolder shared = null!;
    private RunFolder whole = null!;

    [OneTimeSetUp]
    public void RunWithoutInterruption()
    {
        shared = new TemporaryFolder();
        whole = TinyTraining.Run(TinyTraining.Recipe, shared, "whole");
    }

    [OneTimeTearDown]
    public void DeleteShared()
    {
        whole.Dispose();
        shared.Dispose();
    }

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void the_losses_fall_and_every_epoch_is_in_the_history()
    {
        var history = TinyTraining.History(whole);
        Assert.Multiple(() =>
        {
            Assert.That(history.Select(e => (e.Phase, e.Epoch)), Is.EqualTo(
                new[] { ("representation", 1), ("representation", 2), ("auxiliary-branch", 1) }));
            Assert.That(history[1].Losses["in-distribution"], Is.LessThan(0.95 * history[0].Losses["in-distribution"]));
            Assert.That(history[1].Losses["contrastive"], Is.LessThan(history[0].Losses["contrastive"]));
            Assert.That(history[0].Losses["total"], Is.EqualTo(
                history[0].Losses["in-distribution"] + (0.5 * history[0].Losses["outliers"]) + (0.1 * history[0].Losses["contrastive"])).Within(1e-5));
        });
    }

    [Test]
    public void every_report_has_the_share_of_its_time_that_went_into_waiting_for_data() =>
        Assert.That(RunLog.Read(whole.Log).Select(report => report.DataWaitShare), Is.All.GreaterThan(0).And.All.LessThan(1));

    [TestCase(Method.CrossEntropy, new[] { "total", "in-distribution" })]
    [TestCase(Method.OutlierExposure, new[] { "total", "in-distribution", "outliers" })]
    public void the_baselines_are_the_same_loop_with_fewer_terms(string method, string[] terms)
    {
        var history = TinyTraining.History(TinyTraining.Run(TinyTraining.Recipe with { Method = method }, parent, "run"));
        Assert.That(history[0].Losses.Keys, Is.EqualTo(terms));
    }

    [Test]
    public void the_second_phase_changes_the_auxiliary_branch_alone()
    {
        var recipe = TinyTraining.Recipe;
        var before = TinyTraining.Tensors(TinyTraining.Run(recipe with { AuxiliaryBranch = recipe.AuxiliaryBranch with { Epochs = 0 } }, parent, "first"));
        var after = TinyTraining.Tensors(whole);
        var changed = before.Keys
            .Where(name => name.StartsWith("model.", StringComparison.Ordinal) && !before[name].AsSpan().SequenceEqual(after[name]))
            .ToList();
        Assert.That(changed, Is.Not.Empty.And.All.Contains("auxiliary"));
    }

    [Long]
    [Test]
    public void a_phase_ends_where_the_held_out_accuracy_has_stopped_rising()
    {
        EpochRecord[] history = [.. ((double[])[0.3, 0.5, 0.5, 0.4]).Select((accuracy, i) => new EpochRecord("first", i + 1, new Dictionary<string, double>(), 0.1, accuracy))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Enumerable.Range(1, 4).Select(epochs => EarlyStopping.IsOver(history.Take(epochs), "first", 2)), Is.EqualTo((bool[])[false, false, false, true]));
            Assert.That(EarlyStopping.IsOver(history, "first", null) || EarlyStopping.IsOver(history, "second", 1), Is.False);
        }

        // An accuracy of n images cannot rise more than n times in a row.
        const int HeldOut = 12;
        var recipe = TinyTraining.Recipe with { Patience = 1, Representation = TinyTraining.Recipe.Representation with { Epochs = HeldOut + 2 } };
        var (data, first) = (TinyTraining.Few with { Validation = TinyTraining.Data.Training.Select(Enumerable.Range(0, HeldOut)) }, 0);
        using (var folder = RunFolder.Create("patient", Path.Combine(parent.Path, "patient")))
        {
            using var trainer = new Trainer(recipe, data, folder);
            trainer.Run();
            first = trainer.History.Count(epoch => epoch.Phase == TrainingPhase.RepresentationName);
            var over = Enumerable.Range(1, HeldOut + 2).First(epochs => EarlyStopping.IsOver(trainer.History.Take(epochs), TrainingPhase.RepresentationName, 1));
            Assert.That((first, trainer.IsFinished), Is.EqualTo((over, true)));
        }

        using var again = RunFolder.Resume(Path.Combine(parent.Path, "patient"));
        using var run = Run.Open(again);
        using var resumed = new Trainer(run.Recipe, data, again);
        resumed.Resume(run);
        Assert.That(resumed.IsFinished);
        resumed.Run();
        Assert.That(resumed.History.Count(epoch => epoch.Phase == TrainingPhase.RepresentationName), Is.EqualTo(first), "no epoch is added");
    }

    [Test]
    public void a_finished_run_that_is_resumed_keeps_its_weights_and_its_threshold()
    {
        using var run = TinyTraining.Run(TinyTraining.Recipe with { Representation = TinyTraining.Recipe.Representation with { Epochs = 1 } }, parent, "finished");
        var before = TinyTraining.Tensors(run);
        var threshold = new ScoreThreshold("msp", 0.95, 0.5, 10);
        Checkpoint.Store(run.Checkpoint, threshold);
        TinyTraining.Resume(run);
        using var after = Checkpoint.Open(run.Checkpoint);
        Assert.That(after.Info.Threshold, Is.EqualTo(threshold));
        Assert.That(TinyTraining.Tensors(run), Is.EqualTo(before));
    }

    [Test]
    public void a_checkpoint_by_time_changes_nothing()
    {
        using var folder = RunFolder.Create("timed", Path.Combine(parent.Path, "timed"));
        using (var trainer = new Trainer(TinyTraining.Recipe, TinyTraining.Few, folder) { CheckpointInterval = TimeSpan.Zero })
        {
            trainer.Run();
        }

        Assert.That(TinyTraining.Tensors(folder), Is.EqualTo(TinyTraining.Tensors(whole)));
        Assert.That(TinyTraining.History(folder), Is.EqualTo(TinyTraining.History(whole)).Using<EpochRecord>((a, b) => a.Losses.SequenceEqual(b.Losses)));
    }

    [Test]
    public void weights_beyond_use_do_not_replace_a_good_checkpoint()
    {
        using var run = TinyTraining.Run(TinyTraining.Recipe with { Representation = TinyTraining.Recipe.Representation with { Epochs = 0 } }, parent, "good");
        var before = File.ReadAllBytes(run.Checkpoint);
        using var folder = RunFolder.Resume(run.Root);
        using var opened = Run.Open(folder);
        using var trainer = new Trainer(opened.Recipe, TinyTraining.Few, folder);
        trainer.Resume(opened);
        using (TorchSharp.torch.no_grad())
        {
            trainer.Model.parameters().First().fill_(6e37f);
        }

        Assert.That(() => trainer.Run(), Throws.TypeOf<InputException>().With.Message.Contains("stopped being finite").And.Message.Contains("last good checkpoint is kept"));
        Assert.That(File.ReadAllBytes(run.Checkpoint), Is.EqualTo(before));
    }

    [Test]
    public void the_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others()
    {
        var first = TinyTraining.Tensors(whole);
        var second = TinyTraining.Tensors(TinyTraining.Run(TinyTraining.Recipe, parent, "second"));
        var other = TinyTraining.Tensors(TinyTraining.Run(TinyTraining.Recipe with { Seed = 1 }, parent, "other"));
        Assert.Multiple(() =>
        {
            Assert.That(second, Is.EqualTo(first));
            Assert.That(other["model.conv1.weight"], Is.Not.EqualTo(first["model.conv1.weight"]));
        });
    }

    // A report comes after ten of an epoch's eleven steps and at its end, so these stop inside and at the end of epochs of both phases.
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    [TestCase(5)]
    public void a_cancelled_run_resumes_to_the_same_losses_and_weights_bit_for_bit(int report)
    {
        using var cancellation = new CancellationTokenSource();
        var reports = 0;
        var display = new Callback(_ =>
        {
            if (++reports == report)
            {
                cancellation.Cancel();
            }
        });
        Assert.That(
            () => TinyTraining.Run(TinyTraining.Recipe, parent, "stopped", display, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());

        var stopped = RunFolder.Open(Path.Combine(parent.Path, "stopped"));
        TinyTraining.Resume(stopped);
        Assert.Multiple(() =>
        {
            Assert.That(TinyTraining.Tensors(stopped), Is.EqualTo(TinyTraining.Tensors(whole)));
            Assert.That(TinyTraining.History(stopped).Select(e => e.Losses["total"]), Is.EqualTo(TinyTraining.History(whole).Select(e => e.Losses["total"])));
            Assert.That(
                RunLog.Read(stopped.Log).Select(line => (line.Phase, line.TotalStep, line.Losses["total"])),
                Is.EqualTo(RunLog.Read(whole.Log).Select(line => (line.Phase, line.TotalStep, line.Losses["total"]))));
        });
    }

    [Test]
    public void a_loss_that_is_not_finite_stops_the_run_with_a_sentence_and_keeps_the_last_good_checkpoint()
    {
        var good = TinyTraining.Run(TinyTraining.Recipe with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0 } }, parent, "run");
        var kept = File.ReadAllBytes(good.Checkpoint);
        var recipe = TinyTraining.Recipe with { AuxiliaryBranch = WithLearningRate(TinyTraining.Recipe.AuxiliaryBranch, 1e30) };
        using var folder = RunFolder.Resume(good.Root);
        using var trainer = new Trainer(recipe, TinyTraining.Few, folder);
        using var run = Pascl.Training.Run.Open(folder);
        trainer.Resume(run);
        Assert.Multiple(() =>
        {
            Assert.That(() => trainer.Run(), Throws.InstanceOf<InputException>().With.Message.Contains("stopped being finite").And.Message.Contains("epoch 1"));
            Assert.That(File.ReadAllBytes(good.Checkpoint), Is.EqualTo(kept));
        });
    }

    [Test]
    public void held_out_images_choose_the_epoch_whose_weights_are_kept()
    {
        var recipe = TinyTraining.Recipe with
        {
            Data = TinyTraining.Recipe.Data with { ValidationFraction = 0.2 },
            AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0 },
        };
        var data = TinyTraining.Fourth(TrainingDataReader.Read(recipe));
        using var folder = RunFolder.Create(recipe.Preset, Path.Combine(parent.Path, "run"));
        using var trainer = new Trainer(recipe, data, folder);
        trainer.Run();
        var best = trainer.History.MaxBy(epoch => epoch.ValidationAccuracy)!;
        using var kept = Pascl.Training.Checkpoints.Checkpoint.Open(folder.Best("representation"));
        Assert.Multiple(() =>
        {
            Assert.That(data.Validation!.Count, Is.InRange(0.15 * TinyTraining.Data.Training.Count, 0.25 * TinyTraining.Data.Training.Count));
            Assert.That(best.ValidationAccuracy, Is.EqualTo(MeanOverClasses(data.Validation, Predictions.Of(trainer.Model, data.Validation))).Within(1e-12));
            Assert.That(kept.Info.Epoch, Is.EqualTo(best.Epoch));
            Assert.That(Bytes(folder.Checkpoint), Is.EqualTo(Bytes(folder.Best("representation"))), "what an evaluation of the folder reads");
        });
    }

    [Test]
    public void a_run_is_not_continued_on_other_data()
    {
        var run = TinyTraining.Run(TinyTraining.Recipe with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0 } }, parent, "run");
        var fewer = TinyTraining.Few with { Training = TinyTraining.Few.Training.Select(Enumerable.Range(1, TinyTraining.Few.Training.Count - 1)) };
        using var folder = RunFolder.Resume(run.Root);
        using var trainer = new Trainer(TinyTraining.Recipe, fewer, folder);
        using var opened = Pascl.Training.Run.Open(folder);
        Assert.That(
            () => trainer.Resume(opened),
            Throws.InstanceOf<InputException>().With.Message.Contains("another number of images of some classes").And.Message.Contains("had 150 and has 149"));
    }

    [TestCase("finetuning", 0, 0, "stands in the phase finetuning, which this program does not know; it has representation and auxiliary-branch")]
    [TestCase("representation", 1, 1000, "at step 1000 after 1 epochs of 11 steps, which cannot be")]
    [TestCase("representation", -1, 0, "at step 0 after -1 epochs")]
    public void a_checkpoint_that_stands_nowhere_is_refused(string phase, int epoch, long step, string expected)
    {
        using var folder = RunFolder.Create(TinyTraining.Recipe.Preset, Path.Combine(parent.Path, "run"));
        using var trainer = new Trainer(TinyTraining.Recipe, TinyTraining.Few, folder);
        var training = TinyTraining.Few.Training;
        var info = new Pascl.Training.Checkpoints.CheckpointInfo(
            phase, epoch, step, RecipeFile.Write(TinyTraining.Recipe), new RunHistory([], null).ToJson(), training.ClassNames, training.CountPerClass());
        Pascl.Training.Checkpoints.Checkpoint.Save(folder.Checkpoint, info, trainer.Model);
        using var run = Pascl.Training.Run.Open(folder);
        Assert.That(() => trainer.Resume(run), Throws.InstanceOf<InputException>().With.Message.Contains(expected));
    }

    [TestCase(0, true)]
    [TestCase(1, false)]
    public void a_resumed_run_knows_whether_it_is_finished(int epochs, bool expected)
    {
        var done = TinyTraining.Run(TinyTraining.Recipe with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = 0 } }, parent, "run");
        var recipe = TinyTraining.Recipe with { AuxiliaryBranch = TinyTraining.Recipe.AuxiliaryBranch with { Epochs = epochs } };
        using var folder = RunFolder.Resume(done.Root);
        using var trainer = new Trainer(recipe, TinyTraining.Few, folder);
        using var run = Pascl.Training.Run.Open(folder);
        Assert.That(trainer.IsFinished, Is.False);
        trainer.Resume(run);
        Assert.That(trainer.IsFinished, Is.EqualTo(expected));
    }

    private static double MeanOverClasses(ImageSet images, Predictions predictions)
    {
        var classes = predictions.Main.Classes();
        return images.Labels.ToArray().Index().GroupBy(image => image.Item).Average(images => images.Average(image => classes[image.Index] == image.Item ? 1.0 : 0.0));
    }

    private static byte[] Bytes(string checkpoint)
    {
        using var file = Pascl.Training.Checkpoints.SafetensorsFile.Open(checkpoint);
        using var weight = file.Read("model.conv1.weight");
        return weight.bytes.ToArray();
    }

    private static PhaseRecipe WithLearningRate(PhaseRecipe phase, double rate) => phase with { Optimiser = phase.Optimiser with { LearningRate = rate } };

    private sealed class Callback(Action<StepReport> report) : IProgress<StepReport>
    {
        public void Report(StepReport value) => report(value);
    }
}
