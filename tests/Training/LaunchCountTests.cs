using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;
using Pascl.Training.Interop;
using Pascl.Training.Losses;
using Pascl.Training.Networks;
using static TorchSharp.torch;

namespace Pascl.Tests.Training;

/// <summary>How many kernels an operation launches forward and backward, on torch's tensors.</summary>
[SimulatesGpu]
public sealed class LaunchCountTests
{
    private static readonly long[] Classes = [0, 2, 1, 2];

    private static KernelDevice Device => Kernels.Devices.Get("simulator");

    [Test]
    public void the_contrastive_loss_is_one_launch_each_way()
    {
        using var scope = NewDisposeScope();
        using var loss = new PasclLoss([false, false, true], temperature: 0.1, device: Device);
        var features = nn.functional.normalize(randn(11, 16)).requires_grad_();
        var (forward, backward) = Launches(() => loss.forward(features, tensor(Classes)));
        Assert.That((forward, backward), Is.EqualTo((1, 1)));
    }

    [Test]
    public void the_losses_of_the_logits_are_one_launch_each_way()
    {
        using var scope = NewDisposeScope();
        using var loss = new ObjectiveKernelLoss(Device, outlierWeight: 0.5);
        var logits = randn(7, 3).requires_grad_();
        var (forward, backward) = Launches(() => loss.forward(logits, tensor(Classes)).Total);
        Assert.That((forward, backward), Is.EqualTo((1, 1)));
    }

    [Test]
    public void batchnorm_of_both_branches_is_two_launches_each_way([Values] BatchNormActivation activation)
    {
        using var scope = NewDisposeScope();
        using var normalisation = new DualBranchBatchNorm2d(8, Device);
        var input = ChannelsLast.Of(randn(4, 8, 2, 3)).requires_grad_();
        var residual = ChannelsLast.Of(randn(4, 8, 2, 3)).requires_grad_();
        var (forward, backward) = Launches(() => normalisation.forward(input, Branch.Main, activation, residual).sum());
        Assert.That((forward, backward), Is.EqualTo((2, 2)));
    }

    [Test]
    public void a_launch_is_told_by_its_name_and_reading_the_result_is_a_wait()
    {
        var names = new List<string>();
        Device.LaunchObserver = launch => names.Add(launch.Kernel.Name);
        try
        {
            using var anchors = Device.Allocate<float>([1, 0]);
            using var result = Device.Allocate<float>(1);
            var (launches, waits) = (Device.Launches, Device.HostWaits);
            new Similarity(Device).Forward(anchors.Matrix(1, 2), anchors.Matrix(1, 2), temperature: 0.5f, result.Matrix(1, 1));
            Assert.That((Device.Launches - launches, Device.HostWaits - waits), Is.EqualTo((1, 0)));
            result.ToArray();
            Device.Synchronize();
            using (Assert.EnterMultipleScope())
            {
                Assert.That(Device.HostWaits - waits, Is.EqualTo(2));
                Assert.That(names, Has.Count.EqualTo(1).And.All.StartWith("Similarity."));
            }
        }
        finally
        {
            Device.LaunchObserver = null;
        }
    }

    // The first pass may compile kernels and fill tables; the second is counted.
    private static (long Forward, long Backward) Launches(Func<Tensor> forward)
    {
        KernelGradients.Backward(forward());
        var (before, waits) = (Device.Launches, Device.HostWaits);
        var loss = forward();
        var between = Device.Launches;
        KernelGradients.Backward(loss);
        Assert.That(Device.HostWaits, Is.EqualTo(waits), "nothing waits for the device");
        return (between - before, Device.Launches - between);
    }
}
