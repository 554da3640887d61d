using System.IO.Compression;
using System.Runtime.InteropServices;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Training.Intake;

/// <summary>Arrays in the format of NumPy, each in a stream of its own.</summary>
internal abstract class NumPyArrays : ArrayFile
{
    private const int PartBytes = 1 << 22;

    public required IReadOnlyDictionary<string, NpyArray> Headers { get; init; }

    /// <inheritdoc/>
    public sealed override INumberRows Rows(string name)
    {
        var (array, header) = (Arrays[name], Headers[name]);
        var (count, width) = array.AsRows;
        if (array.Type == "f4" && !header.IsFortran && count > 0 && width > 0 && Place(name) is var (file, offset))
        {
            return new FeatureBlock(file, offset + header.Offset, count, width);
        }

        var values = Vector(name);
        return new ArrayRows(header.IsFortran ? Transposed(values, width, count) : values, count, width);
    }

    /// <inheritdoc/>
    public sealed override float[] Vector(string name)
    {
        var values = new float[CountInMemory(name)];
        var place = 0;
        Read(name, (part, type) =>
        {
            var numbers = Convert(part, type);
            numbers.CopyTo(values.AsSpan(place));
            place += numbers.Length;
        });
        return values;
    }

    /// <inheritdoc/>
    public sealed override long[] Integers(string name)
    {
        var numbers = new List<long>();
        Read(name, (part, type) =>
        {
            for (var i = 0; i < part.Length; i += type[^1] - '0')
            {
                numbers.Add(Integer(part[i..], type));
            }
        });
        return [.. numbers];
    }

    /// <summary>Opens the bytes of an array, from the header on.</summary>
    protected abstract Stream OpenArray(string name);

    /// <summary>The file on the disk in which an array lies as it is, and where it begins; null where it is compressed.</summary>
    protected abstract (string File, long Offset)? Place(string name);

    /// <summary>What a header says.</summary>
    /// <exception cref="InputException">The numbers are in another byte order.</exception>
    protected static StoredArray Stored(string source, NpyArray header)
    {
        var type = header.Type.TrimStart('<', '|', '=');
        return header.Type.StartsWith('>') && !header.Type.EndsWith('1')
            ? throw new InputException($"{source} holds numbers of type {header.Type}, big endian; {Expected}. Save array.astype(array.dtype.newbyteorder('<')) instead.")
            : new StoredArray(type.TrimStart('>'), header.Shape);
    }

    /// <summary>Reads the header at the beginning of a stream.</summary>
    protected static NpyArray HeaderOf(string source, Stream stream)
    {
        var start = new byte[NpyArray.LargestHeader];
        return NpyArray.Parse(source, start.AsSpan(0, stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)), Expected);
    }

    private void Read(string name, PartUse use)
    {
        var (array, header) = (Arrays[name], Headers[name]);
        try
        {
            using var stream = OpenArray(name);
            stream.ReadExactly(new byte[header.Offset]);
            var buffer = new byte[PartBytes];
            for (var left = (long)array.ByteCount; left > 0;)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length));
                stream.ReadExactly(part);
                use(part, array.Type);
                left -= part.Length;
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException)
        {
            throw new InputException($"{Describe(name)} cannot be read: its header promises {array}, {array.ByteCount:N0} bytes, and it is cut short or damaged.", exception);
        }
    }

    private static float[] Convert(ReadOnlySpan<byte> part, string type) => type switch
    {
        "f2" => Each<Half>(part, number => (float)number),
        "f8" => Each<double>(part, number => (float)number),
        _ => MemoryMarshal.Cast<byte, float>(part).ToArray(),
    };

    private static float[] Each<T>(ReadOnlySpan<byte> part, Func<T, float> convert)
        where T : unmanaged
    {
        var numbers = MemoryMarshal.Cast<byte, T>(part);
        var converted = new float[numbers.Length];
        for (var i = 0; i < converted.Length; i++)
        {
            converted[i] = convert(numbers[i]);
        }

        return converted;
    }

    private static long Integer(ReadOnlySpan<byte> bytes, string type) => type switch
    {
        "i1" => (sbyte)bytes[0],
        "u1" => bytes[0],
        "i2" => MemoryMarshal.Read<short>(bytes),
        "u2" => MemoryMarshal.Read<ushort>(bytes),
        "i4" => MemoryMarshal.Read<int>(bytes),
        "u4" => MemoryMarshal.Read<uint>(bytes),
        "i8" => MemoryMarshal.Read<long>(bytes),
        _ => (long)Math.Min(MemoryMarshal.Read<ulong>(bytes), long.MaxValue),
    };

    private static float[] Transposed(float[] values, int rows, int columns)
    {
        var transposed = new float[values.Length];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                transposed[((long)column * rows) + row] = values[((long)row * columns) + column];
            }
        }

        return transposed;
    }

    private delegate void PartUse(ReadOnlySpan<byte> part, string type);
}

