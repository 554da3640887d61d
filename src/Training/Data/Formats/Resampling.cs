using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Resizes a picture so that its shorter side has a given length and cuts the square in its centre. The filter is the cubic of R. Keys
/// (1981) with a = -1/2, widened by the reduction so that fine detail does not alias; weights near an edge are renormalised.
/// </summary>
internal static class Resampling
{
    private const double Radius = 2;

    /// <summary>Resizes <paramref name="source"/>, (height, width, 3), to <paramref name="target"/>, (size, size, 3).</summary>
    public static void ResizeAndCrop(ReadOnlySpan<byte> source, int width, int height, Span<byte> target, int size)
    {
        const int channels = PixelBlock.Channels;
        var shorter = Math.Min(width, height);
        var columns = Taps(width, shorter, size);
        var rows = Taps(height, shorter, size);
        var firstRow = rows[0].First;
        var wide = new float[(rows[^1].First + rows[^1].Weights.Length - firstRow) * size * channels]; // (rows read, size, 3)
        for (var (y, to) = (firstRow, 0); to < wide.Length; y++)
        {
            var line = source.Slice(y * width * channels, width * channels);
            foreach (var tap in columns)
            {
                for (var channel = 0; channel < channels; channel++, to++)
                {
                    for (var i = 0; i < tap.Weights.Length; i++)
                    {
                        wide[to] += tap.Weights[i] * line[((tap.First + i) * channels) + channel];
                    }
                }
            }
        }

        for (var y = 0; y < size; y++)
        {
            for (var x = 0; x < size * channels; x++)
            {
                var sum = 0f;
                for (var i = 0; i < rows[y].Weights.Length; i++)
                {
                    sum += rows[y].Weights[i] * wide[((rows[y].First - firstRow + i) * size * channels) + x];
                }

                target[(y * size * channels) + x] = (byte)Math.Clamp(sum + 0.5f, 0f, 255f);
            }
        }
    }

    /// <summary>The source positions and weights of each of the <paramref name="size"/> central outputs along one axis.</summary>
    private static Tap[] Taps(int length, int shorter, int size)
    {
        var resized = (int)Math.Round((double)length * size / shorter);
        var scale = (double)length / resized;
        var stretch = Math.Max(scale, 1);
        var offset = (resized - size) / 2;
        var taps = new Tap[size];
        for (var output = 0; output < size; output++)
        {
            var centre = (output + offset + 0.5) * scale;
            var first = Math.Max(0, (int)Math.Floor(centre - (Radius * stretch)));
            var end = Math.Min(length, (int)Math.Ceiling(centre + (Radius * stretch)));
            var weights = new double[end - first];
            for (var i = 0; i < weights.Length; i++)
            {
                weights[i] = Cubic((first + i + 0.5 - centre) / stretch);
            }

            var sum = weights.Sum();
            taps[output] = new Tap(first, [.. weights.Select(weight => (float)(weight / sum))]);
        }

        return taps;
    }

    private static double Cubic(double distance)
    {
        var x = Math.Abs(distance);
        return x < 1 ? (((1.5 * x) - 2.5) * x * x) + 1 : x < Radius ? (((((-0.5 * x) + 2.5) * x) - 4) * x) + 2 : 0;
    }

    private readonly record struct Tap(int First, float[] Weights);
}

/// <summary>
/// Resizes as Pillow does on 8-bit images, to the byte: a pass over the rows and one over the columns, with weights of 22 binary digits behind the point, each pass rounded to
/// bytes. Reads four bytes a pixel, of which the last counts for nothing, and one pixel behind the last; computes only the part of the result that is wanted.
/// </summary>
/// <remarks>
/// Source: Pillow 9.4, Resample.c. The weight of a source pixel is f((x + 1/2 - c) / s) with the centre c = from + (i + 1/2) (to - from) / outputs of output i and
/// s = max(1, (to - from) / outputs), over the pixels whose centres are closer than the filter's radius times s to c; weights sum to 1.
/// </remarks>
internal static unsafe class PillowResampling
{
    /// <summary>Bytes of a source pixel.</summary>
    public const int BytesPerPixel = 4;

    private const int Precision = 22;
    private const int RowsAtOnce = 4;

