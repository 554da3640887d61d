using System.Globalization;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Extensions;

/// <summary>A format of images: <c>stripes:N</c> is N training and N / 2 test images of horizontal and of vertical stripes, drawn instead of read.</summary>
public sealed class StripesDataset : Dataset
{
    private const string Prefix = "stripes:";
    private readonly int count;

    private StripesDataset(int count) => this.count = count;

    /// <summary>The data set of a path that is of this format.</summary>
    public static Dataset? Find(string path)
    {
        // The command line makes paths absolute.
        var name = Path.GetFileName(path);
        return !name.StartsWith(Prefix, StringComparison.Ordinal) ? null
            : int.TryParse(name[Prefix.Length..], CultureInfo.InvariantCulture, out var count) && count >= 4
            ? new StripesDataset(count) { Location = path, Format = "stripes", ClassNames = ["horizontal", "vertical"], Parts = [TrainPart, TestPart] }
            : throw new InputException($"{name} names no number of images; write stripes:N with N at least 4.");
    }

    /// <inheritdoc/>
    public override ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped)
    {
        var size = options.ImageSize ?? 32;
        var pixels = new PixelBlock(part == TrainPart ? count : count / 2, size, size);
        var labels = new int[pixels.Count];
        var random = new Random(part == TrainPart ? 1 : 2);
        for (var image = 0; image < pixels.Count; image++)
        {
            labels[image] = image % 2;
            var (phase, width) = (random.Next(8), random.Next(2, 5));
            var bytes = pixels.Writable(image);
            for (var i = 0; i < bytes.Length; i++)
            {
                var (row, column) = (i / 3 / size, i / 3 % size);
                bytes[i] = (byte)(((labels[image] == 0 ? row : column) + phase) / width % 2 == 0 ? 220 : 30);
            }
        }

        return new ImageSet(name, pixels, labels, ClassNames);
    }

    /// <inheritdoc/>
    public override int Count(string part) => part == TrainPart ? count : count / 2;

    /// <inheritdoc/>
    public override IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part) => [(32, 32, Count(part))];
}
