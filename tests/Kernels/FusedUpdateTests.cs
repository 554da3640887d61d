using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

/// <summary>Whether the updates are those of the equations; that they are torch's in every bit is tested with the optimiser.</summary>
[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class FusedUpdateTests(string name)
{
    private const float LearningRate = 0.01f;
    private const int Steps = 3;

    // More than a block, a block and less, one, none.
    private static readonly int[] Lengths = [FusedUpdateKernels.ElementsPerBlock + 37, FusedUpdateKernels.ElementsPerBlock, 33, 1, 0];

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void adam_takes_the_references_steps([Values(0, 5e-4)] double weightDecay) => Check(Lengths, new AdamConstants(weightDecay), null);

    [TestCase(0, 0, false)]
    [TestCase(5e-4, 0.9, false)]
    [TestCase(5e-4, 0.9, true)]
    public void sgd_takes_the_references_steps(double weightDecay, double momentum, bool nesterov) =>
        Check(Lengths, null, new SgdConstants(weightDecay, momentum, nesterov));

    // Parameters of a network are parts of a flat buffer: each begins where the one before ends.
    [Test]
    public void tensors_may_begin_at_any_element([Values(1, 2, 3)] int offset) => Check([65, 4, 130], new AdamConstants(1e-3), null, offset);

    [Test]
    public void any_number_of_tensors_of_any_length() =>
        Gen.Int[0, 70].Array[1, 6].Sample(lengths => Check(lengths, new AdamConstants(1e-3), null), iter: Device.IsSimulator ? 4 : 20, threads: 1);

    [Test]
    public void a_tensor_without_gradient_stays_as_it_is()
    {
        using var values = Device.Allocate<float>([1, 2]);
        using var other = Device.Allocate<float>([3]);
        using var gradient = Device.Allocate<float>([0.5f]);
        using var update = new FusedUpdate(Device, [2, 1]);
        update.Sgd([new(values.Vector, default, default, default, -1), new(other.Vector, gradient.Vector, default, default, -1)], new SgdConstants(0.1, Momentum: 0));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values.ToArray(), Is.EqualTo([1f, 2f]));
            Assert.That(other.ToArray(), Is.EqualTo([2.2f]).Within(1e-6));
        }
    }

    [Test]
    public void a_step_is_one_launch_and_no_wait()
    {
        using var memory = Device.Allocate<float>(new float[64]);
        using var update = new FusedUpdate(Device, [16, 0, 8]);
        var (part, empty) = (memory.Vector.Slice(0, 16), memory.Vector.Slice(0, 0));
        var eight = memory.Vector.Slice(32, 8);
        var (launches, waits) = (Device.Launches, Device.HostWaits);
        update.Adam([new(part, part, part, part, -1), new(empty, empty, empty, empty, -1), new(eight, eight, eight, eight, -1)], new AdamConstants(0));
        Assert.That((Device.Launches - launches, Device.HostWaits - waits), Is.EqualTo((1, 0)));
    }

    [Test]
    public void lengths_that_do_not_fit_are_refused()
    {
        using var update = new FusedUpdate(Device, [3]);
        var (three, two) = (new DeviceVector<float>(16, 3), new DeviceVector<float>(16, 2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => update.Adam([], new AdamConstants(0)), Throws.ArgumentException.With.Message.StartsWith("There are 0 tensors; the table has 1."));
            Assert.That(
                () => update.Adam([new(two, three, three, three, -1)], new AdamConstants(0)),
                Throws.ArgumentException.With.Message.EqualTo("Tensor 0 has 2 elements; the table was made for 3."));
            Assert.That(
                () => update.Adam([new(three, two, three, three, -1)], new AdamConstants(0)),
                Throws.ArgumentException.With.Message.EqualTo("Tensor 0 has 2 elements in its gradient; the table was made for 3."));
            Assert.That(
                () => update.Adam([new(three, three, three, default, -1)], new AdamConstants(0)),
                Throws.ArgumentException.With.Message.EqualTo("Tensor 0 has 0 elements in its second moment; the table was made for 3."));
            Assert.That(
                () => update.Sgd([new(three, three, default, default, -1)], new SgdConstants(0)),
                Throws.ArgumentException.With.Message.EqualTo("Tensor 0 has 0 elements in its first moment; the table was made for 3."));
            Assert.That(
                () => update.Sgd([new(three, three, three, default, -1, Copy: new(16, 4))], new SgdConstants(0)),
                Throws.ArgumentException.With.Message.EqualTo("Tensor 0 has 4 elements in its copy; the table was made for 3."));
        }
    }

    [TestCase(1.0000001f, 1.0000001f, -1.0000002f)]
    [TestCase(0.1f, 0.1f, 1e-9f)]
    [TestCase(3e38f, 3e38f, 1f)]
    [TestCase(1e-30f, 1e-10f, 1e-40f)]
    [TestCase(16777216f, 1.0000001f, 0.49999997f)]
    [TestCase(float.PositiveInfinity, 0f, 1f)]
    [TestCase(0f, 5f, -0f)]
    public void a_product_and_a_sum_are_rounded_once(float factor, float value, float summand) =>
        Assert.That(Rounded.MultiplyAdd(factor, value, summand), Is.EqualTo(MathF.FusedMultiplyAdd(factor, value, summand)));

    // Bits at random are numbers of every size; halves of the exponent's range meet more often.
    [Test]
    public void a_product_and_a_sum_of_any_numbers_are_rounded_once() =>
        Gen.Select(Gen.Int, Gen.Int, Gen.Int, Gen.Int[-30, 30]).Sample(
            (a, b, c, distance) =>
            {
                var (factor, value) = (BitConverter.Int32BitsToSingle(a), BitConverter.Int32BitsToSingle(b));
                var summand = BitConverter.Int32BitsToSingle((c & 0x007F_FFFF) | (BitConverter.SingleToInt32Bits(MathF.ScaleB(factor * value, distance)) & 0x7F80_0000));
                var (actual, expected) = (Rounded.MultiplyAdd(factor, value, summand), MathF.FusedMultiplyAdd(factor, value, summand));
                return BitConverter.SingleToInt32Bits(actual) == BitConverter.SingleToInt32Bits(expected) || (float.IsNaN(actual) && float.IsNaN(expected));
            },
            iter: 20_000,
            threads: 1);

    private void Check(int[] lengths, AdamConstants? adam, SgdConstants? sgd, int offset = 0)
    {
        var start = lengths.Select((length, i) => Numbers(i + 1, length)).ToArray();
        var gradients = lengths.Select((length, i) => Numbers(i + 40, length)).ToArray();
        using var tensors = new Tensors(Device, start, gradients, offset);
        using var update = new FusedUpdate(Device, [.. lengths.Select(length => (long)length)]);
        double[][] values = [.. start.Select(Widen)], first = [.. lengths.Select(length => new double[length])], second = [.. lengths.Select(length => new double[length])];
        for (var step = 1; step <= Steps; step++)
        {
            if (adam is { } constants)
            {
                var rate = -LearningRate / (1 - Math.Pow(constants.Beta1, step));
                update.Adam(tensors.Rows((float)rate, (float)Math.Sqrt(1 - Math.Pow(constants.Beta2, step))), constants);
            }
            else
            {
                update.Sgd(tensors.Rows(-LearningRate, 1), sgd!.Value);
            }

            for (var i = 0; i < lengths.Length; i++)
            {
                if (adam is { } reference)
                {
                    FusedUpdateReference.Adam(values[i], Widen(gradients[i]), first[i], second[i], LearningRate, step, reference);
                }
                else
                {
                    FusedUpdateReference.Sgd(values[i], Widen(gradients[i]), first[i], LearningRate, sgd!.Value);
                }
            }
        }

        for (var i = 0; i < lengths.Length; i++)
        {
            // A dozen roundings a step, of numbers up to 1 and of updates that are smaller.
            var updated = tensors.Values[i].Read();
            Assert.That(updated.Select(value => (double)value), Is.EqualTo(values[i]).Within(Steps * 12 * Tolerance.Single), $"tensor {i}");
            Assert.That(tensors.Copies[i].Read(), Is.EqualTo(updated.Select(value => (BFloat16)value)), $"copy of tensor {i}");
        }
    }

    private static float[] Numbers(int seed, int length) => [.. GoldenInputs.Sequence((uint)seed, length).Select(value => (float)value)];

    private static double[] Widen(float[] values) => Array.ConvertAll(values, value => (double)value);

    // With margins around what is written.
    private sealed class Tensors : IDisposable
    {
        private readonly GuardedBuffer<float>[] gradients;
        private readonly GuardedBuffer<float>[] first;
        private readonly GuardedBuffer<float>[] second;

        public Tensors(KernelDevice device, float[][] start, float[][] slopes, int offset)
        {
            gradients = [.. slopes.Select(values => new GuardedBuffer<float>(device, values, offset))];
            Values = [.. start.Select(values => new GuardedBuffer<float>(device, values, offset))];
            first = [.. start.Select(values => new GuardedBuffer<float>(device, new float[values.Length], offset))];
            second = [.. start.Select(values => new GuardedBuffer<float>(device, new float[values.Length], offset))];
            Copies = [.. start.Select(values => new GuardedBuffer<BFloat16>(device, values.Length, offset))];
        }

        public GuardedBuffer<float>[] Values { get; }

        public GuardedBuffer<BFloat16>[] Copies { get; }

        public UpdatedTensor[] Rows(float rate, float correction) => [.. Values.Select((values, i) => new UpdatedTensor(
            values.Vector, gradients[i].Vector, first[i].Vector, second[i].Vector, rate, correction, Copies[i].Vector))];

        public void Dispose()
        {
            Array.ForEach([.. gradients, .. Values, .. first, .. second], buffer => buffer.Dispose());
            Array.ForEach(Copies, buffer => buffer.Dispose());
        }
    }
}
