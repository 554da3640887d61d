namespace Pascl.Training.Data;

/// <summary>How image files become an <see cref="ImageSet"/>.</summary>
/// <param name="ImageSize">
/// Rows and columns of every image. An image of another size is resized so that its shorter side has this length, and cut to the square in
/// its centre; an image of this size is untouched. Null keeps the images' own size where all are squares of one size up to 64, and stands
/// for 32 otherwise, the input of the CIFAR networks. </param>
/// <param name="SkipBroken">Leave out and list image files that cannot be decoded, instead of stopping at the first.</param>
public sealed record ReadOptions(int? ImageSize = null, bool SkipBroken = false);
