using System.Numerics;
using System.Numerics.Tensors;
using Pascl.Training.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Loss;

/// <summary>Some rows of a matrix on the CPU. For a batch's few hundred rows torch's own operations take longer to start than to run.</summary>
internal static class HostRows
{
    /// <summary>Copies rows out of a matrix.</summary>
    /// <param name="matrix">(rows, columns), contiguous, float32 or float64.</param>
    /// <param name="rows">Numbers of the rows.</param>
    /// <returns>(<paramref name="rows"/>, columns).</returns>
    public static torch.Tensor Gather(torch.Tensor matrix, int[] rows) =>
        matrix.dtype == ScalarType.Float64 ? Gather<double>(matrix, rows) : Gather<float>(matrix, rows);

    /// <summary>A matrix of zeros but for some rows, which are values times a factor.</summary>
    /// <param name="values">(<paramref name="rows"/>, columns), contiguous, float32 or float64.</param>
    /// <param name="rows">Where they go, each at most once.</param>
    /// <param name="rowCount">Rows of the result.</param>
    /// <param name="factor">Times the values.</param>
    public static torch.Tensor Scatter(torch.Tensor values, int[] rows, int rowCount, double factor) =>
        values.dtype == ScalarType.Float64 ? Scatter<double>(values, rows, rowCount, factor) : Scatter<float>(values, rows, rowCount, factor);

    private static torch.Tensor Gather<T>(torch.Tensor matrix, int[] rows)
        where T : unmanaged
    {
        var result = empty(rows.Length, matrix.shape[1], matrix.dtype);
        var (source, target) = (TensorMemory.HostMatrix<T>(matrix), TensorMemory.HostMatrix<T>(result));
        for (var i = 0; i < rows.Length; i++)
        {
            source.Row(rows[i]).CopyTo(target.Row(i));
        }

        return result;
    }

    private static torch.Tensor Scatter<T>(torch.Tensor values, int[] rows, int rowCount, double factor)
        where T : unmanaged, INumber<T>
    {
        var result = zeros(rowCount, values.shape[1], values.dtype);
        var (source, target) = (TensorMemory.HostMatrix<T>(values), TensorMemory.HostMatrix<T>(result));
        for (var i = 0; i < rows.Length; i++)
        {
            TensorPrimitives.Multiply(source.Row(i), T.CreateChecked(factor), target.Row(rows[i]));
        }

        return result;
    }
}
