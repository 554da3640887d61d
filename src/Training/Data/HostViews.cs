using System.Runtime.InteropServices;
using Pascl.Kernels;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>Makes views with the calling thread of the CPU; safe to call from several at once.</summary>
internal sealed class HostViews(ImageSet images, BatchPlan plan) : AugmentedViews
{
    public override torch.Device Device => torch.CPU;

    public override void Make(ReadOnlySpan<int> chosen, int epoch, int stream, torch.Tensor destination)
    {
        var (height, width) = (images.Height, images.Width);
        var scratch = new byte[height * width * PixelBlock.Channels];
        var remaining = MemoryMarshal.Cast<byte, float>(destination.bytes);
        foreach (var image in chosen)
        {
            var parameters = AugmentationParameters.Draw(plan.Augmentation, height, width, plan.Seed, epoch, image, stream);
            Augmentation.Apply(images.Pixels(image), height, width, parameters, remaining[..scratch.Length], scratch);
            remaining = remaining[scratch.Length..];
        }
    }
}
