using Pascl.Training.Networks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Networks;

public sealed class DualBranchBatchNorm2dTests
{
    private DisposeScope scope = null!;

    [SetUp]
    public void SetUp()
    {
        scope = NewDisposeScope();
        random.manual_seed(1);
    }

    [TearDown]
    public void TearDown() => scope.Dispose();

    [Test]
    public void each_branch_computes_what_torch_computes_in_training_and_evaluation([Values] Branch branch, [Values(1, 7)] int images)
    {
        using var ours = new DualBranchBatchNorm2d(3);
        using var torchs = nn.BatchNorm2d(3);
        for (var step = 0; step < 2; step++)
        {
            Compare(ours, torchs, randn(images, 3, 5, 2), branch);
        }

        ours.eval();
        torchs.eval();
        Compare(ours, torchs, randn(images, 3, 4, 4), branch);
        var expected = torchs.state_dict();
        var prefix = branch == Branch.Main ? "" : "auxiliary.";
        Assert.That(expected.All(entry => ours.state_dict()[prefix + entry.Key].eq(entry.Value).all().item<bool>()));
    }

    [Test]
    public void training_one_branch_leaves_the_other_alone()
    {
        using var normalisation = new DualBranchBatchNorm2d(2);
        var before = Copy(normalisation, "auxiliary.");
        normalisation.forward(randn(4, 2, 3, 3), Branch.Main).sum().backward();
        Assert.Multiple(() =>
        {
            Assert.That(Copy(normalisation, "auxiliary."), Is.EqualTo(before));
            Assert.That(normalisation.named_parameters().Where(entry => entry.parameter.grad is not null).Select(entry => entry.name), Is.EquivalentTo(["weight", "bias"]));
            Assert.That(normalisation.state_dict()["num_batches_tracked"].item<long>(), Is.EqualTo(1));
        });
    }

    [Test]
    public void a_frozen_branch_uses_and_keeps_its_running_statistics()
    {
        using var normalisation = new DualBranchBatchNorm2d(2);
        foreach (var parameter in normalisation.parameters())
        {
            parameter.requires_grad = false;
        }

        var input = randn(4, 2, 3, 3) + 5;
        var output = normalisation.forward(input, Branch.Main);
        Assert.Multiple(() =>
        {
            Assert.That(output.allclose(input / Math.Sqrt(1 + 1e-5)));
            Assert.That(normalisation.state_dict()["running_mean"].eq(0).all().item<bool>());
            Assert.That(normalisation.state_dict()["num_batches_tracked"].item<long>(), Is.Zero);
        });
    }

    [Test]
    public void the_auxiliary_branch_can_start_as_a_copy_that_goes_its_own_way()
    {
        using var normalisation = new DualBranchBatchNorm2d(2);
        normalisation.forward(randn(4, 2, 3, 3) + 1, Branch.Main);
        normalisation.CopyMainToAuxiliary();
        Assert.That(Copy(normalisation, "auxiliary."), Is.EqualTo(Copy(normalisation, "")));

        normalisation.forward(randn(4, 2, 3, 3) + 2, Branch.Main);
        Assert.That(Copy(normalisation, "auxiliary."), Is.Not.EqualTo(Copy(normalisation, "")));
    }

    private static void Compare(DualBranchBatchNorm2d ours, BatchNorm2d torchs, Tensor input, Branch branch)
    {
        var (actual, expected) = (ours.forward(input, branch), torchs.forward(input));
        Assert.That(actual.eq(expected).all().item<bool>());
    }

    private static double[] Copy(DualBranchBatchNorm2d normalisation, string prefix)
    {
        var state = normalisation.state_dict();
        string[] names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"];
        return [.. names.SelectMany(name => state[prefix + name].to(float64).reshape(-1).data<double>().ToArray())];
    }
}
