using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// Scaled inner products of all pairs of rows, S = A B^T / temperature, and their gradients, on a device. One launch forward, two launches backward.
/// <see cref="SimilarityReference"/> has the equations.
/// </summary>
/// <remarks>Matrices whose rows begin at multiples of 16 bytes are read faster; each may or may not.</remarks>
public sealed class Similarity
{
    private readonly SimilarityVariant variant;
    private readonly Kernel forward;
    private readonly Kernel anchorsBackward;
    private readonly Kernel contrastsBackward;
    private readonly int naiveThreads;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">What they run on.</param>
    /// <param name="variant">How they multiply.</param>
    public Similarity(KernelDevice device, SimilarityVariant variant = SimilarityVariant.Tiled)
    {
        this.variant = variant;
        naiveThreads = device.IsSimulator ? 32 : SimilarityKernels.NaiveThreads;
        (forward, anchorsBackward, contrastsBackward) = variant switch
        {
            SimilarityVariant.Naive => (device.Load(SimilarityKernels.Naive), device.Load(SimilarityKernels.Naive), device.Load(SimilarityKernels.Naive)),
            SimilarityVariant.Tiled => (
                device.Load(SimilarityKernels.Tiled<LinesAreRows, LinesAreRows>),
                device.Load(SimilarityKernels.Tiled<LinesAreRows, LinesAreColumns>),
                device.Load(SimilarityKernels.Tiled<LinesAreColumns, LinesAreColumns>)),
            _ => throw new ArgumentOutOfRangeException(nameof(variant), variant, "This is not a variant."),
        };
    }

    /// <summary>Computes the similarities.</summary>
    /// <param name="anchors">(M, width).</param>
    /// <param name="contrasts">(N, width).</param>
    /// <param name="temperature">Divides the products; above 0.</param>
    /// <param name="similarity">(M, N), receives the similarities.</param>
    /// <exception cref="ArgumentException">Shapes do not fit, or the temperature is not above 0.</exception>
    public void Forward(DeviceMatrix<float> anchors, DeviceMatrix<float> contrasts, float temperature, DeviceMatrix<float> similarity)
    {
        Check(anchors, contrasts, temperature, similarity, nameof(similarity));
        Multiply(forward, new(anchors, false), new(contrasts, true), similarity, anchors.Columns, temperature);
    }

    /// <summary>Computes the gradients with respect to the anchors and the contrasts.</summary>
    /// <param name="similarityGradient">(M, N): the gradient with respect to the similarities.</param>
    /// <param name="anchors">(M, width).</param>
    /// <param name="contrasts">(N, width).</param>
    /// <param name="temperature">Divides the products; above 0.</param>
    /// <param name="anchorsGradient">(M, width), receives the gradient.</param>
    /// <param name="contrastsGradient">(N, width), receives the gradient.</param>
    /// <exception cref="ArgumentException">Shapes do not fit, or the temperature is not above 0.</exception>
    public void Backward(
        DeviceMatrix<float> similarityGradient,
        DeviceMatrix<float> anchors,
        DeviceMatrix<float> contrasts,
        float temperature,
        DeviceMatrix<float> anchorsGradient,
        DeviceMatrix<float> contrastsGradient)
    {
        Check(anchors, contrasts, temperature, similarityGradient, nameof(similarityGradient));
        CheckGradient(anchorsGradient, nameof(anchorsGradient), anchors, nameof(anchors));
        CheckGradient(contrastsGradient, nameof(contrastsGradient), contrasts, nameof(contrasts));
        Multiply(anchorsBackward, new(similarityGradient, false), new(contrasts, false), anchorsGradient, contrasts.Rows, temperature);
        Multiply(contrastsBackward, new(similarityGradient, true), new(anchors, false), contrastsGradient, anchors.Rows, temperature);
    }

    // output = left right / temperature, where left has the output's rows and right its columns
    private void Multiply(Kernel kernel, Factor left, Factor right, DeviceMatrix<float> output, int terms, float temperature)
    {
        if (output.Rows == 0 || output.Columns == 0)
        {
            return;
        }

        var scale = 1 / temperature;
        if (variant == SimilarityVariant.Naive)
        {
            var blocks = checked(output.Rows * ((output.Columns + naiveThreads - 1) / naiveThreads));
            kernel.Launch(
                new LaunchShape(blocks, naiveThreads),
                left.Matrix,
                left.RowStep,
                left.ColumnStep,
                right.Matrix,
                right.RowStep,
                right.ColumnStep,
                output,
                output.RowStride,
                output.Columns,
                terms,
                scale);
            return;
        }

        const int Tile = SimilarityKernels.Tile;
        var aligned = (left.Matrix.IsAligned ? SimilarityKernels.LeftIsAligned : 0)
            | (right.Matrix.IsAligned ? SimilarityKernels.RightIsAligned : 0)
            | (output.IsAligned ? SimilarityKernels.OutputIsAligned : 0);
        kernel.Launch(
            new LaunchShape((output.Columns + Tile - 1) / Tile, (output.Rows + Tile - 1) / Tile, Tile),
            left.Matrix,
            left.Matrix.RowStride,
            right.Matrix,
            right.Matrix.RowStride,
            output,
            output.RowStride,
            output.Rows,
            output.Columns,
            terms,
            scale,
            aligned);
    }

    private static void Check(
        DeviceMatrix<float> anchors, DeviceMatrix<float> contrasts, float temperature, DeviceMatrix<float> similarity, string similarityName)
    {
        if (anchors.Columns != contrasts.Columns)
        {
            throw new ArgumentException($"contrasts is {contrasts} but anchors is {anchors}; both must have the same width.");
        }

        if (similarity.Rows != anchors.Rows || similarity.Columns != contrasts.Rows)
        {
            throw new ArgumentException(
                $"{similarityName} is {similarity} but anchors is {anchors} and contrasts is {contrasts}; it must be ({anchors.Rows}, {contrasts.Rows}).");
        }

        if (!(temperature > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be above 0.");
        }
    }

    private static void CheckGradient(DeviceMatrix<float> gradient, string gradientName, DeviceMatrix<float> of, string ofName)
    {
        if (gradient.Rows != of.Rows || gradient.Columns != of.Columns)
        {
            throw new ArgumentException($"{gradientName} is {gradient} but {ofName} is {of}; both must have the same shape.");
        }
    }

    private readonly record struct Factor(DeviceMatrix<float> Matrix, bool IsTransposed)
    {
        public int RowStep => IsTransposed ? 1 : Matrix.RowStride;

        public int ColumnStep => IsTransposed ? Matrix.RowStride : 1;
    }
}

/// <summary>How <see cref="Similarity"/> multiplies.</summary>
public enum SimilarityVariant
{
    /// <summary>A thread per element of the result, reading all it needs from memory: the readable rung.</summary>
    Naive,

    /// <summary>Tiles in shared memory, and 8 x 8 elements of the result per thread in registers.</summary>
    Tiled,
}
