using Pascl.Training.Interop;
using TorchSharp;

namespace Pascl.Tests.Training.Interop;

public sealed class NativeLibTorchTests
{
    [Test]
    public void torch_computes_after_the_loader_ran()
    {
        using var ones = torch.ones(2, 3);
        using var sum = ones.sum();
        Assert.Multiple(() =>
        {
            Assert.That(sum.item<float>(), Is.EqualTo(6f));
            Assert.That(NativeLibTorch.EnsureLoaded().LibTorchFolder, Is.Not.Empty);
        });
    }
}
