namespace Pascl.Training.Data.Formats;

/// <summary>The images of one CIFAR file: 32 x 32 pixels as three planes, red, green and blue, with a label each.</summary>
internal sealed class CifarRecords
{
    /// <summary>Rows and columns of an image.</summary>
    public const int ImageSize = 32;

    private const int PlaneSize = ImageSize * ImageSize;
    private const int PixelBytes = PlaneSize * PixelBlock.Channels;
    private readonly Func<int, ReadOnlyMemory<byte>> planes;

    private CifarRecords(string source, int[] labels, int classCount, Func<int, ReadOnlyMemory<byte>> planes)
    {
        (Source, Labels, this.planes) = (source, labels, planes);
        if (Array.FindIndex(labels, label => label < 0 || label >= classCount) is >= 0 and var bad)
        {
            throw new InputException($"{source}: record {bad} has label {labels[bad]}; expected 0 to {classCount - 1}.");
        }
    }

    /// <summary>How messages name the file.</summary>
    public string Source { get; }

    public int[] Labels { get; }

    public static CifarRecords Read(string source, ReadOnlyMemory<byte> file, CifarLayout layout, int classCount) =>
        layout.IsPickle ? ReadPickle(source, file, layout, classCount) : ReadBinary(source, file, layout, classCount);

    /// <summary>Writes image <paramref name="record"/> to <paramref name="target"/>, (32, 32, 3).</summary>
    public void CopyPixels(int record, Span<byte> target)
    {
        var from = planes(record).Span;
        for (var i = 0; i < PlaneSize; i++)
        {
            target[PixelBlock.Channels * i] = from[i];
            target[(PixelBlock.Channels * i) + 1] = from[PlaneSize + i];
            target[(PixelBlock.Channels * i) + 2] = from[(2 * PlaneSize) + i];
        }
    }

    private static CifarRecords ReadBinary(string source, ReadOnlyMemory<byte> file, CifarLayout layout, int classCount)
    {
        var recordSize = layout.LabelBytes + PixelBytes;
        var (count, rest) = Math.DivRem(file.Length, recordSize);
        if (count == 0 || rest != 0)
        {
            throw new InputException(
                $"{source} has {file.Length:N0} bytes; expected a multiple of {recordSize:N0}, the size of a record of {layout.Format}. "
                + "The file is cut short or of another format.");
        }

        int[] labels = [.. Enumerable.Range(0, count).Select(record => (int)file.Span[(record * recordSize) + layout.LabelBytes - 1])];
        return new CifarRecords(source, labels, classCount, record => file.Slice((record * recordSize) + layout.LabelBytes, PixelBytes));
    }

    private static CifarRecords ReadPickle(string source, ReadOnlyMemory<byte> file, CifarLayout layout, int classCount)
    {
        var table = CifarPickle.Load(source, file);
        if (!table.TryGetValue("data", out var data) || data is not PickledArray { Columns: PixelBytes } images)
        {
            throw new InputException(
                $"{source} holds no table \"data\" of {PixelBytes} bytes per image, so it is no {layout.Format} file.");
        }

        var list = table.GetValueOrDefault(layout.LabelKey!) as List<object?> ?? [];
        int[] labels = [.. list.OfType<long>().Select(label => (int)Math.Clamp(label, int.MinValue, int.MaxValue))];
        return labels.Length == list.Count && labels.Length == images.Rows && images.Rows > 0
            ? new CifarRecords(source, labels, classCount, images.Row)
            : throw new InputException(
                $"{source} has {images.Rows} images and {labels.Length} labels \"{layout.LabelKey}\"; expected one per image.");
    }
}