    /// <summary>Resizes a part of a picture.</summary>
    /// <param name="source">(rows, <paramref name="width"/>, 4) bytes, and four more.</param>
    /// <param name="width">Columns of the whole picture.</param>
    /// <param name="across">What becomes of the columns.</param>
    /// <param name="down">What becomes of the rows.</param>
    /// <param name="interpolation">The filter: one of Pillow's.</param>
    /// <param name="target">(down.Count, across.Count, 3) bytes.</param>
    public static void Resize(byte* source, int width, ResizedAxis across, ResizedAxis down, Interpolation interpolation, Span<byte> target)
    {
        var columns = new Taps(across, interpolation);
        var rows = new Taps(down, interpolation);
        var (firstRow, rowCount) = rows.Reach();
        var stride = across.Count * BytesPerPixel;

        // Room behind the last row, because eight pixels are read at a time.
        var wide = ArrayPool<byte>.Shared.Rent((rowCount * stride) + Vector256<byte>.Count);
        try
        {
            fixed (byte* intermediate = wide)
            {
                for (var row = 0; row < rowCount; row += RowsAtOnce)
                {
                    Across(source + ((long)(firstRow + row) * width * BytesPerPixel), width * BytesPerPixel, columns, intermediate + (row * stride), Math.Min(RowsAtOnce, rowCount - row));
                }

                for (var row = 0; row < down.Count; row++)
                {
                    Down(intermediate + ((rows.First[row] - firstRow) * stride), stride, rows, row,
                        target.Slice(row * across.Count * PixelBlock.Channels, across.Count * PixelBlock.Channels));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(wide);
        }
    }

    // Two source pixels at a time, each with its weight in four elements, of four rows; a pixel too many has the weight 0, and a row too many is the last one again.
    private static void Across(byte* line, long stride, Taps taps, byte* to, int rows)
    {
        var row = taps.First.Length * BytesPerPixel;
        var (second, third, fourth) = (Math.Min(1, rows - 1), Math.Min(2, rows - 1), rows - 1);
        fixed (int* weights = taps.Weights)
        {
            for (var output = 0; output < taps.First.Length; output++, to += BytesPerPixel)
            {
                var from = line + (taps.First[output] * BytesPerPixel);
                var weight = weights + (output * taps.Width * BytesPerPixel);
                var (a, b, c, d) = (Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero);
                for (var end = weight + (taps.Length[output] * BytesPerPixel); weight < end; weight += Vector256<int>.Count, from += 2 * BytesPerPixel)
                {
                    var by = Vector256.Load(weight);
                    a += Widened(from) * by;
                    b += Widened(from + (second * stride)) * by;
                    c += Widened(from + (third * stride)) * by;
                    d += Widened(from + (fourth * stride)) * by;
                }

                var upper = Bytes(Pixel(a), Pixel(b));
                var lower = Bytes(Pixel(c), Pixel(d));
                *(uint*)to = (uint)upper;
                *(uint*)(to + (second * row)) = (uint)(upper >> 32);
                *(uint*)(to + (third * row)) = (uint)lower;
                *(uint*)(to + (fourth * row)) = (uint)(lower >> 32);
            }
        }

        static Vector128<int> Pixel(Vector256<int> sum) => sum.GetLower() + sum.GetUpper() + Vector128.Create(1 << (Precision - 1));
    }

    // Eight pixels of a row at a time.
    private static void Down(byte* from, int stride, Taps taps, int output, Span<byte> target)
    {
        const int pixels = 8, bytes = pixels * BytesPerPixel, written = pixels * PixelBlock.Channels;
        var weights = taps.Weights.AsSpan(output * taps.Width * BytesPerPixel, taps.Length[output] * BytesPerPixel);
        var half = Vector256.Create(1 << (Precision - 1));
        var last = stackalloc byte[bytes];
        for (; !target.IsEmpty; from += bytes, target = target[Math.Min(written, target.Length)..])
        {
            var (first, second, third, fourth) = (half, half, half, half);
            var line = from;
            for (var i = 0; i < weights.Length; i += BytesPerPixel, line += stride)
            {
                var weight = Vector256.Create(weights[i]);
                first += Widened(line) * weight;
                second += Widened(line + 8) * weight;
                third += Widened(line + 16) * weight;
                fourth += Widened(line + 24) * weight;
            }

            // Sixteen bytes are written for twelve, so the last ones go a way round.
            var isLast = target.Length < bytes;
            fixed (byte* place = target)
            {
                var to = isLast ? last : place;
                WithoutFourth(first, second).Store(to);
                WithoutFourth(third, fourth).Store(to + (written / 2));
            }

            if (isLast)
            {
                new Span<byte>(last, Math.Min(written, target.Length)).CopyTo(target);
            }
        }
    }

    // The colours of four pixels in the lower twelve bytes.
    private static Vector128<byte> WithoutFourth(Vector256<int> first, Vector256<int> second) => Vector128.Shuffle(
        Vector128.Create(Bytes(first.GetLower(), first.GetUpper()), Bytes(second.GetLower(), second.GetUpper())).AsByte(),
        Vector128.Create((byte)0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widened(byte* pixels)
    {
        if (Avx2.IsSupported)
        {
            return Avx2.ConvertToVector256Int32(pixels);
        }

        var words = Vector128.WidenLower(Vector128.CreateScalar(*(ulong*)pixels).AsByte());
        return Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsInt32();
    }

    // The bytes that two pixels' sums round to, clipped.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Bytes(Vector128<int> first, Vector128<int> second)
    {
        var words = Vector128.Max(Vector128.NarrowWithSaturation(first >> Precision, second >> Precision), Vector128<short>.Zero).AsUInt16();
        return Vector128.NarrowWithSaturation(words, words).AsUInt64().ToScalar();
    }

    /// <summary>For each wanted output the first source pixel, how many count, and their weights.</summary>
    private sealed class Taps
    {
        public Taps(ResizedAxis axis, Interpolation interpolation)
        {
            var scale = (axis.To - axis.From) / axis.Outputs;
            var stretch = Math.Max(scale, 1);
            var radius = (interpolation == Interpolation.PillowBicubic ? 2 : 1) * stretch;
            Width = ((int)Math.Ceiling(radius) * 2) + 2;
            (First, Length, Weights) = (new int[axis.Count], new int[axis.Count], new int[axis.Count * Width * BytesPerPixel]);
            Span<double> weights = new double[Width];
            for (var i = 0; i < axis.Count; i++)
            {
                var centre = axis.From + ((axis.First + i + 0.5) * scale);
                var first = Math.Max(axis.Low, (int)(centre - radius + 0.5));
                var length = Math.Min(axis.High, (int)(centre + radius + 0.5)) - first;
                var sum = 0.0;
                for (var x = 0; x < length; x++)
                {
                    sum += weights[x] = Filter(interpolation, (x + first - centre + 0.5) * (1 / stretch));
                }

                (First[i], Length[i]) = (first, length);
                for (var x = 0; x < length; x++)
                {
                    var weight = sum == 0 ? weights[x] : weights[x] / sum;
                    Weights.AsSpan(((i * Width) + x) * BytesPerPixel, BytesPerPixel).Fill((int)((weight < 0 ? -0.5 : 0.5) + (weight * (1 << Precision))));
                }
            }
        }

        /// <summary>Weights of an output at most, an even number.</summary>
        public int Width { get; }

        public int[] First { get; }

        public int[] Length { get; }

        /// <summary>(outputs, Width, 4): each weight for the four bytes of a pixel.</summary>
        public int[] Weights { get; }

        /// <summary>The source pixels that count for any output: the first, and how many.</summary>
        public (int First, int Count) Reach() => (First[0], First[^1] + Length[^1] - First[0]);

        private static double Filter(Interpolation interpolation, double distance)
        {
            var x = Math.Abs(distance);
            return interpolation == Interpolation.PillowBilinear ? Math.Max(0, 1 - x)
                : x < 1 ? (((1.5 * x) - 2.5) * x * x) + 1
                : x < 2 ? ((((x - 5) * x) + 8) * x - 4) * -0.5
                : 0;
        }
    }
}

/// <summary>One axis of a resized picture.</summary>
/// <param name="From">Where the part that is resized begins, in source pixels.</param>
/// <param name="To">Where it ends.</param>
/// <param name="Low">The first source pixel that may count.</param>
/// <param name="High">The one behind the last.</param>
/// <param name="Outputs">Pixels that the part is resized to.</param>
/// <param name="First">The first of these that is wanted.</param>
/// <param name="Count">How many are wanted.</param>
internal readonly record struct ResizedAxis(double From, double To, int Low, int High, int Outputs, int First, int Count);
