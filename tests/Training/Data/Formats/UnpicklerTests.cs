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

    [Test]
    public void damage_never_ends_in_anything_but_a_sentence()
    {
        var whole = CifarPickles.Batch("batch", [1, 2], new byte[2 * 3072]);
        var random = new Random(5);
        var refused = 0;
        for (var trial = 0; trial < 2000; trial++)
        {
            var damaged = whole.AsSpan(0, random.Next(2) == 0 ? whole.Length : random.Next(whole.Length)).ToArray();
            for (var flip = 0; flip < 3 && damaged.Length > 0; flip++)
            {
                damaged[random.Next(Math.Min(damaged.Length, 260))] = (byte)random.Next(256);
            }

            try
            {
                CifarRecords.Read("batch", damaged, CifarLayout.TenPython, 10);
            }
            catch (InputException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.GreaterThan(1000));
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

    private static byte[] Text(string text) => [0x8c, (byte)text.Length, .. Encoding.ASCII.GetBytes(text), 0x94];
}
