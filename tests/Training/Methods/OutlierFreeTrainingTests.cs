using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Profiling;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Tests.Training.Methods;

/// <summary>Whole runs of PASCL without outlier images, of seconds.</summary>
public sealed class OutlierFreeTrainingTests
{
    private TemporaryFolder parent = null!;

    [SetUp]
    public void CreateFolder() => parent = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => parent.Dispose();

    [Test]
    public void a_cancelled_run_resumes_bit_for_bit_and_has_no_outlier_images()
    {
        var recipe = Recipe(VirtualOutlierKind.Both);
        var whole = TinyTraining.Run(recipe, parent, "whole");
        using var cancellation = new CancellationTokenSource();
        Assert.That(
            () => TinyTraining.Run(recipe, parent, "stopped", new Stop(cancellation), cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        var stopped = RunFolder.Open(Path.Combine(parent.Path, "stopped"));
        TinyTraining.Resume(stopped);
        var history = TinyTraining.History(stopped);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TinyTraining.Tensors(stopped), Is.EqualTo(TinyTraining.Tensors(whole)));
            Assert.That(TinyTraining.Tensors(stopped).Keys, Has.Member("model.method.class_means"));
            Assert.That(history[0].Losses["outliers"], Is.Positive.And.LessThan(10));
            Assert.That(history.Select(epoch => epoch.Losses["total"]), Is.EqualTo(TinyTraining.History(whole).Select(epoch => epoch.Losses["total"])));
            Assert.That(TrainingDataReader.Read(recipe).Outliers, Is.Null);
        }
    }

    [TestCase(VirtualOutlierKind.Mixed)]
    [TestCase(VirtualOutlierKind.Annulus)]
    [TestCase(VirtualOutlierKind.Both)]
    public void a_step_leaves_no_tensor(VirtualOutlierKind kind) => Step(kind, (phase, take, sums) =>
    {
        take();
        var tensors = torch.Tensor.TotalCount;
        take();
        var (means, rows) = (sums.EpochMeans(2), phase.Convolutions.Images);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(torch.Tensor.TotalCount, Is.EqualTo(tensors));
            Assert.That(means[2], kind == VirtualOutlierKind.Annulus ? Is.Zero : Is.Positive, "L_out");
            Assert.That(means[3], Is.Positive, "L_con");
            Assert.That(rows, Is.EqualTo(kind == VirtualOutlierKind.Annulus ? 80 : 88), "two views of 40 images, and 8 mixtures where images are mixed");
        }
    });

    [Test]
    public void the_annulus_makes_the_contrastive_loss_larger_and_changes_nothing_else_of_a_step()
    {
        var (mixed, both) = (Terms(VirtualOutlierKind.Mixed), Terms(VirtualOutlierKind.Both));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(both[1..3], Is.EqualTo(mixed[1..3]), "L_in and L_out");
            Assert.That(both[3], Is.GreaterThan(mixed[3]), "more contrasts");
        }
    }

    [Long]
    [Test]
    public void the_command_trains_on_the_training_images_alone()
    {
        var folder = Path.Combine(parent.Path, "run");
        var arguments = "train --preset quickstart --image-size 8 --width 2 --epochs 1 --finetune-epochs 0 --batch 100 --threads 1 --check-convolutions off";
        var (code, output, error) = PasclProgram.Run($"{arguments} --outliers none --out {folder}");
        var recipe = RecipeFile.Read(Path.Combine(folder, "recipe.json"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(recipe.VirtualOutliers, Is.EqualTo(new VirtualOutlierRecipe { InUse = true }));
            Assert.That(output, Does.Match(@"training\s+training").And.Not.Match(@"outliers\s+outliers"), "the sets that were read");
        }
    }

    private static double[] Terms(VirtualOutlierKind kind)
    {
        double[] terms = [];
        Step(kind, (_, take, sums) =>
        {
            take();
            terms = sums.EpochMeans(1);
        });
        return terms;
    }

    // Gives what takes a step of the first phase, on one batch each time, and the sums of its losses.
    private static void Step(VirtualOutlierKind kind, Action<TrainingPhase, Action, LossSums> use)
    {
        var recipe = Recipe(kind);
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var model = Trainer.CreateModel(recipe, TinyTraining.Few.Training.ClassCount, device);
        var phase = Trainer.Phases(recipe, TinyTraining.Few, device)[0];
        using var steps = new TrainingSteps(phase, model, TinyTraining.Few, device);
        using var loader = TrainingSteps.NewLoader(phase, TinyTraining.Few, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        using var batch = loader.Epoch(0).First();
        model.train();
        use(phase, () => steps.Take(batch, sums), sums);
    }

    private static Recipe Recipe(VirtualOutlierKind kind) => TinyTraining.Recipe with
    {
        VirtualOutliers = new VirtualOutlierRecipe { InUse = true, Kind = kind },
        Representation = TinyTraining.Recipe.Representation with { Epochs = 1 },
    };

    private sealed class Stop(CancellationTokenSource cancellation) : IProgress<StepReport>
    {
        public void Report(StepReport value) => cancellation.Cancel();
    }
}
