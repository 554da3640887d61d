using System.Runtime.InteropServices;
using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Tests.Kernels;

namespace Pascl.Tests.Benchmarks;

public sealed class MeasuringTests
{
    [Test]
    public unsafe void the_peak_has_memory_that_was_freed_again()
    {
        const int Bytes = 64 << 20;
        var before = ResidentMemory.StartAgain();
        var memory = NativeMemory.Alloc(Bytes);
        NativeMemory.Fill(memory, Bytes, 1);
        NativeMemory.Free(memory);
        Assert.That(ResidentMemory.Peak - before, Is.GreaterThan(Bytes / 2));
        Assert.That(ResidentMemory.StartAgain() - before, Is.LessThan(Bytes / 2));
        Assert.That(ResidentMemory.Peak - before, Is.LessThan(Bytes / 2), "the peak is forgotten");
    }

    [Test]
    public void the_gradient_a_few_anchors_at_a_time_is_that_of_the_plain_loops()
    {
        var workload = new LossWorkload("many", "for tests", Images: 160, TailImages: 150, Outliers: 40, Classes: 5, TailClasses: 4, Width: 3, Temperature: 0.2);
        using var batch = new LossBatch(workload);
        double[] values = Array.ConvertAll(batch.Values, value => (double)value);
        var expected = Pascl.Kernels.FusedContrastiveLossReference.BackwardOfBatch(
            values, workload.Width, Array.ConvertAll(batch.Classes, label => (int)label), workload.IsTailClass, workload.Temperature);
        Assert.That(batch.GradientByTorch(values), Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void a_rotated_run_has_one_copy_where_there_is_no_cache()
    {
        var device = Devices.Get("simulator");
        using var run = new RotatedRun(device, () => new EmptyRun(device));
        Assert.That(run.Copies, Is.EqualTo(1));
    }

    private sealed class EmptyRun : DeviceRun
    {
        public EmptyRun(Pascl.Kernels.Device.KernelDevice device)
            : base(device) => Buffer<float>(4);

        public override void Launch()
        {
        }

        public override float[] Result() => [];
    }
}
