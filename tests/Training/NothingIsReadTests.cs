using Pascl.Tests.Training.Interop;
using Pascl.Training;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using Pascl.Training.Methods;
using Pascl.Training.Optimisation;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Tests.Training;

/// <summary>
/// Between two readings of the losses no step reads a value of a tensor, or moves one between devices but by <see cref="HostUpload"/>: on a GPU the host would wait for
/// it. Seen by libtorch's operations in real steps, and on the meta device. What reads a CPU tensor's memory without an operation (<c>item</c>, <c>data</c>) is seen by
/// <see cref="StepCallsTests"/>; what kernels wait for is counted in <see cref="TrainingStepTests"/>.
/// </summary>
public sealed class NothingIsReadTests
{
    /// <summary>Operations that give the host a value, or whose result's shape depends on values.</summary>
    private static readonly string[] Reading =
    [
        "aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::masked_select", "aten::_unique", "aten::_unique2", "aten::unique_dim",
        "aten::unique_consecutive", "aten::unique_dim_consecutive", "aten::bincount",
    ];

    // PASCL's contrastive loss on the CPU multiplies its gradient by that of its result; on a GPU a kernel does.
    [TestCase(Method.CrossEntropy, 0)]
    [TestCase(Method.OutlierExposure, 0)]
    [TestCase(Method.Pascl, 1)]
    [TestCase(Method.EnergyOutlierExposure, 0)]
    [TestCase(Method.Cocl, 0)]
    [TestCase(Method.Eat, 0)]
    [TestCase(Method.Rna, 0)]
    [TestCase(Method.Tscl, 0)]
    [TestCase(Method.Patt, 0)]
    [Platform("Linux")]
    public void a_step_of_the_first_phase_reads_nothing_but_the_slope_of_the_contrastive_loss_on_the_cpu(string method, int readings)
    {
        var names = OperationsOfSteps(method, phase: 0, steps: 3);
        Assert.That(names.Where(Reading.Contains), Is.EqualTo(Enumerable.Repeat("aten::_local_scalar_dense", 3 * readings)));
    }

    [Test]
    [Platform("Linux")]
    public void a_step_of_the_second_phase_reads_nothing() =>
        Assert.That(OperationsOfSteps(Method.Pascl, phase: 1, steps: 3).Where(Reading.Contains), Is.Empty);

    [Test]
    [Platform("Linux")]
    public void readings_are_seen_where_they_are_operations()
    {
        using var scope = NewDisposeScope();
        var values = tensor((float[])[1, 0, 2]);
        var mask = values > 0;
        Assert.Multiple(() =>
        {
            Assert.That(Readings(() => values[1].ToSingle()), Is.EqualTo((string[])["aten::_local_scalar_dense"]));
            Assert.That(Readings(() => values.nonzero()), Does.Contain("aten::nonzero"));
            Assert.That(Readings(() => values.masked_select(mask)), Is.Not.Empty);
            Assert.That(Readings(() => _ = values[mask]), Does.Contain("aten::nonzero"));
            Assert.That(Readings(() => values.unique()), Is.Not.Empty);
            Assert.That(Readings(() => values[0].item<float>()), Is.Empty, "TorchSharp looks into the memory of a tensor on the CPU itself");
        });
    }

    [Test]
    [Platform("Linux")]
    public void copies_between_devices_are_seen_where_there_is_one_device()
    {
        using var scope = NewDisposeScope();
        long[] numbers = [1, 2, 3];
        var values = tensor(numbers);
        Assert.Multiple(() =>
        {
            Assert.That(Moves(() => values.to(CPU)), Is.EqualTo(1));
            Assert.That(Moves(() => values.cpu()), Is.EqualTo(1));
            Assert.That(Moves(() => values.to(float32)), Is.Zero, "a cast stays where it is");
            Assert.That(Moves(() => HostUpload.Vector(numbers, CPU)), Is.Zero, "the way for steps");
            Assert.That(Moves(() => HostUpload.To(values, CPU)), Is.Zero);
        });

        static int Moves(Action move)
        {
            using var operations = new TorchOperations();
            move();
            return operations.Moves.Count();
        }
    }

    // Tensors on the meta device have a shape and no values, so whatever reads one fails. Torch's losses and BatchNorm do not run there from C++.
    [Test]
    public void the_optimiser_and_the_sums_of_the_losses_need_no_value([Values] OptimiserKind kind)
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(empty([3, 4], device: META));
        using var optimiser = new Optimiser(
            new OptimiserSettings(kind, LearningRate: 0.1, WeightDecay: 1e-4) { Momentum = 0.9 }, [("weight", parameter)]);
        optimiser.ZeroGradients();
        var loss = parameter.sum();
        loss.backward();
        optimiser.Step();
        using var sums = new LossSums(terms: 2, null, META);
        sums.Add(new LossTerms(loss, loss));
        Assert.That(() => loss.item<float>(), Throws.Exception, "values cannot be read here");
    }

    private static IEnumerable<string> Readings(Action read)
    {
        using var operations = new TorchOperations();
        read();
        return operations.Names.Where(Reading.Contains);
    }

    private static IReadOnlyList<string> OperationsOfSteps(string method, int phase, int steps)
    {
        IReadOnlyList<string> names = [];
        var recipe = TrainingStepTests.Small(MethodDefinition.Find(method).Apply(TinyTraining.Recipe));
        TrainingStepTests.Run(recipe, Backend.Torch, phase, (_, take) =>
        {
            using var operations = new TorchOperations();
            for (var step = 0; step < steps; step++)
            {
                take();
            }

            names = operations.Names;
            Assert.That(operations.Moves, Is.Empty, "copies between host and device");
        });
        Assert.That(names.Count(name => name == "aten::convolution"), Is.GreaterThanOrEqualTo(17 * steps), "the network's convolutions were seen");
        return names;
    }
}
