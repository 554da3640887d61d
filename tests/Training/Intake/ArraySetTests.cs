using System.Security.Cryptography;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Data;
using Pascl.Training.Intake;
using TorchSharp;

namespace Pascl.Tests.Training.Intake;

/// <summary>Features, logits and labels from the files in which other programs leave them.</summary>
public sealed class ArraySetTests
{
    private static readonly float[] values = [0, 0.25f, 0.5f, 0.75f, 1, 1.25f];
    private static readonly int[] labels = [0, 1, -1];

    private TemporaryFolder folder = null!;

    [SetUp]
    public void CreateFolder() => folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public void an_archive_of_numpy_with_openoods_names_is_read_and_its_features_are_mapped()
    {
        var set = ArraySet.Read("svhn", Sample("savez.npz"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Rows(set.Features!), Is.EqualTo(values));
            Assert.That(set.Features, Is.InstanceOf<FeatureBlock>(), "not read into memory");
            Assert.That(set.Labels, Is.EqualTo(labels));
            Assert.That(set.Logits, Is.Null);
            Assert.That(set.Files.Single().Contents, Is.EqualTo("feat_list f4 (3, 2), label_list i8 (3)"));
            Assert.That(set.Files.Single().Sha256, Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Sample("savez.npz"))))));
        }
    }

    [Test]
    public void a_compressed_archive_of_numpy_in_other_types_and_fortran_order_is_read_to_the_same_numbers()
    {
        var set = ArraySet.Read("svhn", Sample("savez_compressed.npz"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Rows(set.Features!), Is.EqualTo(values), "float64, Fortran order");
            Assert.That(Rows(set.Logits!), Is.EqualTo(values), "float16");
            Assert.That(set.Labels, Is.EqualTo((int[])[0, 1, 0]));
        }
    }

    [Test]
    public void files_of_numpy_may_lie_in_a_folder_or_begin_alike()
    {
        folder.Write("dump/features.npy", Arrays.Npy(values, "(3, 2, 1, 1)"));
        folder.Write("dump/labels.npy", Arrays.Npy(new byte[] { 0, 1, 1 }, "(3,)"));
        folder.Write("train_embeddings.npy", Arrays.Npy(values, "(3, 2)"));
        folder.Write("train_targets.npy", Arrays.Npy(new short[] { 0, 1, -7 }, "(3, 1)"));
        var (inFolder, beginning) = (ArraySet.Read("a", Path.Combine(folder.Path, "dump")), ArraySet.Read("b", Path.Combine(folder.Path, "train")));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Rows(inFolder.Features!), Is.EqualTo(values));
            Assert.That(Rows(beginning.Features!), Is.EqualTo(values));
            Assert.That(beginning.Labels, Is.EqualTo(labels), "any negative number is no class");
            Assert.That(beginning.Files.Select(file => file.File), Is.EqualTo((string[])["train_embeddings.npy", "train_targets.npy"]));
        }
    }

    [Test]
    public void a_safetensors_file_is_mapped_and_a_buffer_of_pytorch_ood_is_read()
    {
        using var scope = torch.NewDisposeScope();
        var (features, ofClasses) = (torch.tensor(values, [3, 2]), torch.tensor(labels).to(torch.int64));
        var (safetensors, buffer) = (Path.Combine(folder.Path, "a.safetensors"), Path.Combine(folder.Path, "b.pt"));
        using (var stream = File.Create(safetensors))
        {
            SafetensorsFile.Write(stream, new Dictionary<string, torch.Tensor> { ["features"] = features, ["logits"] = features.to(torch.bfloat16), ["labels"] = ofClasses }, new Dictionary<string, string>());
        }

        using (var stream = File.Create(buffer))
        {
            TorchWriter.Write(stream, [("embedding", features), ("label", ofClasses)]);
        }

        var (mapped, read) = (ArraySet.Read("a", safetensors), ArraySet.Read("b", buffer));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(mapped.Features, Is.InstanceOf<FeatureBlock>());
            Assert.That(Rows(mapped.Features!), Is.EqualTo(values));
            Assert.That(Rows(mapped.Logits!), Is.EqualTo(values), "bfloat16");
            Assert.That(Rows(read.Features!), Is.EqualTo(values));
            Assert.That(read.Labels, Is.EqualTo(labels));
        }
    }

    [Test]
    public void a_classifier_is_found_in_a_file_of_weights_by_the_name_of_the_last_layer()
    {
        var path = Arrays.Npz(Path.Combine(folder.Path, "net.npz"), isCompressed: false, ("conv1.weight", Arrays.Npy(new float[8], "(2, 1, 2, 2)")), ("fc.weight", Arrays.Npy(values, "(2, 3)")));
        var (classifier, files) = ArraySet.ReadClassifier(path);
        Assert.That(classifier.Weight, Is.EqualTo(values));
        Assert.That(classifier.Bias, Is.EqualTo(new float[2]), "no bias is a bias of 0");
        Assert.That(files.Single().Set, Is.EqualTo("classifier"));
    }

    [TestCaseSource(nameof(Refused))]
    public void what_cannot_be_used_is_refused_in_a_sentence(string file, byte[] content, string[] expected)
    {
        folder.Write(file, content);
        var exception = Assert.Throws<InputException>(() => ArraySet.Read("set", Path.Combine(folder.Path, file.Split('/')[0])));
        Assert.That(expected, Has.All.Matches<string>(part => exception.Message.Contains(part, StringComparison.Ordinal)), exception.Message);
    }

    [Test]
    public void an_archive_without_a_known_name_says_what_it_holds()
    {
        var scores = Arrays.Npz(Path.Combine(folder.Path, "scores.npz"), isCompressed: false, ("conf", Arrays.Npy(values, "(6,)")), ("pred", Arrays.Npy(new long[6], "(6,)")));
        Assert.That(() => ArraySet.Read("set", scores), Throws.TypeOf<InputException>().With.Message.Contains("conf, pred").And.Message.Contains("finished scores"));
    }

    [Test]
    public void what_is_not_there_says_what_may_be_named()
    {
        var path = Path.Combine(folder.Path, "nowhere");
        Assert.That(() => ArraySet.Read("set", path), Throws.TypeOf<InputException>().With.Message.Contains("does not exist").And.Message.Contains("nowhere_features.npy"));
        Assert.That(() => ArraySet.Read("set", folder.Path), Throws.TypeOf<InputException>().With.Message.Contains("without files .npy"));
    }

    private static IEnumerable<TestCaseData> Refused()
    {
        yield return Case("nan", "d/features.npy", Arrays.Npy(new[] { 0f, float.NaN }, "(2, 1)"), "NaN in row 1, column 0", "finite");
        yield return Case("too large for float32", "d/features.npy", Arrays.Npy(new[] { 1e300, 0 }, "(1, 2)"), "row 0, column 0", "float32");
        yield return Case("whole numbers", "d/features.npy", Arrays.Npy(new long[] { 1, 2 }, "(1, 2)"), "features in", "i8 (1, 2)", "expected float16");
        yield return Case("one dimension", "d/logits.npy", Arrays.Npy(values, "(6,)"), "f4 (6)", "(images, classes)");
        yield return Case("three dimensions", "d/features.npy", Arrays.Npy(values, "(1, 3, 2)"), "f4 (1, 3, 2)");
        yield return Case("fractions as labels", "d/labels.npy", Arrays.Npy(values, "(6,)"), "labels in", "expected whole numbers");
        yield return Case("objects", "d/labels.npy", Arrays.Npy(new long[1], "(1,)", type: "|O"), "labels in", "O (1)");
        yield return Case("big endian", "d/features.npy", Arrays.Npy(values, "(3, 2)", type: ">f4"), "big endian", "newbyteorder");
        yield return Case("cut short", "d/features.npy", Arrays.Npy(values, "(300, 2)"), "cut short", "f4 (300, 2)");
        yield return Case("no rows", "d/features.npy", Arrays.Npy(Array.Empty<float>(), "(0, 2)"), "has no rows");
        yield return Case("no array", "d/features.npy", "something else"u8.ToArray(), "does not begin as a NumPy file");
        yield return Case("one array", "features.npy", Arrays.Npy(values, "(3, 2)"), "is one array", "folder");
        yield return Case("no archive", "a.npz", "something else"u8.ToArray(), "cannot be read as an archive of NumPy", "numpy.savez");
        yield return Case("no tensors", "a.safetensors", "something else"u8.ToArray(), "is not a file of weights", "something else");

        static TestCaseData Case(string name, string file, byte[] content, params string[] expected) => new TestCaseData(file, content, expected).SetArgDisplayNames(name);
    }

    [Test]
    public void parts_of_different_length_and_two_arrays_of_one_meaning_are_refused()
    {
        var lengths = Arrays.Npz(Path.Combine(folder.Path, "a.npz"), isCompressed: false, ("features", Arrays.Npy(values, "(3, 2)")), ("labels", Arrays.Npy(new long[2], "(2,)")));
        var twice = Arrays.Npz(Path.Combine(folder.Path, "b.npz"), isCompressed: false, ("feat", Arrays.Npy(values, "(3, 2)")), ("features", Arrays.Npy(values, "(3, 2)")));
        Assert.That(() => ArraySet.Read("set", lengths), Throws.TypeOf<InputException>().With.Message.Contains("3 rows of features and 2 of labels"));
        Assert.That(() => ArraySet.Read("set", twice), Throws.TypeOf<InputException>().With.Message.Contains("feat and features, which mean the same"));
    }

    private static string Sample(string name) => Path.Combine(Repository.Samples, "numpy", name);

    private static float[] Rows(INumberRows rows) => [.. Enumerable.Range(0, rows.Count).SelectMany(row => rows[row].ToArray())];
}
