using Pascl.Kernels.Device;

namespace Pascl.Kernels;

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
