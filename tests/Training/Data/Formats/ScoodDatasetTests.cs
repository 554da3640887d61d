using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class ScoodDatasetTests
{
    private const string Lists = "data/imglist/benchmark_cifar10";
    private static readonly ReadOptions options = new();

    [Test]
    public void json_and_python_dictionaries_and_plain_labels_are_read()
    {
        using var folder = WithImages();
        folder.Write(
            $"{Lists}/test_svhn.txt",
            "svhn/1.png {\"label\": -1, \"sc_label\": -1, \"full_label\": 10}\nsvhn/two words.png {'label': 3, 'sc_label': 4}\nsvhn/1.png -1\nsvhn/1.png 9\n");
        folder.Write($"{Lists}/test_texture.txt", "svhn/1.png {'sc_label': -1}\n");
        folder.Write($"{Lists}/train_cifar10.txt", "not looked at");
        var sets = Datasets.ReadOutOfDistribution(null, folder.Path, options);
        int[] labels = [-1, 4, -1, 9];
        string[] names = ["svhn", "texture"];
        Assert.Multiple(() =>
        {
            Assert.That(sets.Select(set => set.Name), Is.EqualTo(names));
            Assert.That(sets[0].Labels.ToArray(), Is.EqualTo(labels));
            Assert.That(sets[0].ClassNames[4], Is.EqualTo("deer"));
            Assert.That(Datasets.ReadOutOfDistribution("mine", folder.Path, options)[0].Name, Is.EqualTo("mine/svhn"));
        });
    }

    [TestCase("svhn/1.png", "line 1, is \"svhn/1.png\"")]
    [TestCase("svhn/1.png {'label': 3}", "expected a path and {\"sc_label\"")]
    [TestCase("svhn/gone.png {'sc_label': -1}", "line 1, names data/images/svhn/gone.png")]
    [TestCase("svhn/1.png {'sc_label': 10}", "has sc_label 10, but the benchmark has 10 classes")]
    public void a_line_that_cannot_be_right_is_refused(string line, string expected)
    {
        using var folder = WithImages();
        folder.Write($"{Lists}/test_svhn.txt", line + "\n");
        Assert.That(() => Datasets.ReadOutOfDistribution(null, folder.Path, options), Throws.TypeOf<InputException>().With.Message.Contains(expected));
    }

    [Test]
    public void one_of_several_benchmarks_must_be_named()
    {
        using var folder = WithImages();
        folder.Write($"{Lists}/test_svhn.txt", "svhn/1.png -1\n");
        folder.Write("data/imglist/benchmark_cifar100/test_svhn.txt", "svhn/1.png 77\n");
        Assert.That(() => Datasets.ReadOutOfDistribution(null, folder.Path, options), Throws.TypeOf<InputException>().With.Message.Contains("several benchmarks"));
        var set = Datasets.ReadOutOfDistribution(null, Path.Combine(folder.Path, "data/imglist/benchmark_cifar100"), options).Single();
        Assert.That((set.ClassCount, set.Labels[0]), Is.EqualTo((100, 77)));
    }

    [Test]
    public void test_sets_are_refused_as_training_outliers()
    {
        using var folder = WithImages();
        folder.Write($"{Lists}/test_svhn.txt", "svhn/1.png -1\n");
        Assert.That(() => Datasets.ReadOutliers(folder.Path, options), Throws.TypeOf<InputException>().With.Message.Contains("holds test images only"));
    }

    private static TemporaryFolder WithImages()
    {
        var folder = new TemporaryFolder();
        folder.Write("data/images/svhn/1.png", TestImages.Plain(8, 8, 255));
        folder.Write("data/images/svhn/two words.png", TestImages.Plain(8, 8, 255));
        return folder;
    }
}
