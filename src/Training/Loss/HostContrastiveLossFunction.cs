using Pascl.Training.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Pascl.Training.Loss;

/// <summary>
/// The contrastive loss on the CPU as a differentiable operation. The forward pass computes the gradient as well, while the similarities are at hand: three
/// matrix products of the rows that take part, and <see cref="HostMaskedLoss"/> between the first and the others.
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
        var rows = HostRows.Gather(features, participants.Rows); // (M + K, width)
        var anchors = rows.narrow(0, 0, participants.AnchorClasses.Length); // (M, width)
        var slopes = anchors.mm(rows.t()); // (M, M + K), the products at first
        var loss = tensor(rowLoss.Replace(slopes, participants.AnchorClasses), features.dtype);
        if ((bool)arguments[3])
        {
            var gradient = slopes.t().mm(anchors); // (M + K, width), as contrasts
            gradient.narrow(0, 0, anchors.shape[0]).addmm_(slopes, rows, 1, 1); // as anchors
            context.save_for_backward([gradient.MoveToOuterDisposeScope()]);
            context.save_data(Participants, participants.Rows);
            context.save_data(RowCount, (int)features.shape[0]);
        }

        return [loss];
    }

    /// <inheritdoc/>
    protected override Tensor?[] Backward(autograd.AutogradContext context, IReadOnlyList<Tensor> saved, Tensor?[] gradients) =>
        [HostRows.Scatter(saved[0], (int[])context.get_data(Participants), (int)context.get_data(RowCount), gradients[0]!.ToDouble()), null, null, null];
}
