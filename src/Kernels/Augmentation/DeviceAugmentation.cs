using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// Augments images in a device's memory: crop, flip, colour jitter and greyscale, from bytes to numbers in [0, 1]. One launch for a whole batch.
/// </summary>
/// <remarks>
/// The random numbers are those of <see cref="Augmentation"/>, and so are the results: in every bit on the simulator; on a GPU a blend may be rounded
/// otherwise, by 1/255, because its assembler joins a product and a sum.
/// </remarks>
public sealed class DeviceAugmentation : IDisposable
{
    private readonly DeviceBuffer<AugmentationSettings> settings;
    private readonly Device.Kernel toSingle;
    private readonly Device.Kernel toBFloat16;
    private readonly int threads;

    /// <summary>Compiles the kernels.</summary>
    /// <param name="device">Where the images are.</param>
    /// <param name="settings">Ranges and probabilities.</param>
    public DeviceAugmentation(KernelDevice device, AugmentationSettings settings)
    {
        this.settings = device.Allocate<AugmentationSettings>([settings]);
        toSingle = device.Load(AugmentationKernels.Views<float, SingleElement>);
        toBFloat16 = device.Load(AugmentationKernels.Views<BFloat16, BFloat16Element>);
        threads = device.IsSimulator ? 32 : AugmentationKernels.Threads;
    }

    /// <summary>Makes a view of each chosen image.</summary>
    /// <param name="images">(images, height, width, 3) bytes.</param>
    /// <param name="chosen">(views): the number of each view's image, below the number of images.</param>
    /// <param name="draw">Which random numbers.</param>
    /// <param name="channelsLast">Whether a view is (height, width, 3); otherwise it is (3, height, width).</param>
    /// <param name="views">(views, height * width * 3), receives the views.</param>
    /// <exception cref="ArgumentException">A size does not fit.</exception>
    public void Apply(DeviceImages images, DeviceVector<int> chosen, AugmentationDraw draw, bool channelsLast, DeviceVector<float> views) =>
        Launch(toSingle, images, chosen, draw, channelsLast, views, views.Length);

    /// <summary>Makes a view of each chosen image, rounded to the nearest bfloat16; the arguments are those of the other overload.</summary>
    public void Apply(DeviceImages images, DeviceVector<int> chosen, AugmentationDraw draw, bool channelsLast, DeviceVector<BFloat16> views) =>
        Launch(toBFloat16, images, chosen, draw, channelsLast, views, views.Length);

    /// <inheritdoc/>
    public void Dispose() => settings.Dispose();

    private void Launch(
        Device.Kernel kernel, DeviceImages images, DeviceVector<int> chosen, AugmentationDraw draw, bool channelsLast, KernelArgument views, long viewsLength)
    {
        var pixels = images.Height * images.Width;
        if (viewsLength != chosen.Length * pixels * 3)
        {
            throw new ArgumentException(
                $"views holds {viewsLength} numbers, but {chosen.Length} views of {images.Height} x {images.Width} x 3 need {chosen.Length * pixels * 3}.", nameof(views));
        }

        if (chosen.Length == 0)
        {
            return;
        }

        kernel.Launch(
            new LaunchShape((int)chosen.Length, threads), images.Pixels, chosen, settings.Vector, views, images.Height, images.Width,
            channelsLast ? 1 : pixels, channelsLast ? 3 : 1, (long)draw.Seed, draw.Epoch, draw.Stream);
    }
}

/// <summary>Images of one size in a device's memory, (count, height, width, 3) bytes. It does not own the memory.</summary>
public readonly record struct DeviceImages
{
    /// <summary>Describes images.</summary>
    /// <param name="bytes">All bytes of all images.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <exception cref="ArgumentException">The bytes are not whole images.</exception>
    public DeviceImages(DeviceVector<byte> bytes, int height, int width)
    {
        if (height < 1 || width < 1 || bytes.Length % ((long)height * width * 3) != 0)
        {
            throw new ArgumentException($"{bytes.Length} bytes are not whole images of {height} x {width} x 3.", nameof(bytes));
        }

        (Height, Width) = (height, width);
        Pixels = new DeviceVector<Rgb>(bytes.Address, bytes.Length / 3);
    }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    /// <summary>All pixels of all images.</summary>
    public DeviceVector<Rgb> Pixels { get; }
}
