using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Data.Formats;

public sealed class FolderDatasetTests
{
    private static readonly ReadOptions options = new();
    private static readonly byte[] red = TestImages.Plain(8, 8, 255);
    private static readonly byte[] blue = TestImages.Plain(8, 8, 0, 0, 255);

    [Test]
    public void classes_are_sorted_by_name_and_images_by_path()
    {
        using var folder = new TemporaryFolder();
        folder.Write("photos/train/zebra/2.png", blue);
        folder.Write("photos/train/zebra/10.png", red);
        folder.Write("photos/train/Apple/1.png", red);
        folder.Write("photos/test/zebra/1.png", blue);
        folder.Write("photos/test/Apple/1.png", red);
        folder.Write("photos/readme.txt", "not an image");
        var data = Datasets.ReadInDistribution(folder.Path, options);
        int[] labels = [0, 1, 1], testLabels = [0, 1];
        string[] names = ["Apple", "zebra"];
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.ClassNames, Is.EqualTo(names));
            Assert.That(data.Training.Labels.ToArray(), Is.EqualTo(labels));
            Assert.That(data.Test!.Labels.ToArray(), Is.EqualTo(testLabels));
            Assert.That(data.Training.Width, Is.EqualTo(8), "images of one size up to 64 keep it");
            Assert.That(data.Training.Source(1), Does.EndWith("zebra/10.png"));
            Assert.That(data.Training.Pixels(2)[2], Is.EqualTo(255));
        });
    }

    [Test]
    public void without_parts_every_folder_is_a_class_even_one_called_train()
    {
        using var folder = new TemporaryFolder();
        folder.Write("bus/1.png", red);
        folder.Write("train/1.png", red);
        folder.Write("tram/deep/er/1.png", red);
        var data = Datasets.ReadInDistribution(folder.Path, options);
        string[] names = ["bus", "train", "tram"];
        Assert.That(data.Training.ClassNames, Is.EqualTo(names));
        Assert.That(data.Test, Is.Null);
    }

    [Test]
    public void a_validation_folder_serves_as_test_part_only_where_there_is_no_other()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train", "Val");
        Assert.That(Dataset.Open(folder.Path).Notes, Is.EqualTo((string[])[$"{folder.Path}/Val (2 images) is what is tested on, because there is no folder test."]));
        Assert.That(Datasets.ReadInDistribution(folder.Path, options).Test!.Count, Is.EqualTo(2));
        WriteTwoClasses(folder, "test");
        folder.Write("test/a/2.png", red);
        var data = Datasets.ReadInDistribution(folder.Path, options);
        Assert.That((data.Test!.Count, data.Validation!.Count), Is.EqualTo((3, 2)));
    }

    [Test]
    public void a_validation_folder_beside_a_test_part_chooses_the_epoch_unless_the_recipe_says_otherwise()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "Train", "Test", "Valid");
        folder.Write("Train/a/2.png", red);
        folder.Write("Train/b/2.png", blue);
        var recipe = TinyTraining.Recipe with { Method = "ce", Data = new DataRecipe { InDistribution = folder.Path, ValidationList = true } };
        var unused = TrainingDataReader.Read(recipe with { Data = recipe.Data with { ValidationList = false } });
        var heldOut = TrainingDataReader.Read(recipe with { Data = recipe.Data with { ValidationFraction = 0.5 } });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(TrainingDataReader.Read(recipe).Validation!.Count, Is.EqualTo(2));
            Assert.That(unused.Validation, Is.Null);
            Assert.That(unused.Remarks, Has.One.EqualTo(
                $"The 2 validation images of {folder.Path} are not used; --validation-list true takes them, --validation holds out training images."));
            Assert.That(heldOut.Remarks, Has.One.EqualTo($"The 2 validation images of {folder.Path} are not used: --validation holds out training images instead."));
        }
    }

    [Test]
    public void a_class_list_gives_the_order()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        folder.Write("classes.txt", "0 b 1 the second letter\n1 a 1 the first\n");
        string[] names = ["b", "a"];
        var training = Datasets.ReadInDistribution(folder.Path, options).Training;
        Assert.That(training.ClassNames, Is.EqualTo(names));
        Assert.That(training.Source(0), Does.EndWith("b/1.png"));
    }

    [TestCase("0 a\n1 b\n2 c\n", "disagree about c")]
    [TestCase("0 a\n", "disagree about b")]
    [TestCase("0 a\n0 b\n", "expected each label from 0 to 1 once")]
    [TestCase("0 a\n7 b\n", "expected each label from 0 to 1 once")]
    public void a_class_list_that_does_not_fit_is_refused(string list, string expected)
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        folder.Write("classes.txt", list);
        AssertRefused(folder.Path, expected);
    }

    [Test]
    public void a_test_class_that_is_not_trained_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train", "test");
        var stranger = folder.Write("test/c/1.png", red);
        AssertRefused(folder.Path, $"{stranger} belongs to a class c that has no training images");
    }

    [Test]
    public void an_empty_class_folder_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        Directory.CreateDirectory(Path.Combine(folder.Path, "train", "c"));
        AssertRefused(folder.Path, "class c has no training images");
    }

    [Test]
    public void folders_beside_the_parts_are_left_out_and_named()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train", "test", "val");
        folder.Write("unlabeled/1.png", red);
        var dataset = Dataset.Open(folder.Path);
        string[] names = ["a", "b"];
        Assert.Multiple(() =>
        {
            Assert.That(dataset.ClassNames, Is.EqualTo(names));
            Assert.That(dataset.Notes, Is.EqualTo((string[])[
                $"{folder.Path}/unlabeled (1 images) is not used: training is on train, testing on test, choosing the epoch on val.",
                $"{folder.Path}/val (2 images) holds the validation images, which choose the epoch unless --validation-list is false or --validation holds out others.",
            ]));
        });
    }

    [Test]
    public void a_training_part_with_classes_beside_other_folders_is_asked_for_by_name()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        folder.Write("extra/1.png", red);
        AssertRefused(folder.Path, "holds train, which has folders of classes, and beside it extra; name");
    }

    [Test]
    public void pictures_of_other_kinds_are_counted_and_a_class_of_them_alone_is_missed()
    {
        using var folder = new TemporaryFolder();
        folder.Write("cat/1.png", red);
        folder.Write("cat/2.jfif", red);
        folder.Write("cat/3.JPE", red);
        folder.Write("cat/4.gif", red);
        folder.Write("cat/5.tif", "II*");
        folder.Write("dog/1.tiff", "II*");
        folder.Write("dog/2.heic", "x");
        var dataset = Dataset.Open(folder.Path);
        Assert.That(dataset.Count(Dataset.TrainPart), Is.EqualTo(4));
        Assert.That(dataset.Problems, Has.One.Contains("1 .tif").And.One.Contains("1 .tiff").And.One.Contains("1 .heic"));
        AssertRefused(folder.Path, "class dog has no training images; every class needs one.");
        AssertRefused(folder.Path, "pictures of kinds that are not read");
    }

    [Test]
    public void an_empty_folder_beside_a_single_class_is_a_class_too()
    {
        using var folder = new TemporaryFolder();
        folder.Write("photos/cat/1.png", red);
        Directory.CreateDirectory(Path.Combine(folder.Path, "photos", "dog"));
        AssertRefused(folder.Path, "class dog has no training images");
    }

    [Test]
    public void names_that_differ_in_how_accents_are_written_are_said_to()
    {
        using var folder = new TemporaryFolder();
        folder.Write("train/caf\u00e9/1.png", red);
        folder.Write("train/b/1.png", red);
        folder.Write("test/cafe\u0301/1.png", red);
        AssertRefused(folder.Path, "spelt with other characters");
        folder.Write("train/cafe\u0301/1.png", red);
        AssertRefused(folder.Path, "spelt with different characters");
    }

    [TestCase("0 golden retriever\n1 golden eagle\n", "golden retriever", "golden eagle")]
    [TestCase("0 golden retriever 12\n1 bald eagle 3\n", "golden retriever", "bald eagle")]
    public void the_name_of_a_class_is_the_rest_of_its_line(string list, string first, string second)
    {
        using var folder = new TemporaryFolder();
        folder.Write($"train/{first}/1.png", red);
        folder.Write($"train/{second}/1.png", red);
        folder.Write("classes.txt", list);
        string[] names = [first, second];
        Assert.That(Datasets.ReadInDistribution(folder.Path, options).Training.ClassNames, Is.EqualTo(names));
    }

    [Test]
    public void one_class_is_not_enough()
    {
        using var folder = new TemporaryFolder();
        folder.Write("train/a/1.png", red);
        folder.Write("test/a/1.png", red);
        AssertRefused(folder.Path, "only one class, a");
    }

    [Test]
    public void images_without_class_folders_are_outliers_but_no_classes()
    {
        using var folder = new TemporaryFolder();
        folder.Write("1.png", red);
        folder.Write("more/2.png", blue);
        Assert.That(Datasets.ReadOutliers(folder.Path, options).Count, Is.EqualTo(2));
        AssertRefused(folder.Path, "no classes");
    }

    [Test]
    public void a_folder_without_images_names_the_archives_in_it()
    {
        using var folder = new TemporaryFolder();
        AssertRefused(folder.Path, "holds no images that are read;");
        folder.Write("cifar.tar.gz", "");
        AssertRefused(folder.Path, "cifar.tar.gz");
    }

    [Test]
    public void a_broken_image_stops_the_run_and_is_named_with_what_is_wrong()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        var second = folder.Write("train/b/3.png", "<!DOCTYPE html>");
        folder.Write("train/b/4.png", "");
        AssertRefused(folder.Path, $"{second} is not an image: it begins with the text \"<!DOCTYPE html>\"");
    }

    [Test]
    public void broken_images_are_left_out_and_listed_on_request()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train", "test");
        folder.Write("train/a/0.png", "<html>");
        folder.Write("test/b/2.png", "");
        var data = Datasets.ReadInDistribution(folder.Path, new ReadOptions(SkipBroken: true));
        int[] counts = [1, 1];
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.CountPerClass(), Is.EqualTo(counts));
            Assert.That(data.Test!.CountPerClass(), Is.EqualTo(counts));
            Assert.That(data.Skipped, Has.Count.EqualTo(2));
            Assert.That(data.Skipped[0], Does.Contain("train/a/0.png is not an image"));
            Assert.That(data.Skipped[1], Does.Contain("test/b/2.png is empty"));
            Assert.That(data.Training.Source(0), Does.EndWith("a/1.png"));
        });
    }

    [Test]
    public void a_class_of_which_every_image_is_broken_is_refused_even_then()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        folder.Write("train/b/1.png", "");
        Assert.That(
            () => Datasets.ReadInDistribution(folder.Path, new ReadOptions(SkipBroken: true)),
            Throws.TypeOf<InputException>().With.Message.Contains("class b has no training images left after the broken ones"));
    }

    [Test]
    public void images_of_several_sizes_become_squares_of_32_or_of_the_size_asked_for()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "train");
        folder.Write("train/a/wide.png", TestImages.Plain(90, 30, 255));
        Assert.That(Datasets.ReadInDistribution(folder.Path, options).Training.Width, Is.EqualTo(32));
        Assert.That(Datasets.ReadInDistribution(folder.Path, new ReadOptions(20)).Training.Width, Is.EqualTo(20));
    }

    [Test]
    public void of_outliers_that_are_more_than_wanted_those_that_are_drawn_are_decoded_alone()
    {
        using var folder = new TemporaryFolder();
        WriteTwoClasses(folder, "id/train", "id/test");
        string[] files = [.. Enumerable.Range(10, 20).Select(number => $"outliers/{number}.png")];
        foreach (var (number, file) in files.Index())
        {
            folder.Write(file, TestImages.Plain(8, 8, (byte)(10 * number)));
        }

        var recipe = TinyTraining.Recipe with
        {
            OutlierBatchSize = 2,
            Data = new DataRecipe { InDistribution = $"{folder.Path}/id", Outliers = $"{folder.Path}/outliers", ImageSize = 8, SplitSeed = 3 },
        };
        Recipe few = recipe with { Data = recipe.Data with { MaximumOutliers = 5 } }, skipping = few with { Data = few.Data with { SkipBroken = true } };
        var (all, drawn) = (TrainingDataReader.Read(recipe).Outliers!, TrainingDataReader.Read(few).Outliers!);
        int[] places = [.. Enumerable.Range(0, drawn.Count).Select(image => Array.FindIndex(files, file => drawn.Source(image).EndsWith(file, StringComparison.Ordinal)))];
        Assert.That(SetFingerprint.Of("drawn", drawn), Is.EqualTo(SetFingerprint.Of("drawn", all.Select(places))), "the same images as of all");
        Assert.That(places, Has.Length.EqualTo(5).And.Ordered.And.Not.EqualTo(Enumerable.Range(0, 5)));

        folder.Write(files[Enumerable.Range(0, 20).Except(places).First()], "");
        Assert.That(SetFingerprint.Of("drawn", TrainingDataReader.Read(few).Outliers!), Is.EqualTo(SetFingerprint.Of("drawn", drawn)), "a broken file that is not drawn");
        Assert.That(TrainingDataReader.Read(skipping).Outliers!.Count, Is.EqualTo(5), "drawn of those that are not broken");
        folder.Write(files[places[0]], "");
        Assert.That(() => TrainingDataReader.Read(few), Throws.TypeOf<InputException>().With.Message.Contains(files[places[0]]));
        Assert.That(TrainingDataReader.Read(skipping).Outliers!.Count, Is.EqualTo(5));
    }

    private static void WriteTwoClasses(TemporaryFolder folder, params string[] parts)
    {
        foreach (var part in parts)
        {
            folder.Write($"{part}/a/1.png", red);
            folder.Write($"{part}/b/1.png", blue);
        }
    }

    private static void AssertRefused(string path, string expected) =>
        Assert.That(() => Datasets.ReadInDistribution(path, options), Throws.TypeOf<InputException>().With.Message.Contains(expected));
}
