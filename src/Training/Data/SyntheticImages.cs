using System.Numerics;

namespace Pascl.Training.Data;

/// <summary>
/// Procedural images for a first run without any download. A class is a shape with a texture on it; colours, place, size and tilt are
/// random. Each of five shapes and each of five textures occurs in two of the ten classes, so that neither is enough to tell the class.
/// </summary>
/// <param name="Training">Long-tailed: the exponential profile over the ten classes.</param>
/// <param name="Test">The same classes, equally frequent.</param>
/// <param name="Outliers">
/// For training: objects with a shape, a texture or both that no class and no test set has; one of the shapes is the whole image.
/// </param>
/// <param name="OutOfDistribution">
/// Test sets that training never sees: <c>near</c>, the classes' shapes and textures in the other fifteen combinations; <c>far</c>, fields
/// of waves without an object.
/// </param>
public sealed record SyntheticImages(ImageSet Training, ImageSet Test, ImageSet Outliers, IReadOnlyList<ImageSet> OutOfDistribution)
{
    private const int KnownShapes = 5;
    private const int KnownTextures = 5;
    private const int ClassCount = 2 * KnownShapes;

    private static readonly Look[] All =
        [.. Enum.GetValues<Shape>().SelectMany(shape => Enum.GetValues<Texture>().Select(texture => new Look(shape, texture)))];

    // The first five classes pair shape i with texture i, the other five with texture i + 1.
    private static readonly Look[] Classes =
        [.. Enumerable.Range(0, ClassCount).Select(label =>
            new Look((Shape)(label % KnownShapes), (Texture)((label + (label / KnownShapes)) % KnownTextures)))];

    private static readonly Look[] Near = [.. All.Where(HasKnownParts).Except(Classes)];

    private static readonly Look[] Foreign = [.. All.Where(look => !HasKnownParts(look))];

    /// <summary>Paints all sets; the same seed and options give the same bytes on any number of threads.</summary>
    /// <param name="seed">Seed of everything random.</param>
    /// <param name="options">Numbers and difficulty; null for those of the quickstart.</param>
    public static SyntheticImages Create(ulong seed, SyntheticOptions? options = null)
    {
        options ??= new SyntheticOptions();
        var painter = new Painter(options);
        var profile = new LongTailProfile(LongTailShape.Exponential, options.ImbalanceRatio).Counts(ClassCount, options.LargestClass);
        int[] training = [.. profile.SelectMany((count, label) => Enumerable.Repeat(label, count))];
        int[] test = [.. Enumerable.Range(0, ClassCount * options.TestPerClass).Select(image => image % ClassCount)];
        var (outliers, near, far) = (options.OutlierCount, options.OutOfDistributionCount, options.OutOfDistributionCount);
        return new SyntheticImages(
            Set("training", 0, training, (image, random, pixels) => painter.Object(Classes[training[image]], random, pixels)),
            Set("test", 1, test, (image, random, pixels) => painter.Object(Classes[test[image]], random, pixels)),
            Set("outliers", 2, NoClass(outliers), (_, random, pixels) => painter.Object(Any(Foreign, ref random), random, pixels)),
            [
                Set("near", 3, NoClass(near), (_, random, pixels) => painter.Object(Any(Near, ref random), random, pixels)),
                Set("far", 4, NoClass(far), (_, random, pixels) => painter.Field(random, pixels)),
            ]);

        ImageSet Set(string name, int stream, int[] labels, PaintImage paint)
        {
            var block = new PixelBlock(labels.Length, options.Size, options.Size);
            Parallel.For(0, labels.Length, image =>
                paint(image, new RandomSequence(seed, 0, image, RandomStream.Synthetic + stream), block.Writable(image)));
            return new ImageSet(name, block, labels, labels.Contains(ImageSet.NoClass) ? [] : [.. Classes.Select(look => look.Name)]);
        }
    }

    private static Look Any(Look[] looks, ref RandomSequence random) => looks[random.Below(looks.Length)];

    private static int[] NoClass(int count) => [.. Enumerable.Repeat(ImageSet.NoClass, count)];

    private static bool HasKnownParts(Look look) => (int)look.Shape < KnownShapes && (int)look.Texture < KnownTextures;

    private delegate void PaintImage(int image, RandomSequence random, Span<byte> pixels);
}

/// <summary>How many synthetic images there are and how hard they are to tell apart.</summary>
public sealed record SyntheticOptions
{
    /// <summary>Rows and columns of every image.</summary>
    public int Size { get; init; } = 16;

