using Pascl.Training;
using Pascl.Training.Optimisation;
using TorchSharp;
using TorchSharp.Modules;

namespace Pascl.Tests.Training.Optimisation;

public sealed class LearningRateScheduleTests
{
    private static readonly LearningRateSchedule constant = new() { Decay = LearningRateDecay.Constant };

    [Test]
    public void the_cosine_falls_once_per_epoch_to_the_values_of_pytorch()
    {
        // PyTorch's CosineAnnealingLR(T_max = 10) with a base rate of 0.1, rounded to five digits.
        double[] expected = [0.1, 0.09755, 0.09045, 0.07939, 0.06545, 0.05, 0.03455, 0.02061, 0.00955, 0.00245];
        var schedule = new LearningRateSchedule();
        Assert.Multiple(() =>
        {
            Assert.That(
                Enumerable.Range(0, 10).Select(epoch => 0.1 * schedule.Multiplier(epoch * 48L, 48, 10)),
                Is.EqualTo(expected).Within(5e-6));
            Assert.That(schedule.Multiplier(47, 48, 10), Is.EqualTo(1), "the last step of the first epoch");
            Assert.That(schedule.Multiplier(48, 48, 10), Is.LessThan(1), "the first of the second");
            Assert.That(schedule.Multiplier(480, 48, 10), Is.Zero);
        });
    }

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(200)]
    public void the_cosine_equals_the_stepped_scheduler(int epochs) =>
        AssertEqualsScheduler(new(), epochs, optimiser => torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs));

    [Test]
    public void the_milestones_equal_the_stepped_scheduler() =>
        AssertEqualsScheduler(
            new() { Decay = LearningRateDecay.MultiStep, Milestones = [60, 80], Factor = 0.1 },
            100,
            optimiser => torch.optim.lr_scheduler.MultiStepLR(optimiser, [60, 80], 0.1));

    [Test]
    public void the_cosine_can_move_every_step()
    {
        var schedule = new LearningRateSchedule { EveryStep = true };
        Assert.That(
            Enumerable.Range(0, 7).Select(step => schedule.Multiplier(step, 2, 3)),
            Is.EqualTo([1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873, 0]).Within(1e-7));
    }

    [Test]
    public void the_warm_up_is_linear_and_the_decay_follows_it()
    {
        var inSteps = new LearningRateSchedule { WarmUpSteps = 4, EveryStep = true };
        var inEpochs = new LearningRateSchedule { WarmUpEpochs = 2, EveryStep = true };
        double[] expected = [0.25, 0.5, 0.75, 1, 1, (1 + Math.Cos(Math.PI / 4)) / 2, 0.5, (1 + Math.Cos(Math.PI * 3 / 4)) / 2];
        Assert.Multiple(() =>
        {
            Assert.That(Enumerable.Range(0, 8).Select(step => inSteps.Multiplier(step, 2, 4)), Is.EqualTo(expected).Within(1e-15));
            Assert.That(Enumerable.Range(0, 8).Select(step => inEpochs.Multiplier(step, 2, 4)), Is.EqualTo(expected).Within(1e-15));
            Assert.That((constant with { WarmUpEpochs = 0.5 }).Multiplier(0, 4, 4), Is.EqualTo(0.5));
            Assert.That((constant with { WarmUpEpochs = 0.5 }).Multiplier(9, 4, 4), Is.EqualTo(1));
        });
    }

    [Test]
    public void impossible_schedules_are_named() => Assert.Multiple(() =>
    {
        var steps = new LearningRateSchedule { Decay = LearningRateDecay.MultiStep, Milestones = [2] };
        Assert.That(
            () => (constant with { WarmUpEpochs = 5 }).Check(10, 5),
            Throws.TypeOf<InputException>().With.Message.Contains("shorter than the 5 epochs"));
        Assert.That(() => (constant with { WarmUpSteps = 50 }).Check(10, 5), Throws.TypeOf<InputException>());
        Assert.That(() => (constant with { WarmUpEpochs = double.NaN }).Check(10, 5), Throws.TypeOf<InputException>());
        Assert.That(
            () => (steps with { Milestones = [] }).Check(10, 5),
            Throws.TypeOf<InputException>().With.Message.Contains("milestone"));
        Assert.That(
            () => (steps with { Factor = double.NaN }).Check(10, 5),
            Throws.TypeOf<InputException>().With.Message.Contains("factor"));
        Assert.That(() => steps.Check(10, 5), Throws.Nothing);
    });

    private static void AssertEqualsScheduler(
        LearningRateSchedule schedule, int epochs, Func<torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler> create)
    {
        using var parameter = new Parameter(torch.ones(1));
        using var optimiser = torch.optim.SGD([parameter], 0.1);
        var scheduler = create(optimiser);
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            var ours = 0.1 * schedule.Multiplier(epoch * 7L, 7, epochs);
            Assert.That(ours, Is.EqualTo(optimiser.ParamGroups.Single().LearningRate).Within(1e-12), $"epoch {epoch}");
            scheduler.step();
        }
    }
}
