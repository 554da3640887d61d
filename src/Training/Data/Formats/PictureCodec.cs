using System.Buffers.Binary;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// One encoded picture after the other as pixels of four bytes, turned as EXIF says, whole or at a half, a quarter or an eighth of its size. Keeps its buffers.
/// </summary>
internal sealed unsafe class PictureCodec : IDisposable
{
    private const int BytesPerPixel = PillowResampling.BytesPerPixel;

    /// <summary>Larger pictures are taken for damaged headers; Pillow's limit is of the same order.</summary>
    private const long LargestPixelCount = 100_000_000;

    private const int MostReduction = 8;

    private readonly PixelBuffer decoded = new();
    private readonly PixelBuffer turned = new();
    private SKCodec? codec;
    private SKEncodedOrigin origin;
    private byte* raw;

    /// <summary>Columns of the picture in the file, as it is shown.</summary>
    public int FullWidth { get; private set; }

    /// <summary>Rows of the picture in the file, as it is shown.</summary>
    public int FullHeight { get; private set; }

    /// <summary>What the sides of the decoded picture are divided by, rounded up: 1, 2, 4 or 8; 0 before it is decoded.</summary>
    public int Reduction { get; private set; }

    /// <summary>Columns of the decoded picture.</summary>
    public int Width { get; private set; }

    /// <summary>Rows of the decoded picture.</summary>
    public int Height { get; private set; }

    /// <summary>(Height, Width, 4) bytes, until the next picture.</summary>
    public byte* Pixels { get; private set; }

    /// <summary>Reads the size of a picture as it is shown, and whether EXIF turns or mirrors it, from its header; null where that cannot be done.</summary>
    public static (int Width, int Height, bool IsTurned)? Header(ReadOnlySpan<byte> file)
    {
        if (RawPicture.SizeOf(file) is { } size)
        {
            return (size.Width, size.Height, false);
        }

        fixed (byte* start = file)
        {
            using var data = SKData.Create((nint)start, file.Length);
            using var codec = file.IsEmpty ? null : SKCodec.Create(data);
            if (codec is null)
            {
                return null;
            }

            var origin = OriginOf(codec, file);
            return SwapsSides(origin) ? (codec.Info.Height, codec.Info.Width, true) : (codec.Info.Width, codec.Info.Height, !IsUpright(origin));
        }
    }

    /// <summary>Reads a file's header. What is at the address must stay there until <see cref="Close"/>.</summary>
    /// <returns>Null, or what is wrong with the file as the rest of a sentence that begins with its name.</returns>
    public string? Open(byte* start, int length)
    {
        (FullWidth, FullHeight, Reduction) = (0, 0, 0);
        var file = new ReadOnlySpan<byte>(start, length);
        if (file.IsEmpty)
        {
            return "is empty";
        }

        if (RawPicture.SizeOf(file) is { } size)
        {
            raw = start + RawPicture.HeaderLength;
            (FullWidth, FullHeight) = size;
            return null;
        }

        using var data = SKData.Create((nint)start, length);
        codec = SKCodec.Create(data);
        if (codec is null)
        {
            return FileKind.WhyNoImage(file);
        }

        origin = OriginOf(codec, file);
        (FullWidth, FullHeight) = SwapsSides(origin) ? (codec.Info.Height, codec.Info.Width) : (codec.Info.Width, codec.Info.Height);
        return (long)FullWidth * FullHeight > LargestPixelCount
            ? $"claims {codec.Info.Width} x {codec.Info.Height} pixels, more than {LargestPixelCount / 1_000_000} million"
            : null;
    }

    /// <summary>Decodes as small as it may be where a part of so many pixels is resized to one.</summary>
    /// <param name="scale">Source pixels for one of the result, along one side.</param>
    /// <param name="oversampling">Decoded pixels for one of the result, at least: resizing them smooths away how the decoder scales.</param>
    /// <returns>What <see cref="Open"/> returns.</returns>
    public string? Decode(double scale, int oversampling)
    {
        // JPEG alone can be decoded smaller.
        var by = codec?.EncodedFormat == SKEncodedImageFormat.Jpeg ? MostReduction : 1;
        while (by > 1 && (scale < oversampling * by || !CanReduce(by)))
        {
            by /= 2;
        }

        // The picture may be there from another part of it.
        return by == Reduction ? null : codec is null ? Copy() : Decode(codec, by);
    }

    /// <summary>Forgets the file; the decoded picture stays.</summary>
    public void Close()
    {
        codec?.Dispose();
        codec = null;
        raw = null;
    }

    /// <summary>The decoded picture without the fourth byte, (Height, Width, 3), once: it takes the place of the pixels, so that a large one is in memory once.</summary>
    public ReadOnlySpan<byte> Colours()
    {
        var colours = new Span<byte>(Pixels, Width * Height * PixelBlock.Channels);
        CopyColours(colours);
        return colours;
    }

    /// <summary>Copies the decoded picture without the fourth byte. The target may begin where the pixels do: what is written was read before.</summary>
    public void CopyColours(Span<byte> target)
    {
        fixed (byte* first = target)
        {
            byte* from = Pixels, end = first + target.Length;
            for (var to = first; to < end; from += BytesPerPixel, to += PixelBlock.Channels)
            {
                to[0] = from[0];
                to[1] = from[1];
                to[2] = from[2];
            }
        }
    }

    public void Dispose()
    {
        Close();
        decoded.Dispose();
        turned.Dispose();
    }

