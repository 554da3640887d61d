using System.Numerics;
using Pascl.Training.Interop;
using Pascl.Training.Ranks;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace Pascl.Training.Losses;

/// <summary>
/// The contrastive loss on the CPU as a differentiable operation. The forward pass computes the gradient as well, while the similarities are at hand: three
/// matrix products of the rows that take part, and <see cref="HostMaskedLoss"/> between the first and the others. Of several ranks, all of which have all rows, each
/// takes a share of the anchors, and their losses and gradients are summed.
/// </summary>
internal sealed class HostContrastiveLossFunction : KernelFunction<HostContrastiveLossFunction>
{
    private const string Participants = "participants";
    private const string RowCount = "row count";

    /// <summary>Computes the loss, a scalar.</summary>
    /// <param name="rowLoss">The loss of similarities.</param>
    /// <param name="features">(rows, width), contiguous, float32 or float64.</param>
    /// <param name="participants">The rows that take part.</param>
    public static Tensor Loss(HostMaskedLoss rowLoss, Tensor features, ContrastiveParticipants participants) =>
        Apply(features, rowLoss, participants, features.requires_grad && is_grad_enabled())[0];

    /// <inheritdoc/>
    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (features, rowLoss, participants) = ((Tensor)arguments[0], (HostMaskedLoss)arguments[1], (ContrastiveParticipants)arguments[2]);
        var ranks = ProcessGroup.Current;
        var (first, count) = ranks.Share.Of(participants.AnchorClasses.Length);
        var rows = HostRows.Gather(features, participants.Rows); // (M + K, width)
        var anchors = rows.narrow(0, first, count); // (M / R, width)
        var slopes = anchors.mm(rows.t()); // (M / R, M + K), the products at first
        var loss = tensor(rowLoss.Replace(slopes, participants.AnchorClasses, first), float64);
        ranks.Sum(loss, ExchangePart.ContrastiveLoss);
        if ((bool)arguments[3])
        {
            var gradient = slopes.t().mm(anchors); // (M + K, width), as contrasts
            gradient.narrow(0, first, count).addmm_(slopes, rows, 1, 1); // as anchors
            ranks.Sum(gradient, ExchangePart.ContrastiveLoss);
            context.save_for_backward([gradient.MoveToOuterDisposeScope()]);
            context.save_data(Participants, participants.Rows);
            context.save_data(RowCount, (int)features.shape[0]);
        }

        return [loss.to(features.dtype)];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients) =>
        [HostRows.Scatter(saved[0], (int[])context.get_data(Participants), (int)context.get_data(RowCount), gradients[0]!.ToDouble()), null, null, null];
}

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
    /// <param name="products">(anchors, contrasts), contiguous, float32 or float64: some of the M anchors, or all; the first M columns are the anchors.</param>
    /// <param name="classes">(M): the anchors' classes.</param>
    /// <param name="first">Which anchor the first row is.</param>
    public double Replace(torch.Tensor products, int[] classes, int first = 0) =>
        products.dtype == ScalarType.Float64 ? Replace<double>(products, classes, first) : Replace<float>(products, classes, first);

    private double Replace<T>(torch.Tensor products, int[] classes, int first)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var matrix = TensorMemory.HostMatrix<T>(products);
        var anchorsOfClass = new int[weights.Length];
        foreach (var label in classes)
        {
            anchorsOfClass[label]++;
        }

        var losses = new double[products.shape[0]];
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

        void ReplaceRow(int row) => losses[row] = Row(matrix.Row(row), first + row, classes, anchorsOfClass[classes[first + row]] - 1);
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

/// <summary>
/// Who takes part in the contrastive loss of a batch, without reading the labels: all 2N rows of images stay anchors, and those of head classes are neither
/// contrasts nor of any weight.
/// </summary>
internal sealed class ContrastiveMasks : Module
{
    // Far below every similarity, yet finite: a row in which everything is excluded has a finite logarithm and a zero gradient, not NaN.
    private const double Excluded = -1e30;

    private readonly Tensor isTailClass;
    private readonly Tensor classWeights;

    /// <summary>Keeps the classes on the module's device.</summary>
    /// <param name="tailFlags">(C): whether a class's images are anchors.</param>
    /// <param name="weights">(C): the weight of a class's anchors.</param>
    public ContrastiveMasks(bool[] tailFlags, double[] weights)
        : base(nameof(ContrastiveMasks))
    {
        isTailClass = tensor(tailFlags).DetachFromDisposeScope(); // (C)
        classWeights = tensor(weights).DetachFromDisposeScope(); // (C), float64
        RegisterComponents();
    }

    /// <summary>(C): whether a class's images are anchors, on the module's device.</summary>
    public Tensor IsTailClass => isTailClass;

    /// <summary>
    /// What is added to the similarities, (2N, 2N + K), so that a softmax passes over an anchor itself and over images of head classes; and the distribution that
    /// the softmax of each row is to have, times the row's weight: w_i / M / |P_i| for the other anchors of its class, 0 elsewhere. M is the number of anchors.
    /// </summary>
    public (Tensor Exclusion, Tensor Targets) Of(Tensor features, Tensor labels)
    {
        var classes = cat([labels, labels]); // (2N)
        var isAnchor = isTailClass.index_select(0, classes); // (2N)
        var isExcluded = eye(classes.shape[0], features.shape[0], dtype: ScalarType.Bool, device: features.device); // (2N, 2N + K)
        var isExcludedImage = isExcluded.narrow(1, 0, classes.shape[0]).logical_or_(isAnchor.logical_not()); // (2N, 2N)
        var isPositive = classes.unsqueeze(1).eq(classes).logical_and_(isExcludedImage.logical_not()).to(ScalarType.Float64); // (2N, 2N)
        var weight = classWeights.index_select(0, classes).mul_(isAnchor).div_(isAnchor.sum().clamp_min_(1)); // (2N)
        weight = weight.div_(isPositive.sum(1).clamp_min_(1)).unsqueeze(1); // (2N, 1)
        var targets = zeros_like(isExcluded, features.dtype);
        targets.narrow(1, 0, classes.shape[0]).copy_(isPositive.mul_(weight));
        return (isExcluded.to(features.dtype).mul_(Excluded), targets);
    }
}
