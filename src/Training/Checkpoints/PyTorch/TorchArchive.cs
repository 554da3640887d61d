using System.IO.Compression;
using System.Text;
using ICSharpCode.SharpZipLib.Checksum;
using Pascl.Training.Pickling;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// The zip archive of a PyTorch file. PyTorch stores its entries uncompressed, and this reader takes nothing else: what an entry claims to hold is then bounded
/// by the file, and a small file cannot ask for much memory.
/// </summary>
internal sealed class TorchArchive : IDisposable
{
    private const string Program = "/data.pkl";

    // The pickle holds names and numbers; that of a ResNet has some 10 KB.
    private const long LargestProgram = 16 << 20;
    private const int ChunkBytes = 1 << 16;

    private readonly ZipArchive archive;
    private readonly Dictionary<string, ZipArchiveEntry> entries;
    private readonly string root;

    /// <summary>Opens an archive and checks its directory.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    /// <exception cref="InputException">It is whole, and not one of torch.save.</exception>
    public TorchArchive(FileStream stream)
    {
        archive = Open(stream);
        RequireTorchSave(stream.Name, archive);
        entries = Check(archive, stream.Length);
        var programs = entries.Keys.Where(name => name.EndsWith(Program, StringComparison.Ordinal)).ToList();
        root = programs is [var only]
            ? only[..^Program.Length]
            : throw new InvalidDataException($"it has {programs.Count} entries named data.pkl, and torch.save writes one");
        if (entries.TryGetValue(root + "/byteorder", out var order) && Encoding.ASCII.GetString(Read(order)) != "little")
        {
            throw new InvalidDataException("its numbers are not little endian");
        }
    }

    /// <summary>The pickle.</summary>
    public byte[] ReadProgram() => Read(entries[root + Program]);

    public void Check(TorchStorage storage)
    {
        var (length, needed) = (Entry(storage)?.Length, (Int128)storage.Elements * storage.ElementBytes);
        if (length != needed)
        {
            throw new InvalidDataException($"its storage data/{storage.Key} must have {needed} bytes, but {length ?? 0} are there");
        }
    }

    /// <summary>The bytes of a storage, from the first.</summary>
    /// <exception cref="InvalidDataException">They are not those that were written.</exception>
    public Stream Open(TorchStorage storage) => OpenUndamaged(Entry(storage)!);

    /// <inheritdoc/>
    public void Dispose() => archive.Dispose();

    private ZipArchiveEntry? Entry(TorchStorage storage) => entries.GetValueOrDefault($"{root}/data/{storage.Key}");

    private static ZipArchive Open(FileStream stream)
    {
        try
        {
            var archive = new ZipArchive(stream, ZipArchiveMode.Read);

            // Reads the directory, which the constructor does not.
            _ = archive.Entries;
            return archive;
        }
        catch (Exception exception) when (exception is InvalidDataException or ArgumentException or OverflowException)
        {
            throw new InvalidDataException(
                $"it is an archive whose directory, at its end, is missing or damaged ({exception.Message.TrimEnd('.')}), "
                + "so it is probably cut short; get the file again",
                exception);
        }
    }

    // Other programs write zip archives too, and so do other functions of PyTorch.
    private static void RequireTorchSave(string path, ZipArchive archive)
    {
        if (Has(name => name.EndsWith("/constants.pkl", StringComparison.Ordinal) || name.Contains("/code/", StringComparison.Ordinal)))
        {
            throw new InputException(
                $"{path} is a TorchScript model, which is a program; load it with torch.jit.load, and save its state_dict() with torch.save.");
        }

        // torch.save has a folder of that name too, since 2.1.
        if (Has(name => name.EndsWith("/.data/extern_modules", StringComparison.Ordinal)))
        {
            throw new InputException($"{path} is a package of torch.package, which is a program; load it there, and save its state_dict() with torch.save.");
        }

        if (archive.Entries.Count > 0 && !Has(name => name.EndsWith(Program, StringComparison.Ordinal)))
        {
            throw new InputException(
                $"{path} is a zip archive of other files ({string.Join(", ", archive.Entries.Take(3).Select(entry => PickledText.Shown(entry.FullName)))}); "
                + "unpack it, and name the file of weights if one is in it.");
        }

        bool Has(Func<string, bool> condition) => archive.Entries.Any(entry => condition(entry.FullName));
    }

    private static Dictionary<string, ZipArchiveEntry> Check(ZipArchive archive, long fileLength)
    {
        var entries = new Dictionary<string, ZipArchiveEntry>();
        var total = 0L;
        foreach (var entry in archive.Entries)
        {
            if (entry.CompressedLength != entry.Length)
            {
                throw new InvalidDataException($"its entry {PickledText.Shown(entry.FullName)} is compressed, and torch.save compresses nothing");
            }

            total += Math.Min(entry.Length, fileLength + 1);
            if (total > fileLength)
            {
                throw new InvalidDataException($"its entries claim more bytes than the file's {fileLength}");
            }

            if (!entries.TryAdd(entry.FullName, entry))
            {
                throw new InvalidDataException($"it has two entries {PickledText.Shown(entry.FullName)}");
            }
        }

        return entries;
    }

