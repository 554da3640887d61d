using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;

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
    [TestCase("a/1.png 0\na/1.png 0\nb/two words.png 2\n", "class class 1 has no training images")]
    [TestCase("a/1.png 0\na/1.png 1\n", "line 2, gives a/1.png the label 1, but line 1 gives it another")]
    [TestCase("a/1.png 0\n../../x.png 1\n", "line 2, names ../../x.png")]
    [TestCase("cat,a/1.png\ndog,b/two words.png\n", "line 1, is \"cat,a/1.png\", which names an image")]
    [TestCase("a/1.png 0\na/1.png 0\n", "only one class")]
    public void a_list_that_cannot_be_right_is_refused_with_its_line(string list, string expected)
    {
        using var folder = WithImages();
        folder.Write("train.txt", list);
        AssertRefused(folder, expected);
    }

    [TestCase("train.txt", "path label\na/1.png 0\nb/two words.png 1\n", "labels as numbers, separated by spaces, after a header")]
    [TestCase("train.csv", "name,label\na/1.png,0\nb/two words.png,1\n", "labels as numbers, separated by commas, after a header")]
    [TestCase("train.csv", "\"a/1.png\",\"0\"\r\n\"b/two words.png\",\"1\"\r\n", "labels as numbers, separated by commas")]
    [TestCase("x_train.tsv", "a/1.png\t0\nb/two words.png\t1\n", "separated by tabs")]
    [TestCase("train.txt", "a/1.png;0\nb/two words.png;1", "separated by semicolons")]
    [TestCase("train.txt", "./a/1.png 0\na/../b/two words.png 1\n\n   \n", "separated by spaces")]
    [TestCase("train.txt", "# made by hand\na\\1.png 0\nb\\two words.png 1\n", "separated by spaces")]
    [TestCase("splits/train.txt", "../a/1.png 0\n../b/two words.png 1\n", "separated by spaces")]
    [TestCase("splits/train.txt", "a/1.png 0\nb/two words.png 1\n", "separated by spaces")]
    public void lists_are_read_in_the_forms_that_people_write(string name, string list, string form)
    {
        using var folder = WithImages();
        folder.Write("c/3.png", red);
        folder.Write(name, list);
        var dataset = Dataset.Open(folder.Path);
        var training = Datasets.ReadInDistribution(folder.Path, new ReadOptions()).Training;
        int[] labels = [0, 1];
        Assert.Multiple(() =>
        {
            Assert.That(training.Labels.ToArray(), Is.EqualTo(labels));
            Assert.That(training.Source(1), Does.EndWith("b/two words.png"));
            Assert.That(dataset.Notes, Has.One.Contains(form).And.One.Contains("2 of 3"));
        });
    }

    [Test]
    public void labels_may_be_names_with_spaces()
    {
        using var folder = WithImages();
        folder.Write("train.txt", "b/two words.png golden retriever\na/1.png cat\n");
        folder.Write("test.csv", "file,class\na/1.png,cat\n");
        var data = Datasets.ReadInDistribution(folder.Path, new ReadOptions());
        string[] names = ["cat", "golden retriever"];
        int[] labels = [1, 0];
        Assert.That(data.Training.ClassNames, Is.EqualTo(names));
        Assert.That(data.Training.Labels.ToArray(), Is.EqualTo(labels));
        Assert.That(data.Test!.Labels.ToArray(), Is.EqualTo((int[])[0]));
    }

    [TestCase("a/1.png -1\n")]
    [TestCase("a/1.png\n")]
    public void a_test_list_alone_names_the_images_of_no_class(string list)
    {
        using var folder = WithImages();
        folder.Write("test.txt", list);
        Assert.That(Datasets.ReadOutOfDistribution("far", folder.Path, new ReadOptions()).Single().Count, Is.EqualTo(1));
        AssertRefused(folder, "has no classes");
    }

    [Test]
    public void classes_have_the_names_beside_the_list_with_all_their_words()
    {
        using var folder = WithImages();
        folder.Write("train.txt", "a/1.png 0\nb/two words.png 1\n");
        folder.Write("classes.txt", "0 golden retriever\n1 golden eagle\n");
        string[] names = ["golden retriever", "golden eagle"];
        Assert.That(Datasets.ReadInDistribution(folder.Path, new ReadOptions()).Training.ClassNames, Is.EqualTo(names));
        folder.Write("classes.txt", "0 gold\n1 gold\n");
        AssertRefused(folder, "gives two labels the name gold");
    }

    [Test]
    public void text_that_is_no_list_does_not_hide_the_folders()
    {
        using var folder = WithImages();
        folder.Write("how to train.txt", "Run the trainer.\nThen wait 3\n");
        string[] names = ["a", "b"];
        Assert.That(Datasets.ReadInDistribution(folder.Path, new ReadOptions()).Training.ClassNames, Is.EqualTo(names));
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
