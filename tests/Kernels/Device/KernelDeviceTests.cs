using ILGPU;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels.Device;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class KernelDeviceTests(string name)
{
    private static readonly int[] Positions = [0, 1, 2, 10, 11, 12];

    private KernelDevice Device => Devices.Get(name);

    [TestCase(1)]
    [TestCase(32)]
    [TestCase(100)]
    public void a_kernel_reads_views_and_numbers_and_writes_a_view(int length)
    {
        float[] values = [.. Enumerable.Range(0, length)];
        using var input = Device.Allocate<float>(values);
        using var output = new GuardedBuffer<float>(Device, length);
        Device.Load(Affine).Launch(new LaunchShape((length + 31) / 32, 32), input.Vector, output.Vector, length, 2f, 3L);
        Assert.That(output.Read(), Is.EqualTo(values.Select(value => (2 * value) + 3)));
    }

    [Test]
    public void blocks_have_columns_and_rows()
    {
        using var output = new GuardedBuffer<int>(Device, 6);
        Device.Load(Position).Launch(new LaunchShape(3, 2, 32), output.Vector);
        Assert.That(output.Read(), Is.EqualTo(Positions));
    }

    [Test]
    public void an_argument_of_another_type_is_refused()
    {
        using var buffer = Device.Allocate<int>(8);
        var kernel = Device.Load(Position);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => kernel.Launch(new LaunchShape(1, 32), 1), Throws.ArgumentException.With.Message.EqualTo("KernelDeviceTests.Position takes a view of Int32 as output, not a number of type Int32."));
            Assert.That(() => kernel.Launch(new LaunchShape(1, 32)), Throws.ArgumentException.With.Message.EqualTo("KernelDeviceTests.Position takes 1 arguments, not 0."));
            Assert.That(() => kernel.Launch(new LaunchShape(1, 33), buffer.Vector), Throws.ArgumentException.With.Message.Contains("a multiple of 32 threads up to 32"));
        }
    }

    [Kernel(32)]
    private static void Affine(ArrayView<float> input, ArrayView<float> output, int length, float slope, long offset)
    {
        var i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < length)
        {
            output[i] = (slope * input[i]) + offset;
        }
    }

    [Kernel(32)]
    private static void Position(ArrayView<int> output)
    {
        if (Group.IdxX == 0)
        {
            output[(Grid.IdxY * Grid.DimX) + Grid.IdxX] = (10 * Grid.IdxY) + Grid.IdxX;
        }
    }
}
