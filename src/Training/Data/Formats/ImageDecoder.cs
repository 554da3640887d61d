namespace Pascl.Training.Data.Formats;

/// <summary>
/// Decodes JPEG, PNG, BMP, WebP and GIF files to red green blue bytes with Skia, in the size that is wanted of them. Grey and palette images are expanded, alpha is dropped,
/// 16 bits become the upper eight, four inks three colours, colour profiles are not applied: what Pillow's <c>convert("RGB")</c> gives. EXIF orientation is applied, as by
/// Pillow's <c>ImageOps.exif_transpose</c>. One decoder serves one thread and keeps its buffers.
/// </summary>
internal sealed unsafe class ImageDecoder : IDisposable
{
    // A JPEG that is larger than what is wanted of it is decoded smaller, to so many times that. A random part may be farther from the exact one than what is evaluated.
    private const int Oversampling = 4;
    private const int OversamplingOfCrops = 2;

    private readonly PictureCodec picture = new();

    /// <summary>
    /// Decodes a file to <paramref name="target"/>, (size, size, 3). Returns null, or what is wrong with the file as the rest of a sentence that begins with its name; the
    /// target is then undefined.
    /// </summary>
    public string? Decode(ReadOnlySpan<byte> file, Span<byte> target, int size, ImageGeometry geometry)
    {
        fixed (byte* start = file)
        {
            try
            {
                if ((picture.Open(start, file.Length) ?? picture.Decode(geometry.Interpolation == Interpolation.Cubic ? 1 : ScaleTo(geometry.ResizeSide(size)), Oversampling)) is { } fault)
                {
                    return fault;
                }

                Fit(target, size, geometry);
                return null;
            }
            finally
            {
                picture.Close();
            }
        }
    }

    /// <summary>Fits a picture that is decoded already into <paramref name="target"/> as <see cref="Decode"/> does.</summary>
    /// <param name="colours">(height, width, 3) bytes.</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="target">(size, size, 3).</param>
    /// <param name="size">Rows and columns of the result.</param>
    /// <param name="geometry">How it becomes a square.</param>
    public void Fit(ReadOnlySpan<byte> colours, int width, int height, Span<byte> target, int size, ImageGeometry geometry)
    {
        if (geometry == ImageGeometry.SmallImages && width == size && height == size)
        {
            colours.CopyTo(target);
        }
        else
        {
            _ = Decode(RawPicture.Of(colours, width, height), target, size, geometry);
        }
    }

    /// <summary>Decodes parts of a picture, each resized by Pillow's bilinear filter; what lies outside of a part counts for nothing.</summary>
    /// <param name="file">The file.</param>
    /// <param name="targets">(parts, size, size, 3).</param>
    /// <param name="size">Rows and columns of each.</param>
    /// <param name="boxOf">The box of a part, in a picture of a width and height. What comes of it does not depend on the other parts.</param>
    /// <returns>What <see cref="Decode"/> returns.</returns>
    public string? DecodeCrops(ReadOnlySpan<byte> file, Span<byte> targets, int size, Func<int, int, int, CropBox> boxOf)
    {
        fixed (byte* start = file)
        {
            try
            {
                var fault = picture.Open(start, file.Length);
                for (var part = 0; fault is null && !targets.IsEmpty; part++)
                {
                    var box = boxOf(part, picture.FullWidth, picture.FullHeight);
                    fault = picture.Decode((double)Math.Min(box.Width, box.Height) / size, OversamplingOfCrops);
                    if (fault is null)
                    {
                        var byteCount = size * size * PixelBlock.Channels;
                        Resize(box, (size, size), new CropBox(0, 0, size, size), Interpolation.PillowBilinear, targets[..byteCount]);
                        targets = targets[byteCount..];
                    }
                }

                return fault;
            }
            finally
            {
                picture.Close();
            }
        }
    }

