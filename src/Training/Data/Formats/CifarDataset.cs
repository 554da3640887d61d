using System.Text;
using Pascl.Training.Pickling;

namespace Pascl.Training.Data.Formats;

/// <summary>CIFAR-10 or CIFAR-100 as published, binary or Python; CIFAR-100 with its fine classes.</summary>
internal sealed class CifarDataset : Dataset
{
    private readonly FileTree tree;
    private readonly string folder;
    private readonly CifarLayout layout;

    private CifarDataset(FileTree tree, string folder, CifarLayout layout) =>
        (this.tree, this.folder, this.layout) = (tree, folder, layout);

    /// <summary>The data sets of this kind in a tree.</summary>
    public static IEnumerable<CifarDataset> FindAll(FileTree tree) =>
        from layout in CifarLayout.All
        from folder in tree.Files.Where(file => IsPart(layout, FileTree.NameOf(file))).Select(FileTree.FolderOf).Distinct()
        where !layout.IsPickle || tree.Contains(FileTree.Join(folder, layout.NameFile))
        select Create(tree, folder, layout);

    public override ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped)
    {
        (CifarRecords File, int Record)[] images =
            [.. ReadFiles(part).SelectMany(file => Enumerable.Range(0, file.Labels.Length).Select(record => (file, record)))];
        var size = options.ImageSize ?? CifarRecords.ImageSize;
        var pixels = Allocation.Of(images.Length, size, Location);
        Parallel.For(0, images.Length, i =>
        {
            Span<byte> natural = stackalloc byte[CifarRecords.ImageSize * CifarRecords.ImageSize * PixelBlock.Channels];
            images[i].File.CopyPixels(images[i].Record, natural);
            using var decoder = DecoderPool.Rent();
            decoder.Value.Fit(natural, CifarRecords.ImageSize, CifarRecords.ImageSize, pixels.Writable(i), size, options.Geometry);
        });
        int[] labels = [.. images.Select(image => image.File.Labels[image.Record])];
        return new ImageSet(name, pixels, labels, ClassNames, [.. images.Select(image => $"{image.File.Source}[{image.Record}]")]);
    }

    public override int Count(string part) => ReadFiles(part).Sum(file => file.Labels.Length);

    public override IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part) => [(CifarRecords.ImageSize, CifarRecords.ImageSize, Count(part))];

    private static CifarDataset Create(FileTree tree, string folder, CifarLayout layout)
    {
        string[] missing = [.. layout.TrainingFiles.Where(file => !tree.Contains(FileTree.Join(folder, file)))];
        if (missing.Length > 0 && missing.Length < layout.TrainingFiles.Count)
        {
            throw new InputException($"{tree.Location} ({layout.Format}) lacks {string.Join(", ", missing)}; get all of it.");
        }

        var parts = new List<string>();
        if (missing.Length == 0)
        {
            parts.Add(TrainPart);
        }

        if (tree.Contains(FileTree.Join(folder, layout.TestFile)))
        {
            parts.Add(TestPart);
        }

        return new CifarDataset(tree, folder, layout)
        {
            Location = FileTree.Join(tree.Location, folder).TrimEnd('/'),
            Format = layout.Format,
            ClassNames = ReadNames(tree, FileTree.Join(folder, layout.NameFile), layout),
            Parts = parts,
        };
    }

    private static IReadOnlyList<string> ReadNames(FileTree tree, string file, CifarLayout layout)
    {
        if (!tree.Contains(file))
        {
            return layout.ClassNames;
        }

        var names = layout.NameKey is null
            ? [.. tree.ReadLines(file).Where(line => line.Length > 0)]
            : CifarPickle.Strings(tree.Describe(file), tree.Read(file), layout.NameKey);
        return names.Length == layout.ClassNames.Count
            ? names
            : throw new InputException(
                $"{tree.Describe(file)} has {names.Length} class names; {layout.Format} has {layout.ClassNames.Count}.");
    }

    private static bool IsPart(CifarLayout layout, string name) => name == layout.TestFile || layout.TrainingFiles.Contains(name);

    private CifarRecords[] ReadFiles(string part)
    {
        var names = part == TestPart ? [layout.TestFile] : layout.TrainingFiles;
        var files = names.Select(name => FileTree.Join(folder, name));
        return [.. files.Select(file => CifarRecords.Read(tree.Describe(file), tree.Read(file), layout, ClassNames.Count))];
    }
}

