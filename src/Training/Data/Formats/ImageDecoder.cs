using System.Runtime.InteropServices;
using SkiaSharp;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Decodes JPEG, PNG, BMP, WebP and GIF files to red green blue bytes with Skia. Grey and palette images are expanded, alpha is dropped, colour
/// profiles and EXIF orientation are not applied: what Pillow's <c>convert("RGB")</c> gives. One decoder serves one thread and keeps its
/// buffers.
/// </summary>
internal sealed unsafe class ImageDecoder : IDisposable
{
    /// <summary>Larger pictures are taken for damaged headers; Pillow's limit is of the same order.</summary>
    private const long LargestPixelCount = 100_000_000;

    private const int BytesPerPixel = 4;
    private byte* decoded;
    private long capacity;

    /// <summary>Reads the size of a picture and whether EXIF says that it is to be turned or mirrored, from its header; null where that cannot be done.</summary>
    public static (int Width, int Height, bool IsTurned)? Header(ReadOnlySpan<byte> file)
    {
        fixed (byte* start = file)
        {
            using var data = SKData.Create((nint)start, file.Length);
            using var codec = file.IsEmpty ? null : SKCodec.Create(data);
            return codec is null ? null : (codec.Info.Width, codec.Info.Height, codec.EncodedOrigin is not (SKEncodedOrigin.TopLeft or SKEncodedOrigin.Default));
        }
    }

    /// <summary>
    /// Decodes a file to <paramref name="target"/>, (size, size, 3), resized and centre-cropped where it has another size. Returns null, or
    /// what is wrong with the file as the rest of a sentence that begins with its name; the target is then undefined.
    /// </summary>
    public string? Decode(ReadOnlySpan<byte> file, Span<byte> target, int size)
    {
        if (DecodeWhole(file, out var width, out var height) is { } fault)
        {
            return fault;
        }

        if (width == size && height == size)
        {
            DropAlpha(target);
        }
        else
        {
            Resampling.ResizeAndCrop(Colours(width, height), width, height, target, size);
        }

        return null;
    }

    /// <summary>Decodes a file in its own size, for <see cref="Colours"/>; returns what <see cref="Decode"/> returns.</summary>
    internal string? DecodeWhole(ReadOnlySpan<byte> file, out int width, out int height)
    {
        (width, height) = (0, 0);
        if (file.IsEmpty)
        {
            return "is empty";
        }

        fixed (byte* start = file)
        {
            using var data = SKData.Create((nint)start, file.Length);
            using var codec = SKCodec.Create(data);
            if (codec is null)
            {
                return ForeignFile.Describe(file);
            }

            (width, height) = (codec.Info.Width, codec.Info.Height);
            if ((long)width * height > LargestPixelCount)
            {
                return $"claims {width} x {height} pixels, more than {LargestPixelCount / 1_000_000} million";
            }

            Reserve((long)width * height * BytesPerPixel);
            return codec.GetPixels(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul), (nint)decoded) switch
            {
                SKCodecResult.Success => null,
                SKCodecResult.IncompleteInput => "is cut short: the picture ends before its last row",
                var result => $"is damaged ({result})",
            };
        }
    }

    /// <summary>The picture decoded last, (height, width, 3), once: it takes the place of the decoded pixels, so that a large one is in memory once.</summary>
    internal ReadOnlySpan<byte> Colours(int width, int height)
    {
        var colours = new Span<byte>(decoded, width * height * PixelBlock.Channels);
        DropAlpha(colours);
        return colours;
    }

    public void Dispose()
    {
        NativeMemory.Free(decoded);
        decoded = null;
        capacity = 0;
    }

    // The target may begin where the decoded pixels do: what is written was read before.
    private void DropAlpha(Span<byte> target)
    {
        fixed (byte* first = target)
        {
            byte* from = decoded, end = first + target.Length;
            for (var to = first; to < end; from += BytesPerPixel, to += PixelBlock.Channels)
            {
                to[0] = from[0];
                to[1] = from[1];
                to[2] = from[2];
            }
        }
    }

    private void Reserve(long byteCount)
    {
        if (byteCount > capacity)
        {
            NativeMemory.Free(decoded);
            decoded = (byte*)NativeMemory.Alloc((nuint)byteCount);
            capacity = byteCount;
        }
    }
}