    // A picture that is turned is reduced only where no pixel at its edges is cut, which would move it.
    private bool CanReduce(int by)
    {
        var (columns, rows) = (codec!.Info.Width, codec.Info.Height);
        return (IsUpright(origin) || (columns % by == 0 && rows % by == 0))
            && codec.GetScaledDimensions(1f / by) == new SKSizeI(Reduced(columns, by), Reduced(rows, by));
    }

    private string? Copy()
    {
        (Width, Height, Reduction) = (FullWidth, FullHeight, 1);
        Pixels = decoded.Reserve((long)Width * Height * BytesPerPixel);
        RawPicture.Expand(raw, (long)Width * Height, Pixels);
        return null;
    }

    private string? Decode(SKCodec codec, int by)
    {
        Reduction = 0;
        (Width, Height) = (Reduced(codec.Info.Width, by), Reduced(codec.Info.Height, by));
        Pixels = decoded.Reserve((long)Width * Height * BytesPerPixel);
        switch (codec.GetPixels(new SKImageInfo(Width, Height, SKColorType.Rgba8888, SKAlphaType.Unpremul), (nint)Pixels))
        {
            case SKCodecResult.Success:
                Turn();
                Reduction = by;
                return null;
            case SKCodecResult.IncompleteInput:
                return "is cut short: the picture ends before its last row";
            case var result:
                return $"is damaged ({result})";
        }
    }

    // Moves the decoded pixels to where they are shown.
    private void Turn()
    {
        if (IsUpright(origin))
        {
            return;
        }

        var (columns, rows, swaps) = (Width, Height, SwapsSides(origin));
        var from = (uint*)Pixels;
        var to = (uint*)turned.Reserve((long)columns * rows * BytesPerPixel);
        var isFromRight = origin is SKEncodedOrigin.TopRight or SKEncodedOrigin.BottomRight or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;
        var isFromBottom = origin is SKEncodedOrigin.BottomRight or SKEncodedOrigin.BottomLeft or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom;
        (Width, Height) = swaps ? (rows, columns) : (columns, rows);
        for (var y = 0; y < Height; y++)
        {
            for (var x = 0; x < Width; x++)
            {
                var (column, row) = swaps ? (y, x) : (x, y);
                column = isFromRight ? columns - 1 - column : column;
                row = isFromBottom ? rows - 1 - row : row;
                *to++ = from[((long)row * columns) + column];
            }
        }

        Pixels = (byte*)turned.Start;
    }

    private static SKEncodedOrigin OriginOf(SKCodec codec, ReadOnlySpan<byte> file) =>
        codec.EncodedFormat == SKEncodedImageFormat.Png ? ExifOrientation.OfPng(file) : codec.EncodedOrigin;

    private static int Reduced(int side, int by) => (side + by - 1) / by;

    private static bool IsUpright(SKEncodedOrigin origin) => origin is SKEncodedOrigin.TopLeft or SKEncodedOrigin.Default;

    private static bool SwapsSides(SKEncodedOrigin origin) =>
        origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;

    /// <summary>Native memory that grows; a large picture's is not kept for the small ones after it.</summary>
    private sealed class PixelBuffer : IDisposable
    {
        private const long MostKept = 16 << 20;
        private long capacity;

        public void* Start { get; private set; }

        public byte* Reserve(long byteCount)
        {
            if (byteCount > capacity || (capacity > MostKept && byteCount <= MostKept))
            {
                Dispose();

                // One pixel more, which is read and counts for nothing.
                Start = NativeMemory.Alloc((nuint)byteCount + BytesPerPixel);
                capacity = byteCount;
            }

            return (byte*)Start;
        }

        public void Dispose()
        {
            NativeMemory.Free(Start);
            Start = null;
            capacity = 0;
        }
    }
}

/// <summary>
/// A picture without compression as a file: eight letters, columns and rows as 32-bit integers of little endian, then (rows, columns, 3) bytes, red first. What a packed set
/// consists of.
/// </summary>
internal static unsafe class RawPicture
{
    /// <summary>Bytes before the pixels.</summary>
    public const int HeaderLength = 16;

    private static ReadOnlySpan<byte> Letters => "PASCLRGB"u8;

    /// <summary>An empty picture.</summary>
    public static byte[] Create(int width, int height)
    {
        var file = new byte[HeaderLength + (width * height * PixelBlock.Channels)];
        Letters.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(8), width);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(12), height);
        return file;
    }

    /// <summary>A picture of pixels.</summary>
    public static byte[] Of(ReadOnlySpan<byte> colours, int width, int height)
    {
        var file = Create(width, height);
        colours.CopyTo(Pixels(file));
        return file;
    }

    /// <summary>The pixels of a picture.</summary>
    public static Span<byte> Pixels(byte[] file) => file.AsSpan(HeaderLength);

    /// <summary>Columns and rows; null for another file.</summary>
    public static (int Width, int Height)? SizeOf(ReadOnlySpan<byte> file)
    {
        if (file.Length < HeaderLength || !file.StartsWith(Letters))
        {
            return null;
        }

        var (width, height) = (BinaryPrimitives.ReadInt32LittleEndian(file[8..]), BinaryPrimitives.ReadInt32LittleEndian(file[12..]));
        return width > 0 && height > 0 && ((long)width * height * PixelBlock.Channels) + HeaderLength == file.Length ? (width, height) : null;
    }

    /// <summary>Writes pixels of three bytes as pixels of four, the last 0.</summary>
    public static void Expand(byte* from, long count, byte* to)
    {
        for (var end = from + (count * PixelBlock.Channels); from < end; from += PixelBlock.Channels, to += PillowResampling.BytesPerPixel)
        {
            *(uint*)to = from[0] | ((uint)from[1] << 8) | ((uint)from[2] << 16);
        }
    }
}