/// <summary>One of the four published forms of CIFAR (A. Krizhevsky, 2009; https://www.cs.toronto.edu/~kriz/cifar.html).</summary>
/// <param name="Format">Its name in words.</param>
/// <param name="TrainingFiles">Files of the training part, in order.</param>
/// <param name="TestFile">File of the test part.</param>
/// <param name="NameFile">File of class names.</param>
/// <param name="ClassNames">The class names where that file is missing.</param>
/// <param name="LabelKey">Key of the labels in a pickle; null for the binary form.</param>
/// <param name="NameKey">Key of the class names in a pickle; null for the binary form.</param>
/// <param name="LabelBytes">Bytes before the pixels of a binary record; the last of them is the label.</param>
internal sealed record CifarLayout(
    string Format,
    IReadOnlyList<string> TrainingFiles,
    string TestFile,
    string NameFile,
    IReadOnlyList<string> ClassNames,
    string? LabelKey,
    string? NameKey,
    int LabelBytes)
{
    private static readonly string[] batches = [.. Enumerable.Range(1, 5).Select(number => $"data_batch_{number}")];

    public static CifarLayout TenBinary { get; } = new(
        "CIFAR-10, binary",
        [.. batches.Select(batch => $"{batch}.bin")],
        "test_batch.bin",
        "batches.meta.txt",
        CifarNames.Ten,
        null,
        null,
        1);

    public static CifarLayout HundredBinary { get; } = new(
        "CIFAR-100, binary", ["train.bin"], "test.bin", "fine_label_names.txt", CifarNames.Hundred, null, null, 2);

    public static CifarLayout TenPython { get; } = new(
        "CIFAR-10, Python", batches, "test_batch", "batches.meta", CifarNames.Ten, "labels", "label_names", 0);

    public static CifarLayout HundredPython { get; } = new(
        "CIFAR-100, Python", ["train"], "test", "meta", CifarNames.Hundred, "fine_labels", "fine_label_names", 0);

    public static IReadOnlyList<CifarLayout> All { get; } = [TenBinary, HundredBinary, TenPython, HundredPython];

    /// <summary>Whether the files are Python pickles.</summary>
    public bool IsPickle => LabelKey is not null;
}

/// <summary>The class names of CIFAR-10 and CIFAR-100 in label order, as their publisher's meta files list them.</summary>
internal static class CifarNames
{
    public static IReadOnlyList<string> Ten { get; } =
        ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

    /// <summary>The fine classes, in alphabetical order.</summary>
    public static IReadOnlyList<string> Hundred { get; } =
    [
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy", "bridge", "bus",
        "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
        "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
        "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle",
        "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
        "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark",
        "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table",
        "tank", "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree",
        "wolf", "woman", "worm",
    ];
}

/// <summary>The dictionaries in the Python form of CIFAR.</summary>
internal static class CifarPickle
{
    public static Dictionary<string, object?> Load(string source, ReadOnlyMemory<byte> file)
    {
        try
        {
            return Unpickler.Load(file, PickledFunctions.Numpy) as Dictionary<string, object?> ?? throw new InvalidDataException("it holds no dictionary");
        }
        catch (InvalidDataException exception)
        {
            throw new InputException($"{source} cannot be read as a Python file of CIFAR: {exception.Message}.", exception);
        }
    }