    /// <summary>Training images of the most frequent class.</summary>
    public int LargestClass { get; init; } = 600;

    /// <summary>Images of the rarest class over those of the most frequent.</summary>
    public double ImbalanceRatio { get; init; } = 0.03;

    /// <summary>Test images of every class.</summary>
    public int TestPerClass { get; init; } = 60;

    /// <summary>Outlier images for training.</summary>
    public int OutlierCount { get; init; } = 2000;

    /// <summary>Images in each out-of-distribution test set.</summary>
    public int OutOfDistributionCount { get; init; } = 600;

    /// <summary>Difference of the two colours of a texture; smaller is harder.</summary>
    public float Contrast { get; init; } = 0.7f;

    /// <summary>Standard deviation of the noise of every pixel, where the range of a colour is 1; larger is harder.</summary>
    public float Noise { get; init; } = 0.05f;
}

/// <summary>
/// Shapes and textures as functions of the place; x points right, y down, and an object reaches to about 1 from its centre.
/// </summary>
internal static class Appearance
{
    /// <summary>How far a place is from the outline, roughly: negative inside, positive outside.</summary>
    public static float Distance(Shape shape, float x, float y)
    {
        var (across, down) = (MathF.Abs(x), MathF.Abs(y));
        var radius = MathF.Sqrt((x * x) + (y * y));
        return shape switch
        {
            Shape.Disc => radius - 0.9f,
            Shape.Square => MathF.Max(across, down) - 0.8f,
            Shape.Triangle => MathF.Max((0.866f * across) - (0.5f * (y - 0.2f)), y - 0.2f) - 0.6f,
            Shape.Ring => MathF.Abs(radius - 0.68f) - 0.3f,
            Shape.Cross => MathF.Max(MathF.Min(across, down) - 0.34f, MathF.Max(across, down) - 1f),
            Shape.Star => radius - 0.7f - (0.35f * MathF.Cos(5 * MathF.Atan2(x, y))),
            Shape.Crescent => MathF.Max(radius - 1f, 0.8f - MathF.Sqrt(((x - 0.5f) * (x - 0.5f)) + (y * y))),
            Shape.Diamond => (0.9f * across) + (0.6f * down) - 0.75f,
            Shape.Hourglass => MathF.Max(down - 0.9f, across - (0.9f * down) - 0.1f),
            _ => -1f,
        };
    }

    /// <summary>The texture's share of the second colour, in [0, 1], where x and y count periods.</summary>
    public static float Pattern(Texture texture, float x, float y) => texture switch
    {
        Texture.Plain => 0f,
        Texture.HorizontalStripes => Wave(y),
        Texture.VerticalStripes => Wave(x),
        Texture.Checkerboard => 0.5f - (2f * (Wave(x) - 0.5f) * (Wave(y) - 0.5f)),
        Texture.Dots => Math.Clamp(2f * (MathF.Cos(MathF.Tau * x) + MathF.Cos(MathF.Tau * y)), 0f, 1f),
        Texture.DiagonalStripes => Wave(0.7f * (x + y)),
        Texture.Circles => Wave(MathF.Sqrt((x * x) + (y * y))),
        Texture.Gradient => Math.Clamp(0.5f + (0.25f * (x + (0.5f * y))), 0f, 1f),
        _ => Wave(x + (0.4f * MathF.Sin(MathF.Tau * y))),
    };

    // A sine with steeper flanks, in [0, 1].
    private static float Wave(float turns) => Math.Clamp(0.5f + MathF.Sin(MathF.Tau * turns), 0f, 1f);
}

/// <summary>What a synthetic object looks like, apart from its colours.</summary>
internal readonly record struct Look(Shape Shape, Texture Texture)
{
    public string Name => $"{Texture} {Shape}";
}

/// <summary>The outline of a synthetic object.</summary>
internal enum Shape
{
    Disc,
    Square,
    Triangle,
    Ring,
    Cross,

    // Shapes from here on occur in outliers only.
    Star,
    Crescent,
    Diamond,
    Hourglass,
    Everywhere,
}

/// <summary>The pattern on a synthetic object.</summary>
internal enum Texture
{
    Plain,
    HorizontalStripes,
    VerticalStripes,
    Checkerboard,
    Dots,

    // Textures from here on occur in outliers only.
    DiagonalStripes,
    Circles,
    Gradient,
    Ripples,
}

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