/// <summary>NumPy arrays in files of their own.</summary>
internal sealed class NpyFiles : NumPyArrays
{
    private readonly Dictionary<string, string> paths;

    private NpyFiles(Dictionary<string, string> paths) => this.paths = paths;

    /// <summary>The arrays of some files; null where there are none.</summary>
    public static NpyFiles? Of(string path, IEnumerable<string> files, Func<string, string> nameOf)
    {
        var paths = files.Order(StringComparer.Ordinal).ToDictionary(nameOf);
        if (paths.Count == 0)
        {
            return null;
        }

        var headers = paths.ToDictionary(file => file.Key, file => Read(file.Value));
        return new NpyFiles(paths)
        {
            Path = path,
            Files = [.. paths.Values],
            Headers = headers,
            Arrays = headers.ToDictionary(header => header.Key, header => Stored(paths[header.Key], header.Value)),
        };
    }

    /// <inheritdoc/>
    protected override Stream OpenArray(string name) => File.OpenRead(paths[name]);

    /// <inheritdoc/>
    protected override (string File, long Offset)? Place(string name) =>
        new FileInfo(paths[name]).Length >= Headers[name].Offset + Arrays[name].ByteCount ? (paths[name], 0) : null;

    private static NpyArray Read(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            return HeaderOf(file, stream);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{file} cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>NumPy arrays in an archive of <c>numpy.savez</c> or <c>numpy.savez_compressed</c>.</summary>
internal sealed class NpzFile : NumPyArrays
{
    private const string Ending = ".npy";

    private readonly FileStream file;
    private readonly ZipArchive archive;

    private NpzFile(FileStream file, ZipArchive archive) => (this.file, this.archive) = (file, archive);

    /// <summary>Opens an archive.</summary>
    /// <exception cref="InputException">It cannot be read, or is none.</exception>
    public static NpzFile Of(string path)
    {
        FileStream? file = null;
        try
        {
            file = File.OpenRead(path);
            var archive = new ZipArchive(file, ZipArchiveMode.Read);
            var headers = new Dictionary<string, NpyArray>();
            foreach (var entry in archive.Entries.Where(entry => entry.FullName.EndsWith(Ending, StringComparison.OrdinalIgnoreCase)))
            {
                using var stream = entry.Open();
                headers[entry.FullName[..^Ending.Length]] = HeaderOf($"{entry.FullName} in {path}", stream);
            }

            return new NpzFile(file, archive)
            {
                Path = path,
                Files = [path],
                Headers = headers,
                Arrays = headers.ToDictionary(header => header.Key, header => Stored($"{header.Key} in {path}", header.Value)),
            };
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw new InputException($"{path} cannot be read as an archive of NumPy: {exception.Message.TrimEnd('.')}. A file of numpy.savez was expected.", exception);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        archive.Dispose();
        file.Dispose();
        base.Dispose();
    }

    /// <inheritdoc/>
    protected override Stream OpenArray(string name) => archive.GetEntry(name + Ending)!.Open();

    // .NET does not say where an entry begins; that its first byte is read from there does, and the beginning of a NumPy array confirms it.
    /// <inheritdoc/>
    protected override (string File, long Offset)? Place(string name)
    {
        var entry = archive.GetEntry(name + Ending)!;
        if (entry.CompressedLength != entry.Length || entry.Length < Headers[name].Offset + Arrays[name].ByteCount)
        {
            return null;
        }

        using (var stream = entry.Open())
        {
            _ = stream.ReadByte();
        }

        var offset = file.Position - 1;
        if (offset < 0 || offset + entry.Length > file.Length)
        {
            return null;
        }

        var start = new byte[Math.Min(Headers[name].Offset, entry.Length)];
        RandomAccess.Read(file.SafeFileHandle, start, offset);
        using var whole = entry.Open();
        var expected = new byte[start.Length];
        whole.ReadExactly(expected);
        return start.AsSpan().SequenceEqual(expected) ? (Path, offset) : null;
    }
}