    /// <summary>The strings of a list in a dictionary.</summary>
    public static string[] Strings(string source, ReadOnlyMemory<byte> file, string key) =>
        Load(source, file).GetValueOrDefault(key) is List<object?> list && list.All(item => item is string or ReadOnlyMemory<byte>)
            ? [.. list.Select(PickledText.Text)]
            : throw new InputException($"{source} holds no list of class names \"{key}\".");
}

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

/// <summary>A pickled NumPy array of bytes with two dimensions.</summary>
internal sealed class PickledArray : IPickledState
{
    private bool isColumnMajor;

    public int Rows { get; private set; }

    public int Columns { get; private set; }

    private ReadOnlyMemory<byte> Bytes { get; set; }

    /// <summary>Takes the state that NumPy pickles in protocols 2 to 4: (version, shape, type, is Fortran order, bytes).</summary>
    public void SetState(object? state)
    {
        if (state is not object?[] parts || parts is not [_, object?[] shape, PickledType type, bool fortran, ReadOnlyMemory<byte> bytes])
        {
            throw NoTable();
        }

        Take(shape, type, fortran, bytes);
    }

    /// <summary>An array as NumPy pickles it in protocol 5: (bytes, type, shape, order).</summary>
    public static PickledArray FromBuffer(object?[] arguments)
    {
        if (arguments is not [ReadOnlyMemory<byte> bytes, PickledType type, object?[] shape, string order])
        {
            throw NoTable();
        }

        var array = new PickledArray();
        array.Take(shape, type, order == "F", bytes);
        return array;
    }

    public ReadOnlyMemory<byte> Row(int row)
    {
        if (!isColumnMajor)
        {
            return Bytes.Slice(row * Columns, Columns);
        }

        var gathered = new byte[Columns];
        for (var column = 0; column < Columns; column++)
        {
            gathered[column] = Bytes.Span[(column * Rows) + row];
        }

        return gathered;
    }

    private void Take(object?[] shape, PickledType type, bool fortran, ReadOnlyMemory<byte> bytes)
    {
        if (shape is not [long and >= 0 and var rows, long and >= 0 and var columns])
        {
            throw NoTable();
        }

        if (type.Name is not ("u1" or "|u1") || (Int128)rows * columns != bytes.Length)
        {
            throw new InvalidDataException(
                $"it holds {rows} x {columns} numbers of type {PickledText.Shown(type.Name)} in {bytes.Length} bytes; expected type u1, one byte each");
        }

        // Of no bytes both could be anything.
        (Rows, Columns, isColumnMajor, Bytes) = bytes.IsEmpty ? (0, 0, false, bytes) : ((int)rows, (int)columns, fortran, bytes);
    }

    private static InvalidDataException NoTable() => new("it holds an array that is not a table of numbers");
}

/// <summary>
/// The only names that the Python files of data sets may ask for: what NumPy's arrays are made with, and the byte strings of protocol 2 written by Python 3.
/// </summary>
internal static class PickledFunctions
{
    public static PickledNames Numpy { get; } = new(
        new Dictionary<string, object>
        {
            ["numpy.core.multiarray._reconstruct"] = (PickledFunction)NewArray,
            ["numpy._core.multiarray._reconstruct"] = (PickledFunction)NewArray,
            ["numpy.core.numeric._frombuffer"] = (PickledFunction)PickledArray.FromBuffer,
            ["numpy._core.numeric._frombuffer"] = (PickledFunction)PickledArray.FromBuffer,
            ["numpy.ndarray"] = (PickledFunction)NewArray,
            ["numpy.dtype"] = (PickledFunction)(arguments => new PickledType(arguments.Length > 0 ? PickledText.Name(arguments[0]) : "")),
            ["_codecs.encode"] = (PickledFunction)NewBytes,
        },
        "NumPy arrays");

    private static PickledArray NewArray(object?[] arguments) => new();

    private static object NewBytes(object?[] arguments) =>
        (ReadOnlyMemory<byte>)(arguments.Length > 0 ? Encoding.Latin1.GetBytes(PickledText.Text(arguments[0])) : []);
}