    // .NET reads stored entries without comparing their checksum.
    private static Stream OpenUndamaged(ZipArchiveEntry entry)
    {
        var checksum = new Crc32();
        var buffer = new byte[ChunkBytes];
        using (var stream = entry.Open())
        {
            for (var count = stream.Read(buffer); count > 0; count = stream.Read(buffer))
            {
                checksum.Update(new ArraySegment<byte>(buffer, 0, count));
            }
        }

        return checksum.Value == entry.Crc32
            ? entry.Open()
            : throw new InvalidDataException($"the bytes of its entry {PickledText.Shown(entry.FullName)} are not those that were written");
    }

    private static byte[] Read(ZipArchiveEntry entry)
    {
        if (entry.Length > LargestProgram)
        {
            throw new InvalidDataException($"its entry {PickledText.Shown(entry.FullName)} has {entry.Length} bytes, more than any network needs");
        }

        using var stream = OpenUndamaged(entry);
        var bytes = new byte[entry.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}

/// <summary>The memory behind one or more tensors of a PyTorch file, as its pickle names it.</summary>
/// <param name="Key">Name of its entry below <c>data/</c>.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Elements">Number of elements.</param>
internal sealed record TorchStorage(string Key, torch.ScalarType Type, long Elements)
{
    private static readonly (string Name, torch.ScalarType Type, int Bytes)[] kinds =
    [
        ("FloatStorage", torch.ScalarType.Float32, 4),
        ("DoubleStorage", torch.ScalarType.Float64, 8),
        ("HalfStorage", torch.ScalarType.Float16, 2),
        ("BFloat16Storage", torch.ScalarType.BFloat16, 2),
        ("LongStorage", torch.ScalarType.Int64, 8),
        ("IntStorage", torch.ScalarType.Int32, 4),
        ("ShortStorage", torch.ScalarType.Int16, 2),
        ("CharStorage", torch.ScalarType.Int8, 1),
        ("ByteStorage", torch.ScalarType.Byte, 1),
        ("BoolStorage", torch.ScalarType.Bool, 1),
        ("ComplexFloatStorage", torch.ScalarType.ComplexFloat32, 8),
        ("ComplexDoubleStorage", torch.ScalarType.ComplexFloat64, 16),
    ];

    /// <summary>The names of the storage types, in the module <c>torch</c>.</summary>
    public static IEnumerable<(string Name, torch.ScalarType Type)> Names => kinds.Select(kind => (kind.Name, kind.Type));

    public int ElementBytes => kinds.First(kind => kind.Type == Type).Bytes;

    public static string NameOf(torch.ScalarType type) => kinds.First(kind => kind.Type == type).Name;

    /// <summary>Reads the tuple by which a pickle names a storage: ("storage", type, key, device, elements).</summary>
    /// <exception cref="InvalidDataException">It is another tuple.</exception>
    public static TorchStorage FromPickle(object?[] tuple) =>
        tuple is ["storage", torch.ScalarType type, string key, string, long elements] && elements >= 0
            ? new TorchStorage(key, type, elements)
            : throw new InvalidDataException("it names a storage in a way that PyTorch does not");
}

/// <summary>A tensor of a PyTorch file, a view of a storage. Its elements are known to lie inside.</summary>
/// <param name="Storage">Where its elements are.</param>
/// <param name="Offset">The element that comes first.</param>
/// <param name="Shape">Length of every dimension.</param>
/// <param name="Strides">Elements between neighbours in every dimension.</param>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Shape, long[] Strides)
{
    // As many as torch allows.
    private const int MostDimensions = 64;

    /// <summary>Reads the arguments of <c>torch._utils._rebuild_tensor_v2</c>: (storage, offset, size, strides, requires_grad, hooks).</summary>
    /// <exception cref="InvalidDataException">They describe no tensor inside the storage.</exception>
    public static TorchTensor FromPickle(object?[] arguments)
    {
        if (arguments is not [TorchStorage storage, long offset, object?[] size, object?[] steps, ..]
            || size.Length != steps.Length
            || size.Length > MostDimensions
            || !Array.TrueForAll(size, length => length is >= 0L)
            || !Array.TrueForAll(steps, step => step is >= 0L))
        {
            throw new InvalidDataException("it holds a tensor that is described in a way that PyTorch does not");
        }

        var tensor = new TorchTensor(storage, offset, [.. size.Cast<long>()], [.. steps.Cast<long>()]);
        return tensor.IsInside()
            ? tensor
            : throw new InvalidDataException(
                $"it holds a tensor of shape ({string.Join(", ", tensor.Shape)}) from element {offset} on, "
                + $"which leaves its storage of {storage.Elements} elements");
    }

    // The last element must exist, and a view may not repeat elements: a small file could otherwise ask for any amount of memory.
    private bool IsInside()
    {
        var (count, last) = (Int128.One, (Int128)Offset);
        foreach (var (length, step) in Shape.Zip(Strides))
        {
            if (length == 0)
            {
                return Offset >= 0 && Offset <= Storage.Elements;
            }

            // Lengths are below 2^63, so that the product cannot leave 128 bits before it is compared.
            count *= length;
            last += (Int128)(length - 1) * step;
            if (count > Storage.Elements || last >= Storage.Elements)
            {
                return false;
            }
        }

        return Offset >= 0 && last < Storage.Elements;
    }
}
