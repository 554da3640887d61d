using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>Device memory for one pass of BatchNorm; what is written is guarded.</summary>
internal sealed class BatchNormMemory<T, TElement> : IDisposable
    where T : unmanaged
    where TElement : struct, IElement<T>
{
    private readonly List<IDisposable> owned = [];
    private readonly KernelDevice device;
    private readonly int firstElement;
    private readonly int length;
    private readonly bool adds;
    private readonly GuardedBuffer<T> output;
    private readonly GuardedBuffer<T> inputGradient;
    private readonly GuardedBuffer<T> residualGradient;
    private readonly DeviceBuffer<float> running;
    private readonly int channels;

    public BatchNormMemory(KernelDevice device, BatchShape shape, DeviceVector<float> workspace, bool adds, int firstElement)
    {
        (this.device, this.adds, this.firstElement, length, channels) = (device, adds, firstElement, (int)shape.Length, shape.Channels);
        output = Own(new GuardedBuffer<T>(device, length, firstElement));
        inputGradient = Own(new GuardedBuffer<T>(device, length, firstElement));
        residualGradient = Own(new GuardedBuffer<T>(device, adds ? length : 0, firstElement));
        WeightGradient = Own(new GuardedBuffer<float>(device, channels, firstElement));
        BiasGradient = Own(new GuardedBuffer<float>(device, channels, firstElement));
        State = Own(new GuardedBuffer<float>(device, DualBatchNormState.Length(channels), firstElement));
        Moments = Own(new GuardedBuffer<BatchMoments>(device, 2 * channels));
        running = Own(device.Allocate<float>([.. Row(0), .. Row(1), .. Row(0), .. Row(1)]));
        Workspace = workspace;
    }

    public DeviceVector<T> Output => output.Vector;

    public DeviceVector<T> InputGradient => inputGradient.Vector;

    public DeviceVector<T> ResidualGradient => adds ? residualGradient.Vector : default;

    public GuardedBuffer<float> WeightGradient { get; }

    public GuardedBuffer<float> BiasGradient { get; }

    public GuardedBuffer<float> State { get; }

    public GuardedBuffer<BatchMoments> Moments { get; }

    public DeviceVector<float> Workspace { get; }

    public ChannelStatistics Running(int mean, int variance) =>
        new(running.Vector.Slice(mean * channels, channels), running.Vector.Slice(variance * channels, channels));

    public DeviceVector<T> Input(double[] values) =>
        Own(new GuardedBuffer<T>(device, [.. values.Select(value => TElement.FromSingle((float)value))], firstElement)).Vector;

    public DeviceVector<float> Floats(double[] values) => Own(new GuardedBuffer<float>(device, [.. values.Select(value => (float)value)], firstElement)).Vector;

    public IReadOnlyDictionary<string, float[]> Read(bool evaluates)
    {
        var written = new Dictionary<string, float[]>
        {
            ["output"] = Singles(output),
            ["input gradient"] = Singles(inputGradient),
            ["residual gradient"] = adds ? Singles(residualGradient) : [],
            ["weight gradient"] = WeightGradient.Read(),
            ["bias gradient"] = BiasGradient.Read(),
        };
        if (!evaluates)
        {
            written["state"] = State.Read();
            written["running"] = running.ToArray();
            written["moments"] = [.. Moments.Read().SelectMany(moments => new[] { moments.Count, moments.Mean, moments.SquaredDeviations })];
        }

        return written;
    }

    public void Dispose() => owned.ForEach(memory => memory.Dispose());

    private static float[] Singles(GuardedBuffer<T> buffer) => [.. buffer.Read().Select(TElement.ToSingle)];

    private float[] Row(float value) => [.. Enumerable.Repeat(value, channels)];

    private TMemory Own<TMemory>(TMemory memory)
        where TMemory : IDisposable
    {
        owned.Add(memory);
        return memory;
    }
}
