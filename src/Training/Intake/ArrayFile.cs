using System.Runtime.InteropServices;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using TorchSharp;

namespace Pascl.Training.Intake;

/// <summary>
/// Arrays by name, wherever they lie: in a NumPy archive (<c>.npz</c>), in NumPy files (<c>.npy</c>) of a folder or of one beginning, in a safetensors file, or in a file of
/// <c>torch.save</c>. Opening reads the headers alone.
/// </summary>
internal abstract class ArrayFile : IDisposable
{
    /// <summary>What was expected, as the end of a sentence.</summary>
    protected const string Expected = "expected numbers of float16, float32, float64 or whole ones, little endian";

    /// <summary>The path that was named.</summary>
    public required string Path { get; init; }

    /// <summary>Every array.</summary>
    public required IReadOnlyDictionary<string, StoredArray> Arrays { get; init; }

    /// <summary>The files on the disk that they are in.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>Opens arrays.</summary>
    /// <param name="path">A file; a folder of <c>.npy</c> files; or the beginning of the names of such files, as <c>dump/train</c> for <c>dump/train_features.npy</c>.</param>
    /// <exception cref="InputException">There is nothing of the kind, or it is damaged.</exception>
    public static ArrayFile Open(string path)
    {
        if (Directory.Exists(path))
        {
            return NpyFiles.Of(path, Directory.EnumerateFiles(path, "*.npy"), file => System.IO.Path.GetFileNameWithoutExtension(file))
                ?? throw new InputException($"{path} is a folder without files .npy; expected features.npy, logits.npy and labels.npy in it, or name an .npz or safetensors file.");
        }

        if (!File.Exists(path))
        {
            var (folder, prefix) = (System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, System.IO.Path.GetFileName(path) + "_");
            return (Directory.Exists(folder)
                ? NpyFiles.Of(path, Directory.EnumerateFiles(folder, prefix + "*.npy"), file => System.IO.Path.GetFileNameWithoutExtension(file)[prefix.Length..])
                : null)
                ?? throw new InputException(
                    $"{path} does not exist. Expected a file .npz, .safetensors or .pt, a folder with features.npy, logits.npy and labels.npy, or the beginning of such names ({prefix}features.npy).");
        }

        return NpyDataset.IsNpyName(path)
            ? throw new InputException($"{path} is one array, and it does not say whether of features or logits. Name its folder, or a file .npz with both by name.")
            : path.EndsWith(".npz", StringComparison.OrdinalIgnoreCase) ? NpzFile.Of(path) : TensorArrays.Of(path);
    }

    /// <summary>An array as rows of float32: mapped where its bytes lie so in a file, else read into memory once, in parts.</summary>
    /// <param name="name">Its name; it has two dimensions.</param>
    /// <exception cref="InputException">It is cut short, or too large for memory.</exception>
    public abstract INumberRows Rows(string name);

    /// <summary>An array of one dimension as float32.</summary>
    /// <exception cref="InputException">It is cut short.</exception>
    public abstract float[] Vector(string name);

    /// <summary>An array of whole numbers.</summary>
    /// <exception cref="InputException">It is cut short.</exception>
    public abstract long[] Integers(string name);

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <summary>How a message calls an array.</summary>
    protected string Describe(string name) => $"{name} in {Path}";

    /// <summary>How many numbers an array has, where they fit into memory.</summary>
    /// <exception cref="InputException">It has more numbers than one array of .NET.</exception>
    protected int CountInMemory(string name)
    {
        var count = Arrays[name].Shape.Aggregate((Int128)1, (product, length) => product * length);
        return count <= Array.MaxLength
            ? (int)count
            : throw new InputException(
                $"{Describe(name)} has {count:N0} numbers, and at most {Array.MaxLength:N0} can be held in memory. "
                + "Write it as float32 in C order without compression (numpy.savez), which is mapped and not read.");
    }
}

