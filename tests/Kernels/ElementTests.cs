using ILGPU;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class ElementTests(string name)
{
    private static readonly float[] Values =
    [
        0, -0f, 1, -1.5f, 1 + (1 / 256f), 1 + (3 / 256f), 1 + (1 / 2048f), 1 + (3 / 2048f), 1.2345f, -9.8765f, 3e-5f, 7e-6f, 1e-9f, 65504, 65519, 65520, -1e30f,
        float.PositiveInfinity, float.NaN,
    ];

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void kernels_convert_as_the_processor_does()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Convert<float, SingleElement>(), Is.EqualTo(Values));
            Assert.That(Convert<ILGPU.Half, Float16Element>(), Is.EqualTo(Values.Select(value => (float)(System.Half)value)));
            Assert.That(Convert<BFloat16, BFloat16Element>(), Is.EqualTo(Values.Select(value => ((BFloat16)value).ToSingle())));
        });
    }

    private float[] Convert<T, TElement>()
        where T : unmanaged
        where TElement : struct, IElement<T>
    {
        using var input = Device.Allocate<float>(Values);
        using var stored = new GuardedBuffer<T>(Device, Values.Length);
        using var output = new GuardedBuffer<float>(Device, Values.Length);
        Device.Load(RoundTrip<T, TElement>).Launch(new LaunchShape(1, 32), input.Vector, stored.Vector, output.Vector, Values.Length);
        return output.Read();
    }

    [Kernel(32)]
    private static void RoundTrip<T, TElement>(ArrayView<float> input, ArrayView<T> stored, ArrayView<float> output, int length)
        where T : unmanaged
        where TElement : struct, IElement<T>
    {
        var i = Group.IdxX;
        if (i < length)
        {
            stored[i] = TElement.FromSingle(input[i]);
            output[i] = TElement.ToSingle(stored[i]);
        }
    }
}
