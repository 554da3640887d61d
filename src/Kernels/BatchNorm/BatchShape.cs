namespace Pascl.Kernels;

/// <summary>A batch of images as BatchNorm sees it.</summary>
/// <param name="Images">Number of images.</param>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Pixels">Height times width.</param>
/// <param name="ChannelsLast">Whether the channels of a pixel lie next to each other (NHWC), or the pixels of a channel (NCHW).</param>
public readonly record struct BatchShape(int Images, int Channels, int Pixels, bool ChannelsLast = false)
{
    /// <summary>Number of elements.</summary>
    public long Length => (long)Images * Channels * Pixels;

    /// <summary>Values that a channel has.</summary>
    public long ValuesPerChannel => (long)Images * Pixels;

    /// <summary>Where an element lies.</summary>
    public long Index(int image, int channel, int pixel) => ChannelsLast
        ? ((((long)image * Pixels) + pixel) * Channels) + channel
        : ((((long)image * Channels) + channel) * Pixels) + pixel;

    /// <inheritdoc/>
    public override string ToString() => ChannelsLast ? $"({Images}, {Pixels}, {Channels}) with channels last" : $"({Images}, {Channels}, {Pixels})";
}
