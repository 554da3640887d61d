using Pascl.Training.Data.Synthetic;

namespace Pascl.Training.Data;

/// <summary>
/// Procedural images for a first run without any download. A class is a shape with a texture on it; colours, place, size and tilt are random. Each of five
/// shapes and each of five textures occurs in two of the ten classes, so that neither is enough to tell the class.
/// </summary>
/// <param name="Training">Long-tailed: the exponential profile over the ten classes.</param>
/// <param name="Test">The same classes, equally frequent.</param>
/// <param name="Outliers">For training: objects with a shape, a texture or both that no class and no test set has.</param>
/// <param name="OutOfDistribution">
/// Test sets that training never sees: <c>near</c>, the classes' shapes and textures in the other fifteen combinations; <c>far</c>, fields of waves without an object.
/// </param>
public sealed record SyntheticImages(ImageSet Training, ImageSet Test, ImageSet Outliers, IReadOnlyList<ImageSet> OutOfDistribution)
{
    private const int KnownShapes = 5;
    private const int KnownTextures = 5;
    private const int ClassCount = 2 * KnownShapes;

    private static readonly (Shape Shape, Texture Texture)[] Combinations =
        [.. Enum.GetValues<Shape>().SelectMany(shape => Enum.GetValues<Texture>().Select(texture => (shape, texture)))];

    private static readonly (Shape Shape, Texture Texture)[] Classes =
        [.. Enumerable.Range(0, ClassCount).Select(label => ((Shape)(label % KnownShapes), (Texture)((label + (label / KnownShapes)) % KnownTextures)))];

    private static readonly (Shape Shape, Texture Texture)[] Near = [.. Combinations.Where(IsKnown).Except(Classes)];

    private static readonly (Shape Shape, Texture Texture)[] Foreign = [.. Combinations.Where(combination => !IsKnown(combination))];

    /// <summary>Paints all sets; the same seed and options give the same bytes on any number of threads.</summary>
    /// <param name="seed">Seed of everything random.</param>
    /// <param name="options">Numbers and difficulty; null for those of the quickstart.</param>
    public static SyntheticImages Create(ulong seed, SyntheticOptions? options = null)
    {
        options ??= new SyntheticOptions();
        var counts = new LongTailProfile(LongTailShape.Exponential, options.ImbalanceRatio).Counts(ClassCount, options.LargestClass);
        int[] trainingLabels = [.. counts.SelectMany((count, label) => Enumerable.Repeat(label, count))];
        int[] testLabels = [.. Enumerable.Range(0, ClassCount * options.TestPerClass).Select(image => image % ClassCount)];
        string[] names = [.. Classes.Select(part => $"{part.Texture} {part.Shape}")];
        var painter = new Painter(options);

        ImageSet Objects(string name, int set, int[] labels, (Shape Shape, Texture Texture)[] parts) => Paint(name, set, labels, (image, random, pixels) =>
        {
            var (shape, texture) = parts[labels[image] == ImageSet.NoClass ? random.Below(parts.Length) : labels[image]];
            painter.Object(shape, texture, random, pixels);
        });

        ImageSet Paint(string name, int set, int[] labels, PaintImage paint)
        {
            var block = new PixelBlock(labels.Length, options.Size, options.Size);
            Parallel.For(0, labels.Length, image =>
                paint(image, new RandomSequence(seed, 0, image, RandomStream.Synthetic + set), block.Writable(image)));
            return new ImageSet(name, block, labels, labels.Contains(ImageSet.NoClass) ? [] : names);
        }

        return new SyntheticImages(
            Objects("training", 0, trainingLabels, Classes),
            Objects("test", 1, testLabels, Classes),
            Objects("outliers", 2, NoClass(options.OutlierCount), Foreign),
            [
                Objects("near", 3, NoClass(options.OutOfDistributionCount), Near),
                Paint("far", 4, NoClass(options.OutOfDistributionCount), (_, random, pixels) => painter.Field(random, pixels)),
            ]);
    }

    private static int[] NoClass(int count) => [.. Enumerable.Repeat(ImageSet.NoClass, count)];

    private static bool IsKnown((Shape Shape, Texture Texture) combination) =>
        (int)combination.Shape < KnownShapes && (int)combination.Texture < KnownTextures;

    private delegate void PaintImage(int image, RandomSequence random, Span<byte> pixels);
}
