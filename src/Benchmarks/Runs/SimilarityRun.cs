using Pascl.Benchmarks.Measuring;
using Pascl.Benchmarks.Workloads;
using Pascl.Kernels;
using Pascl.Kernels.Device;

namespace Pascl.Benchmarks.Runs;

/// <summary>The similarities of the rows that take part and the gradient of their sum, by kernels.</summary>
internal sealed class SimilarityRun : DeviceRun
{
    private readonly Similarity kernels;
    private readonly float temperature;
    private readonly DeviceMatrix<float> rows;
    private readonly DeviceMatrix<float> anchors;
    private readonly DeviceMatrix<float> similarity;
    private readonly DeviceMatrix<float> ones;
    private readonly DeviceBuffer<float> anchorsGradient;
    private readonly DeviceBuffer<float> rowsGradient;

    public SimilarityRun(KernelDevice device, LossBatch batch, SimilarityVariant variant)
        : base(device)
    {
        var (m, n, width) = (batch.Workload.Anchors, batch.Workload.Contrasts, batch.Workload.Width);
        kernels = new Similarity(device, variant);
        temperature = (float)batch.Workload.Temperature;
        rows = Buffer<float>(batch.ParticipantValues).Matrix(n, width);
        anchors = new DeviceMatrix<float>(rows.Address, m, width);
        similarity = Buffer<float>((long)m * n).Matrix(m, n);
        var values = new float[m * n];
        Array.Fill(values, 1);
        ones = Buffer<float>(values).Matrix(m, n);
        anchorsGradient = Buffer<float>((long)m * width);
        rowsGradient = Buffer<float>((long)n * width);
    }

    public override void Launch()
    {
        kernels.Forward(anchors, rows, temperature, similarity);
        var (m, n, width) = (anchors.Rows, rows.Rows, rows.Columns);
        kernels.Backward(ones, anchors, rows, temperature, anchorsGradient.Matrix(m, width), rowsGradient.Matrix(n, width));
    }

    /// <summary>The gradient of the rows; the sum of their two roles is made here, on the host, and not measured.</summary>
    public override float[] Result() => SumOfRoles(rowsGradient, anchorsGradient);
}
