using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class ListDatasetTests
{
    private static readonly byte[] red = TestImages.Plain(8, 8, 255);

    [Test]
    public void images_keep_the_order_of_the_list_and_paths_may_hold_spaces()
    {
        using var folder = WithImages();
        folder.Write("my_train.txt", "b/two words.png 1\na/1.png 0\r\n");
        folder.Write("my_val.txt", "a/1.png 0\n");
        folder.Write("my_test.txt", "a/1.png 0\nb/two words.png 1\n");
        var data = Datasets.ReadInDistribution(folder.Path, new ReadOptions());
        int[] labels = [1, 0];
        string[] names = ["class 0", "class 1"];
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.Labels.ToArray(), Is.EqualTo(labels));
            Assert.That(data.Training.ClassNames, Is.EqualTo(names));
            Assert.That(data.Training.Source(0), Does.EndWith("b/two words.png"));
            Assert.That(data.Test!.Count, Is.EqualTo(2), "the test list goes before the validation list");
        });
    }

    [TestCase("a/1.png 0\na/missing.png 1\n", "line 2, names a/missing.png")]
    [TestCase("a/1.png 0\nnonsense\n", "line 2, is \"nonsense\"")]
    [TestCase("a/1.png 0\na/1.png -1\n", "line 2, has label -1")]
    [TestCase("a/1.png 0\na/1.png 2000000\n", "labels up to 2000000 but only 2 images")]
    [TestCase("a/1.png 0\na/1.png 0\na/1.png 2\n", "class class 1 has no training images")]
    [TestCase("a/1.png 0\na/1.png 0\n", "only one class")]
    public void a_list_that_cannot_be_right_is_refused_with_its_line(string list, string expected)
    {
        using var folder = WithImages();
        folder.Write("train.txt", list);
        AssertRefused(folder, expected);
    }

    [Test]
    public void a_test_label_beyond_the_classes_is_refused()
    {
        using var folder = WithImages();
        folder.Write("train.txt", "a/1.png 0\nb/two words.png 1\n");
        folder.Write("test.txt", "a/1.png 2\n");
        AssertRefused(folder, "has label 2; expected 0 to 1");
    }

    private static void AssertRefused(TemporaryFolder folder, string expected) =>
        Assert.That(() => Datasets.ReadInDistribution(folder.Path, new ReadOptions()), Throws.TypeOf<InputException>().With.Message.Contains(expected));

    private static TemporaryFolder WithImages()
    {
        var folder = new TemporaryFolder();
        folder.Write("a/1.png", red);
        folder.Write("b/two words.png", red);
        return folder;
    }
}
