namespace Pascl.Kernels;

/// <summary>The operations of colour jitter, in the numbering of <see cref="AugmentationParameters.JitterOrder"/>.</summary>
public enum ColourOperation
{
    /// <summary>No operation; ends the order.</summary>
    None = 0,

    /// <summary>Blend with black.</summary>
    Brightness = 1,

    /// <summary>Blend with the mean luminance of the image.</summary>
    Contrast = 2,

    /// <summary>Blend with the luminance of the pixel.</summary>
    Saturation = 3,

    /// <summary>Rotate the hue.</summary>
    Hue = 4,
}
