using System.Numerics;

namespace Pascl.Training.Data.Synthetic;

/// <summary>Paints one synthetic image from a random sequence.</summary>
internal sealed class Painter(SyntheticOptions options)
{
    private const int Waves = 4;

    /// <summary>A textured object of random place, size, tilt and colours before a soft background.</summary>
    public void Object(Look look, RandomSequence random, Span<byte> pixels)
    {
        var size = options.Size;
        var radius = size * random.Between(0.26f, 0.38f);
        var (centreX, centreY) = (size * random.Between(0.4f, 0.6f), size * random.Between(0.4f, 0.6f));
        var (sin, cos) = MathF.SinCos(random.Between(-0.2f, 0.2f));
        var period = radius * random.Between(0.55f, 0.75f);
        var (phaseX, phaseY) = (random.Between(0f, 1f), random.Between(0f, 1f));

        var light = random.Below(2) == 0 ? 1f : -1f;
        var middle = Colour(ref random, 0.35f, 0.65f);
        var first = middle + new Vector3(0.5f * light * options.Contrast);
        var second = middle - new Vector3(0.5f * light * options.Contrast);
        var background = Colour(ref random, 0.2f, 0.8f);
        var change = Colour(ref random, -0.2f, 0.2f);
        var (slopeX, slopeY) = (random.Between(-3f, 3f) / size, random.Between(-3f, 3f) / size);

        for (var row = 0; row < size; row++)
        {
            for (var column = 0; column < size; column++)
            {
                var (dx, dy) = (column + 0.5f - centreX, row + 0.5f - centreY);
                var (x, y) = ((cos * dx) + (sin * dy), (cos * dy) - (sin * dx));
                var coverage = Math.Clamp(0.5f - (radius * Appearance.Distance(look.Shape, x / radius, y / radius)), 0f, 1f);
                var pattern = Appearance.Pattern(look.Texture, (x / period) + phaseX, (y / period) + phaseY);
                var behind = background + (change * MathF.Sin((slopeX * column) + (slopeY * row)));
                Put(Vector3.Lerp(behind, Vector3.Lerp(first, second, pattern), coverage), ref random, pixels, row, column);
            }
        }
    }

    /// <summary>A field without an object: the sum of plane waves of random direction, length and colour.</summary>
    public void Field(RandomSequence random, Span<byte> pixels)
    {
        var middle = Colour(ref random, 0.35f, 0.65f);
        Span<Vector3> colours = stackalloc Vector3[Waves];
        Span<Vector3> waves = stackalloc Vector3[Waves];
        for (var i = 0; i < Waves; i++)
        {
            colours[i] = Colour(ref random, -0.2f, 0.2f);
            waves[i] = new Vector3(random.Between(-0.9f, 0.9f), random.Between(-0.9f, 0.9f), random.Between(0f, MathF.Tau));
        }

        for (var row = 0; row < options.Size; row++)
        {
            for (var column = 0; column < options.Size; column++)
            {
                var colour = middle;
                for (var i = 0; i < Waves; i++)
                {
                    colour += colours[i] * MathF.Sin(Vector3.Dot(waves[i], new Vector3(column, row, 1f)));
                }

                Put(colour, ref random, pixels, row, column);
            }
        }
    }

    private static Vector3 Colour(ref RandomSequence random, float low, float high) =>
        new(random.Between(low, high), random.Between(low, high), random.Between(low, high));

    private void Put(Vector3 colour, ref RandomSequence random, Span<byte> pixels, int row, int column)
    {
        var noisy = colour + (options.Noise * new Vector3(random.Normal(), random.Normal(), random.Normal()));
        var bytes = Vector3.Clamp((noisy * 255f) + new Vector3(0.5f), Vector3.Zero, new Vector3(255f));
        var first = ((row * options.Size) + column) * PixelBlock.Channels;
        (pixels[first], pixels[first + 1], pixels[first + 2]) = ((byte)bytes.X, (byte)bytes.Y, (byte)bytes.Z);
    }
}
