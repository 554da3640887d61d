using System.Numerics;
using System.Numerics.Tensors;
using Pascl.Training.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Loss;

/// <summary>
/// The masked loss of similarities in the host's memory, and its gradient in their place: one reading and one writing of each row, in vector registers.
/// <c>MaskedLossReference</c> of the kernels is the same in plain loops.
/// </summary>
/// <remarks>
/// With x_ij = f_i . f_j, s_ij = x_ij / temperature, M anchors with weights w_i, and P_i the other anchors of i's class, row i loses
/// <code>
/// w_i / M ( log sum_{j != i} exp(s_ij) - 1/|P_i| sum_{p in P_i} s_ip )
/// </code>
/// and x_ij is replaced by the slope w_i / M / temperature ( softmax_j(s_i) - [j in P_i] / |P_i| ). An anchor without positives loses nothing.
/// </remarks>
/// <param name="weights">(C): the weight of a class's anchors.</param>
/// <param name="temperature">Divides the products.</param>
internal sealed class HostMaskedLoss(double[] weights, double temperature)
{
    // Fewer elements than this are finished before other threads have begun.
    private const long LeastForThreads = 1 << 16;

    /// <summary>Sums the rows' losses, always in the same order, and replaces the products by slopes.</summary>
    /// <param name="products">(M, contrasts), contiguous, float32 or float64; the first M columns are the anchors.</param>
    /// <param name="classes">(M): the anchors' classes.</param>
    public double Replace(torch.Tensor products, int[] classes) =>
        products.dtype == ScalarType.Float64 ? Replace<double>(products, classes) : Replace<float>(products, classes);

    private double Replace<T>(torch.Tensor products, int[] classes)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var matrix = TensorMemory.HostMatrix<T>(products);
        var anchorsOfClass = new int[weights.Length];
        foreach (var label in classes)
        {
            anchorsOfClass[label]++;
        }

        var losses = new double[classes.Length];
        if (products.numel() < LeastForThreads)
        {
            for (var row = 0; row < losses.Length; row++)
            {
                ReplaceRow(row);
            }
        }
        else
        {
            Parallel.For(0, losses.Length, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() }, ReplaceRow);
        }

        return losses.Sum();

        void ReplaceRow(int row) => losses[row] = Row(matrix.Row(row), row, classes, anchorsOfClass[classes[row]] - 1);
    }

    private double Row<T>(Span<T> row, int anchor, int[] classes, int positives)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (positives == 0)
        {
            row.Clear();
            return 0;
        }

        row[anchor] = T.NegativeInfinity;
        var ofPositives = 0.0;
        for (var j = 0; j < classes.Length; j++)
        {
            ofPositives += j != anchor && classes[j] == classes[anchor] ? double.CreateChecked(row[j]) : 0;
        }

        var top = TensorPrimitives.Max<T>(row);
        TensorPrimitives.Subtract(row, top, row);
        TensorPrimitives.Multiply(row, T.CreateChecked(1 / temperature), row);
        TensorPrimitives.Exp<T>(row, row);
        var sum = double.CreateChecked(TensorPrimitives.Sum<T>(row));

        var weight = weights[classes[anchor]] / classes.Length;
        TensorPrimitives.Multiply(row, T.CreateChecked(weight / temperature / sum), row);
        var pull = T.CreateChecked(weight / temperature / positives);
        for (var j = 0; j < classes.Length; j++)
        {
            row[j] -= j != anchor && classes[j] == classes[anchor] ? pull : T.Zero;
        }

        return weight * (Math.Log(sum) + ((double.CreateChecked(top) - (ofPositives / positives)) / temperature));
    }
}
