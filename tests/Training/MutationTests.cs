using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Evaluation;
using Pascl.Training.Recipes;
using Pascl.Training.Reporting.Verification;
using SkiaSharp;
using TorchSharp;
using static Pascl.Tests.Training.Checkpoints.PyTorch.TorchFiles;

namespace Pascl.Tests.Training;

/// <summary>
/// Damaged files for every reader of files from elsewhere: each is read or refused with a sentence, in little memory. Some hundred each by default;
/// <c>PASCL_MUTATIONS=10000</c> tries as many.
/// </summary>
public sealed class MutationTests
{
    private const string Variable = "PASCL_MUTATIONS";
    private const long MostAllocated = 64 << 20;
    private const long MostGrowth = 400 << 20;
    private const int Usual = 300;

    private TemporaryFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TemporaryFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    public void a_pickle_of_images()
    {
        byte[][] wholes = [CifarPickles.Batch("batch", [1, 2], new byte[2 * 3072]), Short(CifarPickles.Batch("batch", [1, 2], new byte[2 * 3072]))];
        Try(random => Mutations.Of(wholes[random.Next(wholes.Length)], random), bytes => CifarRecords.Read("batch", bytes, CifarLayout.TenPython, 10));

        // Most of the file is pixels, which may be anything.
        static byte[] Short(byte[] whole) => whole[..400];
    }

    [Test]
    public void an_archive_of_pytorch()
    {
        var whole = Archive(Pickle(Opcodes));
        Try(random => Mutations.Of(whole, random), ReadTensors("damaged.pth"));
    }

    [Test]
    public void a_pickle_in_an_archive_of_pytorch()
    {
        var whole = Pickle(Opcodes);
        Try(random => Archive(Mutations.Of(whole, random)), ReadTensors("damaged.pth"));
    }

    [Test]
    public void a_safetensors_file()
    {
        var whole = Safetensors(new Dictionary<string, string> { ["format"] = "pt", ["note"] = "7" });
        var (text, body) = (Encoding.UTF8.GetString(whole.AsSpan(8, (int)BinaryPrimitives.ReadInt64LittleEndian(whole))), whole.AsSpan()[^40..].ToArray());
        Try(random => random.Next(3) == 0 ? Mutations.Of(whole, random) : WithHeader(Mutations.Of(text, random)), ReadTensors("damaged.safetensors"));

        byte[] WithHeader(string changed)
        {
            var header = Encoding.UTF8.GetBytes(changed);
            var length = new byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            return [.. length, .. header, .. body];
        }
    }

    [Test]
    public void what_a_checkpoint_says_beside_its_tensors()
    {
        var epoch = new EpochRecord("representation", 1, new Dictionary<string, double> { ["total"] = 1.5 }, 0.1, 0.5);
        var info = new CheckpointInfo(
            "representation", 1, 42, RecipeFile.Write(TinyTraining.Recipe), new RunHistory([epoch], new UnfinishedEpoch([1.5], [1], 10)).ToJson(),
            ["cat", "dog"], [50, 5], 1234, new ScoreThreshold("msp", 0.95, 0.4, 100), 32, new DataFingerprint(55, 0, 10, 2, "0123456789abcdef", 1)).ToMetadata();
        string[] keys = [.. info.Keys];
        Try(
            random =>
            {
                var damaged = new Dictionary<string, string>(info);
                var key = keys[random.Next(keys.Length)];
                damaged[key] = Mutations.Of(damaged[key], random);
                return Safetensors(damaged);
            },
            bytes =>
            {
                using var checkpoint = Checkpoint.Open(folder.Write("damaged.safetensors", bytes));
                RunHistory.FromJson(checkpoint.Info.History, "damaged");
                RecipeFile.Parse(checkpoint.Info.Recipe, "damaged");
            });
    }

    [Test]
    public void a_recipe()
    {
        var data = TinyTraining.Recipe.Data with { OutOfDistribution = [new("far", "/far")] };
        var whole = RecipeFile.Write(Presets.Find("cifar10-lt-paper").Recipe with { Data = data });
        Try(random => Encoding.UTF8.GetBytes(Mutations.Of(whole, random)), bytes => RecipeFile.Write(RecipeFile.Parse(Encoding.UTF8.GetString(bytes), "recipe.json")));
    }

