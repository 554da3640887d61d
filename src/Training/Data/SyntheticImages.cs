using Pascl.Training.Data.Synthetic;

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
