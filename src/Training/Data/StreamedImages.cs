using System.Collections.Concurrent;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>
/// Image files that are decoded whenever an image is asked for, so that memory does not grow with their number. Several threads may ask at once; the same image is the same
/// bytes every time.
/// </summary>
internal sealed class StreamedImages
{
    private readonly FileTree tree;
    private readonly string[] names;
    private readonly ImageGeometry geometry;

    /// <summary>Refers to files of a tree.</summary>
    /// <param name="tree">The tree.</param>
    /// <param name="names">The files, each known to be readable by its header at least.</param>
    /// <param name="size">Rows and columns of every image.</param>
    /// <param name="geometry">How they become squares of that size.</param>
    /// <param name="reason">Why they are not held in memory.</param>
    public StreamedImages(FileTree tree, string[] names, int size, ImageGeometry geometry, string reason) =>
        (this.tree, this.names, Size, this.geometry, Reason) = (tree, names, size, geometry, reason);

    /// <summary>Why they are not held in memory, as a part of a sentence.</summary>
    public string Reason { get; }

    /// <summary>Number of images.</summary>
    public int Count => names.Length;

    /// <summary>Rows and columns of every image.</summary>
    public int Size { get; }

    /// <summary>Decodes an image to (Size, Size, 3) bytes.</summary>
    /// <exception cref="InputException">The file cannot be decoded; the sentence names it.</exception>
    public void Decode(int image, Span<byte> target)
    {
        using var decoder = DecoderPool.Rent();
        Require(image, decoder.Value.Decode(tree.Read(names[image]).Span, target, Size, geometry));
    }

    /// <summary>Decodes parts of a whole image, each to (Size, Size, 3) bytes.</summary>
    /// <param name="image">The image.</param>
    /// <param name="targets">(parts, Size, Size, 3).</param>
    /// <param name="boxOf">The box of a part, in a picture of a width and height.</param>
    /// <exception cref="InputException">The file cannot be decoded; the sentence names it.</exception>
    public void DecodeCrops(int image, Span<byte> targets, Func<int, int, int, CropBox> boxOf)
    {
        using var decoder = DecoderPool.Rent();
        Require(image, decoder.Value.DecodeCrops(tree.Read(names[image]).Span, targets, Size, boxOf));
    }

    private void Require(int image, string? fault)
    {
        if (fault is not null)
        {
            throw new InputException(
                $"{tree.Describe(names[image])} {fault}. Its header could be read when the run began; mend or remove it, or leave such files out with --skip-broken, which decodes "
                + "every file at the start.");
        }
    }
}

/// <summary>Decoders that wait for the next image: each keeps native buffers, and there are as many as threads decode at one time.</summary>
internal static class DecoderPool
{
    private static readonly ConcurrentBag<ImageDecoder> idle = [];

    /// <summary>A decoder until the result is disposed.</summary>
    public static Rental Rent() => new(idle.TryTake(out var decoder) ? decoder : new ImageDecoder());

    /// <summary>A decoder that goes back when this is disposed.</summary>
    public readonly ref struct Rental(ImageDecoder decoder)
    {
        /// <summary>The decoder.</summary>
        public ImageDecoder Value => decoder;

        /// <summary>Gives it back.</summary>
        public void Dispose() => idle.Add(decoder);
    }
}