    [Test]
    public void expectations_of_runs()
    {
        using var resource = new StreamReader(typeof(Expectations).Assembly.GetManifestResourceStream("expectations/quickstart.json")!);
        var whole = resource.ReadToEnd();
        Try(random => Encoding.UTF8.GetBytes(Mutations.Of(whole, random)), bytes =>
        {
            var expected = Expectations.Read(folder.Write("damaged.json", bytes));
            expected.Differences(TinyTraining.Recipe);
            Assert.That(Verification.Of(new Dictionary<string, double>(), expected).Sentence(), Is.Not.Empty);
        });
    }

    [Test]
    public void scores_of_images()
    {
        new ImageScores { Test = new("test", [0, 1, 2], [0, 1, 1], [0.5, 0.25, 1]), Sets = [new("far", [-1, -1], [0, 2], [0.5, 2])] }.Write(Path.Combine(folder.Path, "whole.json"));
        var whole = File.ReadAllText(Path.Combine(folder.Path, "whole.json"));
        Try(random => Encoding.UTF8.GetBytes(Mutations.Of(whole, random)), bytes => ImageScores.Read(folder.Write("damaged.json", bytes)));
    }

    [Test]
    public void an_image()
    {
        byte[][] wholes = [.. new[] { SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp }.Select(Encoded), Gif];
        using var decoder = new ImageDecoder();
        var target = new byte[8 * 8 * 3];
        Try(random => Mutations.Of(wholes[random.Next(wholes.Length)], random), bytes =>
        {
            if (decoder.Decode(bytes, target, 8, ImageGeometry.SmallImages) is { } fault)
            {
                throw new InputException(fault);
            }
        });
    }

    [Test]
    public void an_archive()
    {
        byte[] plain = File.ReadAllBytes(Archives.Pack(folder, "whole.tar", ("a/1.png", Encoded(SKEncodedImageFormat.Png)), ("b/2.png", Encoded(SKEncodedImageFormat.Png)), ("train.txt", "a/1.png 0\n"u8.ToArray())));
        byte[] packed = File.ReadAllBytes(Archives.Pack(folder, "whole.tar.gz", ("a/1.png", Encoded(SKEncodedImageFormat.Png)), ("b/2.png", Encoded(SKEncodedImageFormat.Png))));
        Try(
            random => Mutations.Of(random.Next(2) == 0 ? plain : packed, random),
            bytes => Datasets.ReadOutliers(folder.Write(bytes.AsSpan().StartsWith([(byte)0x1f, (byte)0x8b]) ? "damaged.tar.gz" : "damaged.tar", bytes), new ReadOptions(8)));
    }

    [Test]
    public void an_array()
    {
        byte[] header = [0x93, .. "NUMPY"u8, 1, 0, 118, 0, .. Encoding.ASCII.GetBytes("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4, 3), }".PadRight(117) + "\n")];
        byte[] whole = [.. header, .. new byte[2 * 4 * 4 * 3]];
        Try(random => Mutations.Of(whole, random), bytes => Datasets.ReadOutliers(folder.Write("damaged.npy", bytes), new ReadOptions(8)));
    }

    [Test]
    public void a_list_of_images_and_names_of_classes()
    {
        folder.Write("lists/a/1.png", TestImages.Plain(8, 8, 255));
        folder.Write("lists/b/two words.png", TestImages.Plain(8, 8, 0));
        const string list = "path,label\na/1.png,0\nb/two words.png,1\n", names = "0 golden retriever\n1 cat 7\n";
        Try(
            random => Encoding.UTF8.GetBytes(Mutations.Of(random.Next(2) == 0 ? list : names, random)),
            bytes =>
            {
                folder.Write("lists/train.csv", bytes.AsSpan().IndexOf((byte)',') >= 0 ? Encoding.UTF8.GetString(bytes) : list);
                folder.Write("lists/classes.txt", bytes.AsSpan().IndexOf((byte)',') >= 0 ? names : Encoding.UTF8.GetString(bytes));
                Datasets.ReadInDistribution(Path.Combine(folder.Path, "lists"), new ReadOptions(8));
            });
    }

