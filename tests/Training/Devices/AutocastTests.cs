using Pascl.Training.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Devices;

public sealed class AutocastTests
{
    [Test]
    public void products_are_bfloat16_inside_a_scope_and_float32_outside()
    {
        using var scope = NewDisposeScope();
        Assert.That(ProductType(), Is.EqualTo(ScalarType.Float32));
        using (Autocast.Begin(DeviceType.CPU, Precision.BFloat16))
        {
            Assert.That(ProductType(), Is.EqualTo(ScalarType.BFloat16));
            using (Autocast.Begin(DeviceType.CPU, Precision.Float32))
            {
                Assert.That(ProductType(), Is.EqualTo(ScalarType.Float32));
            }

            Assert.That(ProductType(), Is.EqualTo(ScalarType.BFloat16));
        }

        Assert.That(ProductType(), Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void an_exception_ends_the_scope()
    {
        using var scope = NewDisposeScope();
        Assert.That(Failing, Throws.TypeOf<InvalidOperationException>());
        Assert.That(ProductType(), Is.EqualTo(ScalarType.Float32));

        static void Failing()
        {
            using var autocast = Autocast.Begin(DeviceType.CPU, Precision.BFloat16);
            throw new InvalidOperationException();
        }
    }

    [Test]
    public void an_unresolved_precision_is_refused() =>
        Assert.That(() => Autocast.Begin(DeviceType.CPU, Precision.Auto).Dispose(), Throws.ArgumentException);

    private static ScalarType ProductType() => ones(2, 2).mm(ones(2, 2)).dtype;
}
