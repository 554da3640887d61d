using System.Diagnostics;
using System.IO.Compression;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using TorchSharp;
using static Pascl.Tests.Training.Checkpoints.PyTorch.TorchFiles;

namespace Pascl.Tests.Training.Checkpoints.PyTorch;

public sealed class TorchFileTests
{
    private static readonly byte[] fourFloats = [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64]; // 1 2 3 4

    private static readonly float[] secondAndFourth = [2, 4];

    private TemporaryFolder folder = null!;
    private DisposeScope scope = null!;

    [SetUp]
    public void SetUp() => (folder, scope) = (new TemporaryFolder(), torch.NewDisposeScope());

    [TearDown]
    public void TearDown()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Test]
    public void tensors_of_every_type_shape_and_layout_come_back_bit_for_bit()
    {
        var grid = torch.arange(24).reshape(2, 3, 4);
        (string Name, torch.Tensor Tensor)[] tensors =
        [
            ("float", torch.tensor(new[] { float.NaN, -0f, float.Epsilon })), ("double", torch.tensor(new[] { Math.PI })), ("count", torch.tensor(7L)),
            ("half", grid.to(torch.float16)), ("brain", grid.to(torch.bfloat16)), ("bytes", grid.to(torch.uint8)), ("flags", grid.gt(5)),
            ("int", grid.to(torch.int32)), ("short", grid.to(torch.int16)), ("small", grid.to(torch.int8)), ("empty", torch.zeros(0, 3)),
            ("turned", grid.permute(2, 0, 1)), ("part", grid[1]), ("unicode \u00e4", torch.ones(2, 2)),
        ];
        var path = Write(tensors);
        using var file = TensorFiles.Open(path);
        Assert.That(file.Tensors.Keys, Is.EqualTo(tensors.Select(tensor => tensor.Name)));
        foreach (var (name, tensor) in tensors)
        {
            Assert.That(file.Tensors[name].Fits(tensor), name);
            var target = torch.empty(tensor.shape, tensor.dtype);
            file.ReadInto(name, target);
            Assert.That(target.bytes.ToArray(), Is.EqualTo(tensor.contiguous().bytes.ToArray()), name);
        }
    }

    [Test]
    public void the_same_tensors_give_the_same_file()
    {
        (string, torch.Tensor)[] tensors = [("a", torch.ones(3)), ("b", torch.zeros(2, 2))];
        var first = File.ReadAllBytes(Write(tensors));
        Assert.That(File.ReadAllBytes(Write(tensors)), Is.EqualTo(first));
    }

    [Test]
    public void a_view_takes_its_elements_by_offset_and_strides()
    {
        // [[1, 2], [3, 4]] transposed, without its first row: (1, 2) = [[2, 4]].
        var path = Save(Dictionary(Tensor(4, 1, [1, 2], [1, 2])));
        using var file = TensorFiles.Open(path);
        var target = torch.empty(1, 2);
        file.ReadInto("w", target);
        Assert.That(target.data<float>().ToArray(), Is.EqualTo(secondAndFourth));
    }

    [TestCase("model")]
    [TestCase("state_dict")]
    public void weights_may_lie_inside_a_dictionary_of_what_a_script_saves(string nest)
    {
        // {nest: OrderedDict(w=...) with attributes, optimizer: {0: 0.5}, scores: [numpy.float64], milestones: Counter({60: 1})}
        var weights = $"ccollections\nOrderedDict\n)R{Text("w")}{Tensor(4, 0, [4], [1])}s}}{Text("_metadata")}}}sb";
        var score = $"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n{Text("f8")}\u0089\u0088\u0087R"
            + $"(K\u0003{Text("<")}NNNJ\u00ff\u00ff\u00ff\u00ffJ\u00ff\u00ff\u00ff\u00ffK\0tb"
            + $"c_codecs\nencode\n{Text("12345678")}{Text("latin1")}\u0086R\u0086R";
        var path = Save($"}}({Text(nest)}{weights}{Text("optimizer")}}}K\0G?\u00e0\0\0\0\0\0\0s{Text("scores")}]{score}a"
            + $"{Text("milestones")}ccollections\nCounter\n}}K\u003cK\u0001s\u0085Ru.");
        using var file = TensorFiles.Open(path);
        Assert.That(file.Tensors.Keys, Is.EqualTo(["w"]));
    }

    [TestCase("cos\nsystem\nU\u0004echo\u0085R.", "asks for os.system")]
    [TestCase("cposix\nsystem\nU\u0004echo\u0085R.", "asks for posix.system")]
    [TestCase("cbuiltins\neval\nU\u00011\u0085R.", "asks for builtins.eval")]
    [TestCase("c__builtin__\ngetattr\n.", "asks for __builtin__.getattr")]
    [TestCase("ctorch.hub\nload\n.", "asks for torch.hub.load")]
    [TestCase("ccollections\nOrderedDict\n(cos\nsystem\ntR.", "asks for os.system")]
    [TestCase("ctorch\nFloatStorage\n)R.", "damaged")]
    [TestCase("(ios\nsystem\n.", "uses instruction 0x69")]
    [TestCase("ctorch\nSize\n)R.", "in a way that PyTorch does not")]
    [TestCase("ctorch._utils\n_rebuild_qtensor\n)R.", "a quantised tensor, and only plain tensors are read")]
    [TestCase("\u0097.", "out-of-band buffers")]
    [TestCase("}X\u000c\0\0\0param_groups]sX\u0005\0\0\0state}s.", "the state of an optimiser and no weights")]
    [TestCase("X\u00ff\u00ff\u00ff\u007fw.", "cut short")]
    [TestCase("r\u00ff\u00ff\u00ff\u007f.", "damaged")]
    [TestCase("]K\u0001a.", "holds no dictionary")]
    [TestCase("}X\u0001\0\0\0aK\u0001s.", "holds no tensors")]
    [TestCase("", "cut short")]
    public void a_pickle_that_asks_for_more_than_tensors_ends_in_a_sentence(string opcodes, string expected) => Refuses(Save(opcodes), expected);

    [Test]
    public void a_reduce_hidden_among_tensors_is_refused_before_anything_is_made()
    {
        var marker = Path.Combine(folder.Path, "ran");
        var command = $"cposix\nsystem\n{Text($"touch {marker}")}\u0085R";
        Refuses(Save($"}}({Text("w")}{Tensor(4, 0, [4], [1])}{Text("meta")}}}{Text("deep")}]{command}asu."), "asks for posix.system");
        Assert.That(File.Exists(marker), Is.False);
    }

    [TestCase(4, 0, new long[] { 5 }, new long[] { 1 }, TestName = "more elements than the storage")]
    [TestCase(4, 1, new long[] { 4 }, new long[] { 1 }, TestName = "beyond the end")]
    [TestCase(4, -1, new long[] { 2 }, new long[] { 1 }, TestName = "before the beginning")]
    [TestCase(4, 0, new long[] { 2, 2 }, new long[] { 3, 1 }, TestName = "strides that leave it")]
    [TestCase(4, 0, new[] { 1L << 40 }, new long[] { 0 }, TestName = "a small storage repeated to terabytes")]
    [TestCase(4, 0, new[] { long.MaxValue, long.MaxValue }, new[] { long.MaxValue, 1 }, TestName = "numbers that overflow")]
    public void a_tensor_outside_its_storage_is_refused(long elements, long offset, long[] shape, long[] strides) =>
        Refuses(Save(Dictionary(Tensor(elements, offset, shape, strides))), "leaves its storage of 4 elements");

    [TestCase(new long[] { -1 }, new long[] { 1 })]
    [TestCase(new long[] { 2, 2 }, new long[] { 1 })]
    public void an_impossible_shape_is_refused(long[] shape, long[] strides) =>
        Refuses(Save(Dictionary(Tensor(4, 0, shape, strides))), "described in a way that PyTorch does not");

    [TestCase(1L << 50, "must have 4503599627370496 bytes, but 16 are there")]
    [TestCase(long.MaxValue, "but 16 are there")]
    [TestCase(-4, "names a storage in a way that PyTorch does not")]
    public void a_storage_that_claims_more_than_is_there_is_refused_without_memory_for_it(long elements, string expected)
    {
        var before = Process.GetCurrentProcess().PeakWorkingSet64;
        Refuses(Save(Dictionary(Tensor(elements, 0, [4], [1]))), expected);
        Assert.That(Process.GetCurrentProcess().PeakWorkingSet64 - before, Is.LessThan(200 << 20));
    }

    [Test]
    public void a_compressed_archive_is_refused_whatever_it_would_unpack_to()
    {
        var pickle = Pickle(Dictionary(Tensor(4 << 20, 0, [4 << 20], [1])));
        var bomb = Zip(CompressionLevel.SmallestSize, ("archive/data.pkl", pickle), ("archive/data/0", new byte[16 << 20]));
        Assert.That(bomb, Has.Length.LessThan(100_000));
        Refuses(folder.Write("bomb.pth", bomb), "is compressed, and torch.save compresses nothing");
    }

    [Test]
    public void an_archive_with_two_pickles_or_two_entries_of_a_name_is_refused()
    {
        var pickle = Pickle(Dictionary(Tensor(4, 0, [4], [1])));
        Refuses(folder.Write("two.pth", Zip(CompressionLevel.NoCompression, ("a/data.pkl", pickle), ("b/data.pkl", pickle))), "has 2 entries named data.pkl");
        Refuses(folder.Write("none.pth", Zip(CompressionLevel.NoCompression, ("a/other", pickle))), "is a zip archive of other files (a/other)");
        Refuses(folder.Write("twice.pth", Zip(CompressionLevel.NoCompression, ("a/data.pkl", pickle), ("a/data.pkl", pickle))), "has two entries");
        Refuses(folder.Write("big.pth", Zip(CompressionLevel.NoCompression, ("a/data.pkl", pickle), ("a/byteorder", "big"u8.ToArray()))), "not little endian");
    }

    [Test]
    public void an_archive_as_new_versions_write_it_is_read()
    {
        // The entries of torch.save in new versions of PyTorch, in their order.
        var path = folder.Write("new.pth", Zip(
            CompressionLevel.NoCompression, ("new/data.pkl", Pickle(Dictionary(Tensor(4, 0, [4], [1])))), ("new/.format_version", "1"u8.ToArray()),
            ("new/.storage_alignment", "64"u8.ToArray()), ("new/byteorder", "little"u8.ToArray()), ("new/data/0", fourFloats),
            ("new/version", "3\n"u8.ToArray()), ("new/.data/serialization_id", "0633632"u8.ToArray())));
        using var file = TensorFiles.Open(path);
        var target = torch.empty(4);
        file.ReadInto("w", target);
        Assert.That(target.data<float>().ToArray()[1], Is.EqualTo(2));
    }

    [Test]
    public void weights_that_were_changed_on_the_way_are_refused()
    {
        byte[] threeHalves = [0, 0, 0xc0, 0x3f, 0, 0, 0xc0, 0x3f];
        var bytes = File.ReadAllBytes(Write([("w", torch.full(1000, 1.5f))]));
        bytes[bytes.AsSpan().IndexOf(threeHalves) + 400] ^= 1;
        using var file = TensorFiles.Open(folder.Write("flipped.pth", bytes));
        Assert.That(
            () => file.ReadInto("w", torch.empty(1000)), Throws.TypeOf<InputException>().With.Message.Contains("data/0 are not those that were written"));
    }

    [Test]
    public void other_files_are_named_for_what_they_are()
    {
        Refuses(folder.Write("old.pth", [0x80, 2, 0x8a, 10, 0x6c, 0xfc]), "written by PyTorch before 1.6");
        Refuses(folder.Write("short.pth", "PK"), "cannot be read as a file of PyTorch: it is an archive whose directory, at its end, is missing or damaged");
        Refuses(Path.Combine(folder.Path, "missing.pth"), "there is no such file");
        Refuses(folder.Path, "is a folder; name the file of weights in it");
        Refuses(
            folder.Write("script.pt", Zip(CompressionLevel.SmallestSize, ("m/data.pkl", [1]), ("m/code/__torch__/net.py", [1]), ("m/constants.pkl", [1]))),
            "is a TorchScript model");
        Refuses(folder.Write("package.pt", Zip(CompressionLevel.NoCompression, ("p/.data/extern_modules", [1]), ("p/model/data.pkl", [1]))), "torch.package");
    }

    private string Write(IReadOnlyList<(string, torch.Tensor)> tensors)
    {
        using var stream = new MemoryStream();
        TorchWriter.Write(stream, tensors);
        return folder.Write("written.pth", stream.ToArray());
    }

    private string Save(string opcodes) => folder.Write("made.pth", Zip(Pickle(opcodes), fourFloats));

    private static void Refuses(string path, string expected) => Assert.That(
        () => TensorFiles.Open(path),
        Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.Contains(path));
}