/// <summary>What a file says of an array.</summary>
/// <param name="Type">Type of the numbers in the words of NumPy without the byte order (<c>f4</c>, <c>i8</c>), or what else it is.</param>
/// <param name="Shape">Length of every dimension.</param>
internal sealed record StoredArray(string Type, IReadOnlyList<long> Shape)
{
    private static readonly string[] floats = ["f2", "bf2", "f4", "f8"];
    private static readonly string[] integers = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"];

    /// <summary>Whether it holds fractions.</summary>
    public bool IsFloat => floats.Contains(Type);

    /// <summary>Whether it holds whole numbers.</summary>
    public bool IsInteger => integers.Contains(Type);

    /// <summary>Rows and numbers in a row; dimensions of length 1 at the end do not count.</summary>
    public (int Count, int Width) AsRows => Shape is [var count, var width, ..] && Shape.Skip(2).All(length => length == 1) && count <= int.MaxValue && width <= int.MaxValue
        ? ((int)count, (int)width)
        : (-1, -1);

    /// <summary>Type and shape as messages show them: <c>f4 (50000, 512)</c>.</summary>
    public override string ToString() => $"{Type} ({string.Join(", ", Shape)})";

    /// <summary>Bytes of a number.</summary>
    public int Bytes => Type[^1] - '0';

    /// <summary>Bytes of all numbers.</summary>
    public Int128 ByteCount => Shape.Aggregate((Int128)Bytes, (product, length) => product * length);
}

/// <summary>The tensors of a safetensors file or a file of <c>torch.save</c>.</summary>
internal sealed class TensorArrays(ITensorFile file) : ArrayFile
{
    private static readonly Dictionary<torch.ScalarType, string> types = new()
    {
        [torch.ScalarType.Float16] = "f2",
        [torch.ScalarType.BFloat16] = "bf2",
        [torch.ScalarType.Float32] = "f4",
        [torch.ScalarType.Float64] = "f8",
        [torch.ScalarType.Int8] = "i1",
        [torch.ScalarType.Int16] = "i2",
        [torch.ScalarType.Int32] = "i4",
        [torch.ScalarType.Int64] = "i8",
        [torch.ScalarType.Byte] = "u1",
    };

    /// <summary>Opens a file.</summary>
    /// <exception cref="InputException">It is of another kind, or damaged.</exception>
    public static TensorArrays Of(string path)
    {
        var file = TensorFiles.Open(path);
        return new TensorArrays(file)
        {
            Path = path,
            Files = [path],
            Arrays = file.Tensors.ToDictionary(tensor => tensor.Key, tensor => new StoredArray(types.GetValueOrDefault(tensor.Value.Type, $"{tensor.Value.Type}"), tensor.Value.Shape)),
        };
    }

    /// <inheritdoc/>
    public override INumberRows Rows(string name)
    {
        var array = Arrays[name];
        var (count, width) = array.AsRows;
        if (array.Type == "f4" && count > 0 && width > 0 && file is SafetensorsFile mapped)
        {
            return new FeatureBlock(Path, mapped.Entries[name].Offset, count, width);
        }

        _ = CountInMemory(name);
        return new ArrayRows(Vector(name), count, width);
    }

    /// <inheritdoc/>
    public override float[] Vector(string name)
    {
        using var scope = torch.NewDisposeScope();
        return MemoryMarshal.Cast<byte, float>(Read(name).to(torch.float32).contiguous().bytes).ToArray();
    }

    /// <inheritdoc/>
    public override long[] Integers(string name)
    {
        using var scope = torch.NewDisposeScope();
        return Read(name).to(torch.int64).contiguous().data<long>().ToArray();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        file.Dispose();
        base.Dispose();
    }

    private torch.Tensor Read(string name)
    {
        var stored = file.Tensors[name];
        var tensor = torch.empty([.. stored.Shape], stored.Type);
        file.ReadInto(name, tensor);
        return tensor;
    }
}
