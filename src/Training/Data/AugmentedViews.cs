using System.Buffers;
using System.Runtime.InteropServices;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Devices;
using Pascl.Training.Interop;
using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>Makes augmented views of the images of one set. The views depend on the plan, the epoch, the image and the stream, never on who makes them.</summary>
internal abstract class AugmentedViews : IDisposable
{
    /// <summary>Where the views are made.</summary>
    public abstract torch.Device Device { get; }

    /// <summary>Rows, columns and channels of a view.</summary>
    public abstract (int Height, int Width, int Channels) Shape { get; }

    /// <summary>Takes the order of an epoch's images, before its first view; nobody makes views of an earlier epoch any more.</summary>
    /// <param name="images">Indices of images.</param>
    public abstract void Begin(int[] images);

    /// <summary>Makes one view of each of some images that follow one another in the epoch's order.</summary>
    /// <param name="first">Place of the first in the order.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="stream">Which random numbers, see <see cref="RandomStream"/>.</param>
    /// <param name="destination">(images, H, W, 3) or another <see cref="Shape"/>, float32, contiguous, on <see cref="Device"/>.</param>
    public abstract void Make(int first, int epoch, int stream, torch.Tensor destination);

    /// <summary>Makes several views of each of some images, as <see cref="Make"/> makes them one after the other.</summary>
    /// <param name="first">Place of the first in the order.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="firstStream">Which random numbers the first view has; the next one has the next number.</param>
    /// <param name="views">Views of every image.</param>
    /// <param name="destination">(views * images, H, W, 3): the first view of every image, then the second; float32, contiguous, on <see cref="Device"/>.</param>
    public virtual void MakeAll(int first, int epoch, int firstStream, int views, torch.Tensor destination)
    {
        var images = destination.shape[0] / views;
        for (var view = 0; view < views; view++)
        {
            Make(first, epoch, firstStream + view, destination.narrow(0, view * images, images));
        }
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }
}

/// <summary>Makes views with the calling thread of the CPU; safe to call from several at once.</summary>
internal sealed class HostViews(ImageSet images, BatchPlan plan) : AugmentedViews
{
    private int[] order = [];

    public override torch.Device Device => torch.CPU;

    public override (int Height, int Width, int Channels) Shape => (images.Height, images.Width, PixelBlock.Channels);

    public override void Begin(int[] images) => order = images;

    public override void Make(int first, int epoch, int stream, torch.Tensor destination) => MakeAll(first, epoch, stream, 1, destination);

    // Image by image, so that a file is decoded once for all of its views where they need it in one scale.
    public override void MakeAll(int first, int epoch, int firstStream, int views, torch.Tensor destination)
    {
        var (height, width) = (images.Height, images.Width);
        var length = height * width * PixelBlock.Channels;

        // The views before colours are changed, and one of them while they are.
        using var memory = MemoryPool<byte>.Shared.Rent((views + 1) * length);
        var parts = memory.Memory.Span[..(views * length)];
        var scratch = memory.Memory.Span.Slice(views * length, length);
        var values = MemoryMarshal.Cast<byte, float>(destination.bytes);
        var chosen = order.AsSpan(first, (int)destination.shape[0] / views);
        for (var i = 0; i < chosen.Length; i++)
        {
            var image = chosen[i];
            if (plan.Crop is { } crop)
            {
                images.ReadCrops(image, parts, (view, columns, rows) => crop.Draw(columns, rows, plan.Seed, epoch, image, firstStream + view));
            }
            else if (images.IsStreamed)
            {
                images.Read(image, parts[..length]);
            }

            for (var view = 0; view < views; view++)
            {
                var source = plan.Crop is not null ? parts.Slice(view * length, length) : images.IsStreamed ? parts[..length] : images.Pixels(image);
                var parameters = AugmentationParameters.Draw(plan.Augmentation, height, width, plan.Seed, epoch, image, firstStream + view);
                Augmentation.Apply(source, height, width, parameters, values.Slice(((view * chosen.Length) + i) * length, length), scratch);
            }
        }
    }
}

/// <summary>Keeps the bytes of a set in a device's memory and makes views there: nothing but the epoch's order is copied, once for an epoch.</summary>
internal sealed class DeviceViews : AugmentedViews
{
    private const int ImagesPerCopy = 4096;

    private readonly ImageSet images;
    private readonly BatchPlan plan;
    private readonly KernelDevice device;
    private readonly DeviceBuffer<byte> bytes;
    private readonly DeviceBuffer<int> order;
    private readonly DeviceAugmentation augmentation;

    public DeviceViews(ImageSet images, BatchPlan plan, ComputeDevice compute)
    {
        (this.images, this.plan, device, Device) = (images, plan, compute.Kernels!, compute.Torch);
        bytes = Upload(images, device);
        order = device.Allocate<int>(images.Count);
        augmentation = new DeviceAugmentation(device, plan.Augmentation);
    }

    public override torch.Device Device { get; }

    public override (int Height, int Width, int Channels) Shape => (images.Height, images.Width, PixelBlock.Channels);

    /// <summary>
    /// Whether the sets are in memory and take at most half of what the device has free; the rest is for the network. Parts of whole images are cut by threads of the CPU.
    /// </summary>
    public static bool Fit(KernelDevice device, BatchPlan plan, IReadOnlyList<ImageSet> sets) =>
        plan.Crop is null && sets.All(set => !set.IsStreamed) && sets.Sum(BytesOf) <= device.FreeMemory() / 2;

    public override void Begin(int[] images) => order.CopyFrom(images);

    public override void Make(int first, int epoch, int stream, torch.Tensor destination) => augmentation.Apply(
        new DeviceImages(bytes.Vector, images.Height, images.Width), order.Vector.Slice(first, destination.shape[0]),
        new AugmentationDraw(plan.Seed, epoch, stream), channelsLast: true, TensorMemory.Elements<float>(destination, device));

    public override void Dispose()
    {
        bytes.Dispose();
        order.Dispose();
        augmentation.Dispose();
        base.Dispose();
    }

    private static DeviceBuffer<byte> Upload(ImageSet images, KernelDevice device)
    {
        var buffer = device.Allocate<byte>(BytesOf(images));
        var imageBytes = images.Height * images.Width * PixelBlock.Channels;
        var staging = new byte[Math.Min(ImagesPerCopy, images.Count) * imageBytes];
        foreach (var part in Enumerable.Range(0, images.Count).Chunk(ImagesPerCopy))
        {
            foreach (var (position, image) in part.Index())
            {
                images.Pixels(image).CopyTo(staging.AsSpan(position * imageBytes));
            }

            buffer.CopyFrom(staging.AsSpan(0, part.Length * imageBytes), (long)part[0] * imageBytes);
        }

        return buffer;
    }

    private static long BytesOf(ImageSet images) => (long)images.Count * images.Height * images.Width * PixelBlock.Channels;
}
