namespace Pascl.Kernels;

/// <summary>One pixel as it lies in memory: a byte each of red, green and blue.</summary>
/// <param name="R">Red.</param>
/// <param name="G">Green.</param>
/// <param name="B">Blue.</param>
public readonly record struct Rgb(byte R, byte G, byte B)
{
    /// <summary>The colour outside the image: black.</summary>
    public static Rgb Black => default;
}
