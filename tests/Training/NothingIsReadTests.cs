using Pascl.Tests.Training.Interop;
using Pascl.Training.Loss;
using Pascl.Training.Methods;
using Pascl.Training.Optimisation;
using Pascl.Training.Recipes;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Tests.Training;

/// <summary>
/// Between two readings of the losses no step reads a value of a tensor: on a GPU the host would wait for it. Seen by libtorch's operations in real steps, and
/// on the meta device. A copy to the host cannot be told from no copy on the CPU; what kernels wait for is counted in <see cref="TrainingStepTests"/>.
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
    [Platform("Linux")]
    public void a_step_of_the_first_phase_reads_nothing_but_the_slope_of_the_contrastive_loss_on_the_cpu(Method method, int readings)
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
    public void every_way_to_read_is_seen()
    {
        using var scope = NewDisposeScope();
        var values = tensor((float[])[1, 0, 2]);
        using var operations = new TorchOperations();
        _ = values[0].item<float>();
        _ = values[1].ToSingle();
        _ = values.nonzero();
        _ = values.masked_select(values > 0);
        _ = values[values > 0];
        _ = values.unique();
        Assert.That(
            operations.Names.Where(Reading.Contains).Distinct(),
            Is.SupersetOf((string[])["aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::_unique2"]));
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

    private static IReadOnlyList<string> OperationsOfSteps(Method method, int phase, int steps)
    {
        IReadOnlyList<string> names = [];
        var recipe = TrainingStepTests.Small(MethodDefinition.Of(method).Apply(TinyTraining.Recipe));
        TrainingStepTests.Run(recipe, Backend.Torch, phase, (_, take) =>
        {
            using var operations = new TorchOperations();
            for (var step = 0; step < steps; step++)
            {
                take();
            }

            names = operations.Names;
        });
        Assert.That(names.Count(name => name == "aten::convolution"), Is.GreaterThanOrEqualTo(20 * steps), "the network's convolutions were seen");
        return names;
    }
}
