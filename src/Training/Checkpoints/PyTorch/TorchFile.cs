using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Pascl.Training.Pickling;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// The weights in a file of <c>torch.save</c> (PyTorch 1.6 and later): a state dictionary, or the one inside what a script saved with it. Nothing
/// in the file is ever run; see <see cref="TorchNames"/> for what it may hold.
/// </summary>
internal sealed class TorchFile : ITensorFile
{
    private readonly TorchArchive archive;
    private readonly Dictionary<string, TorchTensor> tensors;

    private TorchFile(string path, TorchArchive archive, Dictionary<string, TorchTensor> tensors)
    {
        (Path, this.archive, this.tensors) = (path, archive, tensors);
        Tensors = tensors.ToDictionary(entry => entry.Key, entry => new StoredTensor(entry.Value.Storage.Type, entry.Value.Shape));
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <summary>Whether a file begins as an archive does.</summary>
    public static bool IsArchive(ReadOnlySpan<byte> start) => start.StartsWith("PK"u8);

    /// <summary>Opens a file and reads what it holds, without the elements.</summary>
    /// <param name="path">The file.</param>
    /// <param name="key">Where the weights lie in it, see <see cref="StateDictionaries.Choose"/>; null for the only ones.</param>
    /// <exception cref="InputException">The file cannot be read, is damaged, or asks for more than tensors and plain containers.</exception>
    public static TorchFile Open(string path, string? key = null)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            var archive = new TorchArchive(stream);
            return new TorchFile(path, archive, StateDictionaries.Choose(path, Load(path, archive.ReadProgram(), NameStorage), key));

            TorchStorage NameStorage(object?[] tuple)
            {
                var storage = TorchStorage.FromPickle(tuple);
                archive.Check(storage);
                return storage;
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            stream?.Dispose();
            throw Unreadable(path, exception);
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void ReadInto(string name, torch.Tensor target)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var tensor = tensors[name];
        var storage = torch.empty(tensor.Storage.Elements, tensor.Storage.Type);
        try
        {
            using var stream = archive.Open(tensor.Storage);
            if (storage.NumberOfElements > 0)
            {
                storage.ReadBytesFromStream(stream);
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            throw Unreadable(Path, exception);
        }

        target.copy_(storage.as_strided(tensor.Shape, tensor.Strides, tensor.Offset));
    }

    /// <inheritdoc/>
    public void Dispose() => archive.Dispose();

    private static InputException Unreadable(string path, Exception exception)
    {
        var reason = exception is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : exception.Message.TrimEnd('.');
        return new InputException($"{path} cannot be read as a file of PyTorch: {reason}. A state dictionary written by torch.save was expected.", exception);
    }

    // A module is pickled with all that torch.nn keeps of it, and a class of one's own comes first.
    private static bool IsWholeModel(ReadOnlySpan<byte> program) =>
        program.IndexOf("torch.nn.modules"u8) >= 0 || (program.IndexOf("_parameters"u8) >= 0 && program.IndexOf("_buffers"u8) >= 0);

    private static object? Load(string path, byte[] program, PickledFunction nameStorage)
    {
        try
        {
            return Unpickler.Load(program, TorchNames.Allowed, nameStorage);
        }
        catch (InvalidDataException exception) when (IsWholeModel(program))
        {
            throw new InputException(
                $"{path} is a whole pickled model, which needs its Python code ({exception.Message}); load it there, and save its weights with "
                + "torch.save(model.state_dict(), FILE).",
                exception);
        }
    }
}

/// <summary>
/// The only names that a PyTorch file may ask for: those that <c>torch.load(weights_only=True)</c> allows (torch/_weights_only_unpickler.py), and the numbers,
/// arrays and arguments that scripts store beside the weights. All are C# functions; what is not a tensor or a container is read and not used.
/// </summary>
internal static class TorchNames
{
    private static readonly string[] numericalTypes =
    [
        "float16", "float32", "float64", "bfloat16", "half", "float", "double", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
        "short", "int", "long", "bool", "complex32", "complex64", "complex128", "chalf", "cfloat", "cdouble", "quint8", "qint8", "qint32", "quint4x2", "quint2x4",
        "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "float8_e8m0fnu",
    ];

    // Types that a dictionary or a measurement names without making one of them.
    private static readonly string[] plainTypes = ["list", "dict", "tuple", "int", "float", "str", "bool", "bytes", "object"];

    private static readonly (string Name, string What)[] otherTensors =
    [
        ("_rebuild_qtensor", "a quantised tensor"), ("_rebuild_sparse_tensor", "a sparse tensor"), ("_rebuild_sparse_csr_tensor", "a sparse tensor"),
        ("_rebuild_meta_tensor_no_storage", "a tensor without values (meta)"), ("_rebuild_nested_tensor", "a nested tensor"),
        ("_rebuild_wrapper_subclass", "a tensor of a class of its own"), ("_rebuild_tensor_v3", "a tensor of a type that has no storage of its own"),
        ("_rebuild_device_tensor_from_numpy", "a tensor of another device (XLA)"),
        ("_rebuild_device_tensor_from_cpu_tensor", "a tensor of another device (XLA)"),
    ];

    public static PickledNames Allowed { get; } = new(Create(), "tensors and plain containers");

    private static Dictionary<string, object> Create()
    {
        PickledFunction unused = _ => PickledUnused.Value, wrapped = Wrapped;
        var names = new Dictionary<string, object>
        {
            ["collections.OrderedDict"] = (PickledFunction)NewDictionary,
            ["collections.defaultdict"] = (PickledFunction)NewDictionary,
            ["collections.Counter"] = (PickledFunction)NewDictionary,
            ["torch._utils._rebuild_tensor"] = (PickledFunction)TorchTensor.FromPickle,
            ["torch._utils._rebuild_tensor_v2"] = (PickledFunction)TorchTensor.FromPickle,
            ["torch._utils._rebuild_parameter"] = wrapped,
            ["torch._utils._rebuild_parameter_with_state"] = wrapped,
            ["torch.nn.parameter.Parameter"] = wrapped,
            ["torch.nn.Parameter"] = wrapped,
            ["torch._tensor._rebuild_from_type_v2"] = (PickledFunction)FromType,
            ["torch.Tensor"] = PickledUnused.Value,
            ["torch.Size"] = (PickledFunction)(arguments => arguments is [object?[] lengths] ? lengths : throw Unexpected()),
            ["torch.device"] = unused,
            ["torch.serialization._get_layout"] = unused,
            ["_codecs.encode"] = (PickledFunction)NewBytes,
            ["argparse.Namespace"] = unused,
            ["types.SimpleNamespace"] = unused,
            ["numpy.dtype"] = (PickledFunction)(_ => new PickledType("")),
            ["numpy.ndarray"] = unused,
        };
        foreach (var core in (string[])["numpy.core", "numpy._core"])
        {
            names.Add($"{core}.multiarray.scalar", (PickledFunction)(arguments => NewNumber(arguments)));
            names.Add($"{core}.multiarray._reconstruct", unused);
            names.Add($"{core}.numeric._frombuffer", unused);
        }

        // Protocol 2 writes the names that Python 2 had.
        foreach (var builtins in (string[])["builtins", "__builtin__"])
        {
            names.Add($"{builtins}.set", (PickledFunction)(_ => new PickledSet()));
            names.Add($"{builtins}.frozenset", (PickledFunction)(_ => new PickledSet()));
            names.Add($"{builtins}.bytearray", (PickledFunction)NewBytes);
            names.Add($"{builtins}.complex", unused);
            Array.ForEach(plainTypes, type => names.Add($"{builtins}.{type}", PickledUnused.Value));
        }

        Array.ForEach(numericalTypes, type => names.Add($"torch.{type}", PickledUnused.Value));
        foreach (var (name, what) in otherTensors)
        {
            names.Add($"torch._utils.{name}", (PickledFunction)(_ => throw new InvalidDataException($"it holds {what}, and only plain tensors are read")));
        }

        foreach (var (name, type) in TorchStorage.Names)
        {
            names.Add($"torch.{name}", type);
        }

        return names;
    }

    // A Counter is made of the dictionary of its counts, an OrderedDict of old files of pairs, a defaultdict of a function, which is not called.
    private static Dictionary<string, object?> NewDictionary(object?[] arguments) => arguments switch
    {
        [Dictionary<string, object?> items] => items,
        [List<object?> pairs] => Pairs(pairs),
        _ => [],
    };

    private static Dictionary<string, object?> Pairs(List<object?> pairs)
    {
        var dictionary = new Dictionary<string, object?>();
        foreach (var pair in pairs)
        {
            var (key, value) = pair switch
            {
                object?[] and [var first, var second] => (first, second),
                List<object?> and [var first, var second] => (first, second),
                _ => throw Unexpected(),
            };
            if (PickledText.Key(key) is { } name)
            {
                dictionary[name] = value;
            }
        }

        return dictionary;
    }

    private static TorchTensor Wrapped(object?[] arguments) => arguments is [TorchTensor tensor, ..] ? tensor : throw Unexpected();

    // A tensor with attributes of its own: (function, class, arguments of the function, attributes).
    private static TorchTensor FromType(object?[] arguments) =>
        arguments is [PickledFunction rebuild, _, object?[] inner, ..] && rebuild(inner) is TorchTensor tensor ? tensor : throw Unexpected();

    private static double NewNumber(object?[] arguments) => arguments is [PickledType, ..] ? double.NaN : throw Unexpected();

    // Bytes are not used either, however many.
    private static object NewBytes(object?[] arguments) => ReadOnlyMemory<byte>.Empty;

    private static InvalidDataException Unexpected() => new("it makes a value in a way that PyTorch does not");
}

/// <summary>
/// Writes a state dictionary as <c>torch.save</c> does: a zip archive of a pickle (protocol 2) and the elements of each tensor. PyTorch 1.6 and later read it.
/// </summary>
internal static class TorchWriter
{
    private const string Root = "archive";

    // The same tensors give the same file; a zip archive can hold no earlier time.
    private static readonly DateTimeOffset time = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes tensors by name, in their order. They may lie on any device and in any memory format.</summary>
    public static void Write(Stream stream, IReadOnlyList<(string Name, torch.Tensor Tensor)> tensors)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        AddEntry(archive, "data.pkl", entry => entry.Write(Program(tensors)));
        for (var i = 0; i < tensors.Count; i++)
        {
            using var scope = torch.NewDisposeScope();
            var plain = tensors[i].Tensor.detach().cpu().contiguous();
            AddEntry(archive, $"data/{i}", entry => plain.WriteBytesToStream(entry));
        }

        AddEntry(archive, "version", entry => entry.Write("3\n"u8));
    }

    private static void AddEntry(ZipArchive archive, string name, Action<Stream> write)
    {
        var entry = archive.CreateEntry($"{Root}/{name}", CompressionLevel.NoCompression);
        entry.LastWriteTime = time;
        using var stream = entry.Open();
        write(stream);
    }

    private static byte[] Program(IReadOnlyList<(string Name, torch.Tensor Tensor)> tensors)
    {
        var program = new List<byte>();
        program.AddRange([0x80, 2]);
        AddEmptyDictionary(program);
        program.Add((byte)'(');
        for (var i = 0; i < tensors.Count; i++)
        {
            AddText(program, tensors[i].Name);
            AddTensor(program, tensors[i].Tensor, i);
        }

        program.AddRange("u."u8);
        return [.. program];
    }

    // _rebuild_tensor_v2((storage), offset, shape, strides, requires_grad, hooks)
    private static void AddTensor(List<byte> program, torch.Tensor tensor, int index)
    {
        AddGlobal(program, "torch._utils", "_rebuild_tensor_v2");
        program.AddRange("(("u8);
        AddText(program, "storage");
        AddGlobal(program, "torch", TorchStorage.NameOf(tensor.dtype));
        AddText(program, index.ToString(CultureInfo.InvariantCulture));
        AddText(program, "cpu");
        AddNumber(program, tensor.NumberOfElements);
        program.AddRange("tQ"u8);
        AddNumber(program, 0);
        AddNumbers(program, tensor.shape);
        AddNumbers(program, RowMajor(tensor.shape));
        program.Add(0x89);
        AddEmptyDictionary(program);
        program.AddRange("tR"u8);
    }

    private static long[] RowMajor(long[] shape)
    {
        var strides = new long[shape.Length];
        var step = 1L;
        for (var dimension = shape.Length - 1; dimension >= 0; dimension--)
        {
            strides[dimension] = step;
            step *= Math.Max(1, shape[dimension]);
        }

        return strides;
    }

    private static void AddEmptyDictionary(List<byte> program)
    {
        AddGlobal(program, "collections", "OrderedDict");
        program.AddRange(")R"u8);
    }

    private static void AddGlobal(List<byte> program, string module, string name) => program.AddRange(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private static void AddText(List<byte> program, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        program.Add((byte)'X');
        AddInt32(program, bytes.Length);
        program.AddRange(bytes);
    }

    private static void AddNumbers(List<byte> program, long[] numbers)
    {
        program.Add((byte)'(');
        foreach (var number in numbers)
        {
            AddNumber(program, number);
        }

        program.Add((byte)'t');
    }

    private static void AddNumber(List<byte> program, long number)
    {
        program.Add((byte)'J');
        AddInt32(program, checked((int)number));
    }

    private static void AddInt32(List<byte> program, int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        program.AddRange(bytes);
    }
}
