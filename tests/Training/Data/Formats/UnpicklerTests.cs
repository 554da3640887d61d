using System.Text;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Pickling;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class UnpicklerTests
{
    [TestCase("cos\nsystem\n(U\u0004echotR.", "asks for os.system")]
    [TestCase("cbuiltins\neval\n)R.", "asks for builtins.eval")]
    [TestCase("cnumpy.core.multiarray\nscalar\n.", "asks for numpy.core.multiarray.scalar")]
    [TestCase("(inumpy\nndarray\n.", "uses instruction 0x69")]
    [TestCase("", "cut short")]
    [TestCase("}q", "cut short")]
    [TestCase("cnumpy", "cut short")]
    [TestCase("h\u0005.", "damaged")]
    [TestCase(".", "damaged")]
    public void a_pickle_that_asks_for_more_than_plain_values_is_refused(string program, string expected) =>
        Assert.That(
            () => Unpickler.Load(Encoding.Latin1.GetBytes(program), PickledFunctions.Numpy),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains(expected));

    [Test]
    public void python_3_writes_the_same_table_differently()
    {
        // pickle.dumps({"data": numpy.array([[1, 2]], numpy.uint8), "labels": [7]}, protocol=4), with NumPy 2's module name.
        byte[] table =
        [
            0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, (byte)'}', 0x94, (byte)'(', .. Text("data"),
            .. Text("numpy._core.multiarray"), .. Text("_reconstruct"), 0x93, 0x94, .. Text("numpy"), .. Text("ndarray"), 0x93, 0x94,
            (byte)'K', 0, 0x85, 0x94, (byte)'C', 1, (byte)'b', 0x94, 0x87, 0x94, (byte)'R', 0x94, (byte)'(', (byte)'K', 1, (byte)'K', 1, (byte)'K', 2,
            0x86, 0x94, (byte)'h', 5, .. Text("dtype"), 0x93, 0x94, .. Text("u1"), 0x89, 0x88, 0x87, 0x94, (byte)'R', 0x94, (byte)'(', (byte)'K', 3,
            .. Text("|"), (byte)'N', (byte)'N', (byte)'N', (byte)'J', 255, 255, 255, 255, (byte)'J', 255, 255, 255, 255, (byte)'K', 0, (byte)'t', 0x94,
            (byte)'b', 0x89, (byte)'C', 2, 1, 2, 0x94, (byte)'t', 0x94, (byte)'b', .. Text("labels"), (byte)']', 0x94, (byte)'K', 7, (byte)'a',
            (byte)'u', (byte)'.',
        ];
        var loaded = (Dictionary<string, object?>)Unpickler.Load(table, PickledFunctions.Numpy)!;
        var data = (PickledArray)loaded["data"]!;
        byte[] row = [1, 2];
        Assert.That((data.Rows, data.Columns), Is.EqualTo((1, 2)));
        Assert.That(data.Row(0).ToArray(), Is.EqualTo(row));
        Assert.That(loaded["labels"], Is.EqualTo(new List<object?> { 7L }));
    }

    [Test]
    public void an_array_in_fortran_order_is_read_by_rows()
    {
        var array = new PickledArray();
        array.SetState(new object?[] { 1L, new object?[] { 2L, 3L }, new PickledType("u1"), true, (ReadOnlyMemory<byte>)new byte[] { 1, 4, 2, 5, 3, 6 } });
        byte[] second = [4, 5, 6];
        Assert.That(array.Row(1).ToArray(), Is.EqualTo(second));
    }

    [TestCase("numpy.core.numeric", "C", new byte[] { 4, 5, 6 })]
    [TestCase("numpy._core.numeric", "F", new byte[] { 2, 4, 6 })]
    public void protocol_5_holds_the_bytes_of_an_array_as_they_are(string module, string order, byte[] second)
    {
        var data = (PickledArray)((Dictionary<string, object?>)Unpickler.Load(FromBuffer(module, order, 0x96), PickledFunctions.Numpy)!)["data"]!;
        Assert.That((data.Rows, data.Columns), Is.EqualTo((2, 3)));
        Assert.That(data.Row(1).ToArray(), Is.EqualTo(second));
    }

    [Test]
    public void bytes_that_lie_beside_the_pickle_are_not_looked_for() => Assert.That(
        () => Unpickler.Load(FromBuffer("numpy.core.numeric", "C", 0x97), PickledFunctions.Numpy),
        Throws.TypeOf<InvalidDataException>().With.Message.Contains("pickle it without buffer_callback"));

    [Test]
    public void a_string_that_is_made_into_bytes_again_and_again_does_not_take_memory()
    {
        // A list of _codecs.encode(the same 64 KiB, "latin1"), 10,000 times: 640 MB of 130 KB.
        var text = new string('a', 1 << 16);
        byte[] program =
        [
            0x80, 2, (byte)']', (byte)'(', (byte)'X', 0, 0, 1, 0, .. Encoding.ASCII.GetBytes(text), (byte)'q', 0, .. "c_codecs\nencode\n"u8, (byte)'q', 1,
            .. Enumerable.Repeat<byte[]>([(byte)'h', 1, (byte)'h', 0, 0x85, (byte)'R'], 10_000).SelectMany(bytes => bytes), (byte)'e', (byte)'.',
        ];
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(
            () => Unpickler.Load(program, PickledFunctions.Numpy),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("more bytes than it holds"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4 << 20));
    }

    [Test]
    public void a_pickle_of_millions_of_containers_is_refused() => Assert.That(
        () => Unpickler.Load(Enumerable.Repeat((byte)'}', 3_000_000).ToArray(), PickledFunctions.Numpy),
        Throws.TypeOf<InvalidDataException>().With.Message.Contains("makes more than 2,097,152 objects"));

    [Test]
    public void sets_wide_numbers_and_keys_of_other_kinds_are_read()
    {
        // {"seed": 2 ** 64, (): 1, "seen": {1, 2}, "fixed": frozenset({1})}
        byte[] program =
        [
            0x80, 4, (byte)'}', (byte)'(', .. Text("seed"), 0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, (byte)')', (byte)'K', 1,
            .. Text("seen"), 0x8f, (byte)'(', (byte)'K', 1, (byte)'K', 2, 0x90, .. Text("fixed"), (byte)'(', (byte)'K', 1, 0x91, (byte)'u', (byte)'.',
        ];
        var read = (Dictionary<string, object?>)Unpickler.Load(program, PickledFunctions.Numpy)!;
        Assert.That(read.Keys, Is.EqualTo(["seed", "seen", "fixed"]));
        Assert.That(read["seed"], Is.EqualTo(18446744073709551616.0));
    }

    [Test]
    public void a_python_file_that_is_no_batch_is_refused_with_its_name()
    {
        using var folder = new TemporaryFolder();
        folder.Write("test", CifarPickles.Batch("batch", [1, 2], new byte[2 * 3072]));
        folder.Write("meta", CifarPickles.Meta("fine_label_names", CifarNames.Hundred));
        Assert.That(
            () => Datasets.ReadOutOfDistribution(null, folder.Path, new ReadOptions()),
            Throws.TypeOf<InputException>().With.Message.Contains("test has 2 images and 0 labels \"fine_labels\""));
    }

    // pickle.dumps({"data": numpy.array([[1, 2, 3], [4, 5, 6]], numpy.uint8, order=order)}, protocol=5); with the opcode of a buffer it is one of many.
    private static byte[] FromBuffer(string module, string order, byte bytes) =>
    [
        0x80, 5, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, (byte)'}', 0x94, .. Text("data"), .. Text(module), .. Text("_frombuffer"), 0x93, 0x94, (byte)'(',
        bytes, 6, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0x94, .. Text("numpy"), .. Text("dtype"), 0x93, 0x94, .. Text("u1"), 0x89, 0x88, 0x87, 0x94,
        (byte)'R', 0x94, (byte)'(', (byte)'K', 3, .. Text("|"), (byte)'N', (byte)'N', (byte)'N', (byte)'J', 255, 255, 255, 255, (byte)'J', 255, 255, 255,
        255, (byte)'K', 0, (byte)'t', 0x94, (byte)'b', (byte)'K', 2, (byte)'K', 3, 0x86, 0x94, .. Text(order), (byte)'t', 0x94,
        (byte)'R', 0x94, (byte)'s', (byte)'.',
    ];

    private static byte[] Text(string text) => [0x8c, (byte)text.Length, .. Encoding.ASCII.GetBytes(text), 0x94];
}