    // One pixel, after the examples of the GIF 89a specification.
    private static byte[] Gif => [.. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b];

    private static byte[] Encoded(SKEncodedImageFormat format)
    {
        using var bitmap = SKBitmap.Decode(TestImages.Png(12, 9, [.. Enumerable.Range(0, 12 * 9 * 3).Select(i => (byte)(i * 37))]));
        using var data = bitmap.Encode(format, 90);
        return data.ToArray();
    }

    // A network's tensors in what a script saves: two in one storage, an optimiser, numbers of several kinds.
    private static string Opcodes =>
        $"}}({Text("model")}ccollections\nOrderedDict\n)R({Text("conv1.weight")}{Tensor(4, 0, [2, 2], [2, 1])}{Text("bn1.weight")}{Tensor(4, 2, [2], [1])}u"
        + $"{Text("optimizer")}}}({Text("state")}}}K\u0001}}{Text("exp_avg")}{Tensor(4, 0, [4], [1])}ss"
        + $"{Text("param_groups")}]}}{Text("lr")}G?\u00e0\0\0\0\0\0\0sau"
        + $"{Text("device")}ctorch\ndevice\n{Text("cpu")}\u0085R{Text("size")}ctorch\nSize\nK\u0003K\u0004\u0086\u0085R{Text("seen")}\u008f(K\u0001\u0090"
        + $"{Text("best")}cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n{Text("f8")}\u0089\u0088\u0087R(K\u0003tbC\u000812345678\u0086Ru.";

    private static byte[] Archive(byte[] pickle) => Zip(pickle, [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64]);

    private static byte[] Safetensors(Dictionary<string, string> metadata)
    {
        using var scope = torch.NewDisposeScope();
        using var stream = new MemoryStream();
        SafetensorsFile.Write(
            stream,
            new Dictionary<string, torch.Tensor>
            {
                ["conv1.weight"] = torch.ones(2, 3),
                ["bn1.num_batches_tracked"] = torch.tensor(3L),
                ["half"] = torch.ones(4).to(torch.float16),
                ["none"] = torch.zeros(0, 3),
            },
            metadata);
        return stream.ToArray();
    }

    private Action<byte[]> ReadTensors(string name) => bytes =>
    {
        using var file = new ConvertedFile(TensorFiles.Open(folder.Write(name, bytes)));
        foreach (var (tensor, stored) in file.Tensors)
        {
            using var scope = torch.NewDisposeScope();
            file.ReadInto(tensor, torch.empty([.. stored.Shape], stored.Type));
        }
    };

    private static void Try(Func<Random, byte[]> make, Action<byte[]> read)
    {
        var trials = Environment.GetEnvironmentVariable(Variable) is { } many ? int.Parse(many) : Usual;
        var (refused, largest, watch, resident) = (0, 0L, Stopwatch.StartNew(), Resident());
        for (var trial = 0; trial < trials; trial++)
        {
            var damaged = make(new Random(trial));
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                read(damaged);
            }
            catch (InputException)
            {
                refused++;
            }
            catch (Exception exception)
            {
                throw new AssertionException(
                    $"Trial {trial} ends in {exception}\nof {Convert.ToHexString(damaged.AsSpan(0, Math.Min(2000, damaged.Length)))}", exception);
            }

            largest = Math.Max(largest, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        TestContext.Out.WriteLine(
            $"{TestContext.CurrentContext.Test.MethodName}: {trials} files, {refused} refused, {trials - refused} read, {largest:N0} bytes allocated at most, "
            + $"{(Resident() - resident) >> 20} MiB more resident, {watch.Elapsed.TotalSeconds:F1} s");
        Assert.That(largest, Is.LessThan(MostAllocated));
        Assert.That(Resident() - resident, Is.LessThan(MostGrowth));
        Assert.That(refused, Is.GreaterThan(trials / 10).And.LessThan(trials));
    }

    private static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