    /// <summary>Decodes a whole picture, resized by Pillow's bilinear filter so that its shorter side has a length; a smaller picture stays as it is.</summary>
    /// <param name="file">The file.</param>
    /// <param name="side">The shorter side.</param>
    /// <param name="resized">The picture as a file that this decoder reads, see <see cref="RawPicture"/>.</param>
    /// <returns>What <see cref="Decode"/> returns.</returns>
    public string? DecodeResized(ReadOnlySpan<byte> file, int side, out byte[] resized)
    {
        resized = [];
        fixed (byte* start = file)
        {
            try
            {
                if ((picture.Open(start, file.Length) ?? picture.Decode(ScaleTo(side), Oversampling)) is { } fault)
                {
                    return fault;
                }

                var (columns, rows) = ResizedSize(Math.Min(side, Math.Min(picture.FullWidth, picture.FullHeight)));
                resized = RawPicture.Create(columns, rows);
                Resize(Whole, (columns, rows), new CropBox(0, 0, columns, rows), Interpolation.PillowBilinear, RawPicture.Pixels(resized));
                return null;
            }
            finally
            {
                picture.Close();
            }
        }
    }

    /// <summary>Decodes a file in its own size, for <see cref="Colours"/>; returns what <see cref="Decode"/> returns.</summary>
    internal string? DecodeWhole(ReadOnlySpan<byte> file, out int width, out int height)
    {
        fixed (byte* start = file)
        {
            try
            {
                var fault = picture.Open(start, file.Length) ?? picture.Decode(scale: 1, Oversampling);
                (width, height) = (picture.FullWidth, picture.FullHeight);
                return fault;
            }
            finally
            {
                picture.Close();
            }
        }
    }

    /// <summary>The picture decoded last, (height, width, 3), once.</summary>
    internal ReadOnlySpan<byte> Colours() => picture.Colours();

    public void Dispose() => picture.Dispose();

    private CropBox Whole => new(0, 0, picture.FullWidth, picture.FullHeight);

    private double ScaleTo(int side) => (double)Math.Min(picture.FullWidth, picture.FullHeight) / side;

    private void Fit(Span<byte> target, int size, ImageGeometry geometry)
    {
        if (geometry.Interpolation != Interpolation.Cubic)
        {
            var (columns, rows) = ResizedSize(geometry.ResizeSide(size));
            Resize(Whole, (columns, rows), new CropBox(Margin(columns, size), Margin(rows, size), size, size), geometry.Interpolation, target);
        }
        else if (picture.Width == size && picture.Height == size)
        {
            picture.CopyColours(target);
        }
        else
        {
            Resampling.ResizeAndCrop(picture.Colours(), picture.Width, picture.Height, target, size);
        }

        // torchvision's CenterCrop: int(round(...)), halves to even.
        static int Margin(int resized, int size) => (int)Math.Round((resized - size) / 2.0);
    }

    // torchvision's Resize: the longer side is cut to an integer, not rounded.
    private (int Columns, int Rows) ResizedSize(int side)
    {
        var (width, height) = (picture.FullWidth, picture.FullHeight);
        return width <= height ? (side, (int)((double)side * height / width)) : ((int)((double)side * width / height), side);
    }

    // A box of the whole picture becomes outputs, of which a part is wanted. What lies outside of the box counts for nothing, as where a crop is resized.
    private void Resize(CropBox box, (int Columns, int Rows) outputs, CropBox wanted, Interpolation interpolation, Span<byte> target)
    {
        var source = picture.Pixels;
        if (picture.Reduction == 1)
        {
            source += (((long)box.Top * picture.Width) + box.Left) * PillowResampling.BytesPerPixel;
            box = box with { Left = 0, Top = 0 };
        }

        PillowResampling.Resize(
            source, picture.Width,
            Axis(box.Left, box.Width, picture.Width, outputs.Columns, wanted.Left, wanted.Width),
            Axis(box.Top, box.Height, picture.Height, outputs.Rows, wanted.Top, wanted.Height),
            interpolation, target);

        ResizedAxis Axis(int first, int count, int limit, int outputs, int firstWanted, int countWanted)
        {
            var (from, to) = ((double)first / picture.Reduction, (double)(first + count) / picture.Reduction);
            return new ResizedAxis(from, to, (int)from, Math.Min(limit, (int)Math.Ceiling(to)), outputs, firstWanted, countWanted);
        }
    }
}
