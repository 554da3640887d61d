using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

namespace Pascl.Tests.Training.Data.Formats;

[TestFixtureSource(typeof(ImageData), nameof(ImageData.All))]
public sealed class CifarDatasetTests(ImageData images)
{
    private const int PixelBytes = 3072;
    private static readonly ReadOptions options = new();

    [Test]
    public void the_binary_form_of_cifar10_is_read_from_inside_an_archive()
    {
        var data = Datasets.ReadInDistribution(images.Format("cifar-10-batches-bin"), options);
        var (batch, test) = images.Cifar10Records;
        Assert.Multiple(() =>
        {
            Assert.That((data.Training.Count, data.Test!.Count, data.Training.Width), Is.EqualTo((5 * batch, test, 32)));
            Assert.That(data.Training.Labels[..5].ToArray(), Is.EqualTo(images.FirstLabels));
            Assert.That(data.Training.ClassNames, Is.EqualTo(CifarNames.Ten));
            Assert.That(data.Training.Source(batch + 1), Does.EndWith("data_batch_2.bin[1]"));
        });
    }

    [Test]
    public void planes_become_pixels_that_match_the_jpeg_copies_of_the_same_images()
    {
        // Image i of a class here is image i of that class there.
        var lossless = Datasets.ReadInDistribution(images.Format("cifar-10-batches-bin"), options).Test!;
        var copies = Datasets.ReadInDistribution(images.Archive("cifar10-lt-jpeg"), options).Test!;
        for (var i = 0; i < lossless.Count; i++)
        {
            var label = lossless.Labels[i];
            var rank = lossless.Labels[..i].Count(label);
            Assert.That(Distance(lossless.Pixels(i), copies.Pixels((label * images.TenTestPerClass) + rank)), Is.LessThan(images.JpegDifference), $"test image {i}");
        }
    }

    [Test]
    public void cifar100_has_its_fine_labels_and_their_names()
    {
        var set = CifarDataset.FindAll(FileTree.Open(images.Format("cifar-100-binary"))).Single();
        var test = set.Read(Dataset.TestPart, "test", options, []);
        Assert.That(set.ClassNames, Is.EqualTo(CifarNames.Hundred));
        Assert.That(set.ClassNames[test.Labels[0]], Is.EqualTo("mountain"), "the first image");
    }

    [Test]
    public void a_class_without_training_images_is_refused()
    {
        // There is no can among them.
        Assert.That(
            () => Datasets.ReadInDistribution(images.Format("cifar-100-binary"), options),
            Throws.TypeOf<InputException>().With.Message.Contains("class can has no training images"));
    }

    [Test]
    public void the_python_form_gives_the_same_set_as_the_binary_form()
    {
        using var folder = new TemporaryFolder();
        var samples = FileTree.Open(images.Format("cifar-10-batches-bin"));
        string[] batches = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
        foreach (var batch in batches)
        {
            var (labels, planes) = Split(samples.Read($"{batch}.bin").ToArray(), 1);
            folder.Write($"cifar-10-batches-py/{batch}", CifarPickles.Batch($"batch {batch}", labels, planes));
        }

        folder.Write("cifar-10-batches-py/batches.meta", CifarPickles.Meta("label_names", CifarNames.Ten));
        var binary = Datasets.ReadInDistribution(samples.Location, options);
        var python = Datasets.ReadInDistribution(folder.Path, options);
        AssertSame(python.Training, binary.Training);
        AssertSame(python.Test!, binary.Test!);
    }

    [Test]
    public void the_python_form_of_cifar100_gives_the_same_test_set_as_the_binary_form()
    {
        using var folder = new TemporaryFolder();
        var samples = FileTree.Open(images.Format("cifar-100-binary"));
        var (labels, planes) = Split(samples.Read("test.bin").ToArray(), 2);
        folder.Write("cifar-100-python/test", CifarPickles.Part("testing", labels, new byte[labels.Length], planes));
        folder.Write("cifar-100-python/meta", CifarPickles.Meta("fine_label_names", CifarNames.Hundred));
        var python = Datasets.ReadOutOfDistribution("c100", folder.Path, options).Single();
        var binary = Datasets.ReadOutOfDistribution("c100", samples.Location, options).Single();
        Assert.That(python.Count, Is.EqualTo(images.Cifar100TestCount));
        AssertSame(python, binary);
        Assert.That(CifarDataset.FindAll(FileTree.Open(folder.Path)).Single().ClassNames, Is.EqualTo(CifarNames.Hundred));
    }

    [Test]
    public void records_are_resized_when_another_size_is_asked_for()
    {
        var outliers = Datasets.ReadOutliers(images.Format("cifar-10-batches-bin"), new ReadOptions(48));
        Assert.That((outliers.Count, outliers.Width, outliers.Height), Is.EqualTo((5 * images.Cifar10Records.Batch, 48, 48)));
    }

    [TestCase("cifar10_cut_record.bin", "has 8,719 bytes; expected a multiple of 3,073")]
    [TestCase("cifar10_label_out_of_range.bin", "has label 77; expected 0 to 9")]
    public void a_damaged_binary_file_is_refused(string file, string expected)
    {
        using var folder = new TemporaryFolder();
        var damaged = FileTree.Open(images.Format("damaged-formats")).Read(file).ToArray();
        for (var batch = 1; batch <= 5; batch++)
        {
            folder.Write($"data_batch_{batch}.bin", damaged);
        }

        Assert.That(
            () => Datasets.ReadInDistribution(folder.Path, options),
            Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.Contains("data_batch_1.bin"));
    }

    [Test]
    public void a_missing_batch_is_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("data_batch_1.bin", new byte[PixelBytes + 1]);
        Assert.That(() => Datasets.ReadInDistribution(folder.Path, options), Throws.TypeOf<InputException>().With.Message.Contains("lacks data_batch_2.bin"));
    }

    private static (byte[] Labels, byte[] Planes) Split(byte[] records, int labelBytes)
    {
        byte[][] chunks = [.. records.Chunk(labelBytes + PixelBytes)];
        return ([.. chunks.Select(chunk => chunk[labelBytes - 1])], [.. chunks.SelectMany(chunk => chunk[labelBytes..])]);
    }

    private static void AssertSame(ImageSet actual, ImageSet expected)
    {
        Assert.That(actual.Labels.ToArray(), Is.EqualTo(expected.Labels.ToArray()));
        Assert.That(actual.ClassNames, Is.EqualTo(expected.ClassNames));
        for (var i = 0; i < expected.Count; i++)
        {
            Assert.That(actual.Pixels(i).SequenceEqual(expected.Pixels(i)), $"image {i}");
        }
    }

    private static double Distance(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
        {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        }

        return Math.Sqrt(sum / a.Length);
    }
}
