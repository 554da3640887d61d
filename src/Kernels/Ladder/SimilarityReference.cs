namespace Pascl.Kernels;

/// <summary>
/// Scaled inner products of all pairs of rows, and their gradients, in double precision, written as the equations are: the specification of
/// <see cref="Similarity"/>.
/// </summary>
/// <remarks>
/// For anchors a (M, width) and contrasts b (N, width):
/// <code>
/// s_ij    = a_i . b_j / temperature
/// dL/da_i = 1/temperature sum_j dL/ds_ij b_j
/// dL/db_j = 1/temperature sum_i dL/ds_ij a_i
/// </code>
/// </remarks>
public static class SimilarityReference
{
    /// <summary>Computes the similarities, (M, N) row-major.</summary>
    /// <param name="anchors">(M, width), row-major.</param>
    /// <param name="contrasts">(N, width), row-major.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="temperature">Divides the products; above 0.</param>
    public static double[] Forward(ReadOnlySpan<double> anchors, ReadOnlySpan<double> contrasts, int width, double temperature)
    {
        var (rows, columns) = (anchors.Length / width, contrasts.Length / width);
        var similarity = new double[rows * columns];
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
            {
                for (var k = 0; k < width; k++)
                {
                    similarity[(i * columns) + j] += anchors[(i * width) + k] * contrasts[(j * width) + k] / temperature;
                }
            }
        }

        return similarity;
    }

    /// <summary>Computes the gradients with respect to the anchors, (M, width), and the contrasts, (N, width).</summary>
    /// <param name="similarityGradient">(M, N): dL/ds.</param>
    /// <param name="anchors">(M, width), row-major.</param>
    /// <param name="contrasts">(N, width), row-major.</param>
    /// <param name="width">Columns of a row.</param>
    /// <param name="temperature">Divides the products; above 0.</param>
    public static (double[] Anchors, double[] Contrasts) Backward(
        ReadOnlySpan<double> similarityGradient, ReadOnlySpan<double> anchors, ReadOnlySpan<double> contrasts, int width, double temperature)
    {
        var (rows, columns) = (anchors.Length / width, contrasts.Length / width);
        var (anchorsGradient, contrastsGradient) = (new double[anchors.Length], new double[contrasts.Length]);
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
            {
                for (var k = 0; k < width; k++)
                {
                    anchorsGradient[(i * width) + k] += similarityGradient[(i * columns) + j] * contrasts[(j * width) + k] / temperature;
                    contrastsGradient[(j * width) + k] += similarityGradient[(i * columns) + j] * anchors[(i * width) + k] / temperature;
                }
            }
        }

        return (anchorsGradient, contrastsGradient);
    }
}
