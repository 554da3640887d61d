using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>
/// The contrastive loss by the simplest kernels: the similarities stored, a thread for each, rows read twice, gradients by the same products. It is given the
/// rows that take part, which the others pick themselves.
/// </summary>
internal sealed class NaiveContrastiveRun : DeviceRun
{
    private readonly Similarity similarity;
    private readonly MaskedLoss loss;
    private readonly DeviceMatrix<float> rows;
    private readonly DeviceMatrix<float> anchors;
    private readonly DeviceMatrix<float> matrix;
    private readonly DeviceMatrix<float> matrixGradient;
    private readonly DeviceMatrix<float> anchorsGradient;
    private readonly DeviceMatrix<float> rowsGradient;
    private readonly DeviceVector<int> labels;
    private readonly DeviceVector<float> state;
    private readonly DeviceVector<float> one;
    private readonly DeviceVector<float> result;
    private readonly DeviceBuffer<float> anchorsGradientMemory;
    private readonly DeviceBuffer<float> rowsGradientMemory;
    private readonly float temperature;

    public NaiveContrastiveRun(KernelDevice device, LossBatch batch)
        : base(device)
    {
        var (m, n, width) = (batch.Workload.Anchors, batch.Workload.Contrasts, batch.Workload.Width);
        temperature = (float)batch.Workload.Temperature;
        similarity = new Similarity(device, SimilarityVariant.Naive);
        loss = Own(new MaskedLoss(device, MaskedLossVariant.TwoPass));
        rows = Buffer<float>(batch.ParticipantValues).Matrix(n, width);
        anchors = new DeviceMatrix<float>(rows.Address, m, width);
        matrix = Buffer<float>((long)m * n).Matrix(m, n);
        matrixGradient = Buffer<float>((long)m * n).Matrix(m, n);
        anchorsGradientMemory = Buffer<float>((long)m * width);
        rowsGradientMemory = Buffer<float>((long)n * width);
        (anchorsGradient, rowsGradient) = (anchorsGradientMemory.Matrix(m, width), rowsGradientMemory.Matrix(n, width));
        labels = Buffer<int>(batch.AnchorClasses).Vector;
        state = Buffer<float>(MaskedLoss.StateLength(m)).Vector;
        one = Buffer<float>([1f]).Vector;
        result = Buffer<float>(1).Vector;
    }

    public override void Launch()
    {
        similarity.Forward(anchors, rows, temperature, matrix);
        loss.Forward(matrix, labels, default, state, result);
        loss.Backward(matrix, labels, default, state, one, matrixGradient);
        similarity.Backward(matrixGradient, anchors, rows, temperature, anchorsGradient, rowsGradient);
    }

    /// <summary>The gradient of the rows that take part; the sum of their two roles is made here, on the host, and not measured.</summary>
    public override float[] Result() => SumOfRoles(rowsGradientMemory, anchorsGradientMemory);
}
