using static TorchSharp.torch;

namespace Pascl.Training.Networks;

/// <summary>
/// PyTorch's <c>channels_last</c> memory format: a tensor of shape (N, C, H, W) whose channels lie next to each other in memory. Convolutions and BatchNorm
/// pass it on from input to output. TorchSharp 0.107 has no memory-format arguments, so the layout is made by permuted copies.
/// </summary>
public static class ChannelsLast
{
    /// <summary>The same values with channels last; the tensor itself, without a copy, where they are already.</summary>
    /// <param name="tensor">(N, C, H, W).</param>
    public static Tensor Of(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a tensor's channels lie next to each other; both layouts are the same where there is one channel or one pixel, and count as this one.</summary>
    /// <param name="tensor">(N, C, H, W).</param>
    public static bool IsLayoutOf(Tensor tensor)
    {
        using var permuted = tensor.permute(0, 2, 3, 1);
        return permuted.is_contiguous();
    }

    /// <summary>Lays out every convolution weight of a module anew, in place: parameters keep their identity, so optimisers keep working.</summary>
    public static void Convert(nn.Module module)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var weight in module.parameters().Where(parameter => parameter.dim() == 4))
        {
            weight.set_(Of(weight));
        }
    }
}
