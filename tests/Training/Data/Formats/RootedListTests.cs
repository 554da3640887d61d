using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Data.Formats;

/// <summary>Lists whose images lie elsewhere, as ImageNet-LT, Places-LT, iNaturalist and OpenOOD publish them.</summary>
public sealed class RootedListTests
{
    private readonly TemporaryFolder lists = new();
    private readonly TemporaryFolder images = new();

    [SetUp]
    public void Images()
    {
        foreach (var name in new[] { "train/n1/a.JPEG", "train/n1/b.JPEG", "train/n2/c.JPEG", "train/n2/d.JPEG", "val/e.JPEG", "val/f.JPEG", "unused/x.JPEG" })
        {
            images.Write(name, TestImages.Plain(8, 8, (byte)name[^6]));
        }

        lists.Write("ImageNet_LT_train.txt", "train/n1/a.JPEG 0\ntrain/n1/b.JPEG 0\ntrain/n2/c.JPEG 1\n");
        lists.Write("ImageNet_LT_val.txt", "train/n2/d.JPEG 1\n");
        lists.Write("ImageNet_LT_test.txt", "val/e.JPEG 0\nval/f.JPEG 1\n");
    }

    [TearDown]
    public void Remove()
    {
        lists.Dispose();
        images.Dispose();
    }

    [TestCase("ImageNet_LT_train.txt")]
    [TestCase("")]
    public void a_list_has_its_images_below_the_root_and_the_other_parts_beside_it(string name)
    {
        var read = Datasets.ReadInDistribution(Path.Combine(lists.Path, name), Below);
        Assert.That(read.Training.Labels.ToArray() is [0, 0, 1]);
        Assert.That(Reds(read.Training), Is.EqualTo("abc"));
        Assert.That(Reds(read.Validation!), Is.EqualTo("d"), "validation and test are different lists");
        Assert.That(Reds(read.Test!), Is.EqualTo("ef"));
        Assert.That(read.Training.Source(2), Is.EqualTo(Path.Combine(images.Path, "train/n2/c.JPEG")));
    }

    [Test]
    public void the_validation_list_chooses_the_epoch_where_the_recipe_says_so()
    {
        var recipe = TinyTraining.Recipe with
        {
            Method = "ce",
            Data = new DataRecipe { InDistribution = Path.Combine(lists.Path, "ImageNet_LT_train.txt"), Root = images.Path, ImageSize = 8, ValidationList = true },
        };
        Assert.That(TrainingDataReader.Read(recipe).Validation?.Count, Is.EqualTo(1));

        var earlier = TrainingDataReader.Read(recipe with { Data = recipe.Data with { ValidationList = false } });
        Assert.That(earlier.Validation, Is.Null);
        Assert.That(earlier.Remarks, Has.Some.Contains("--validation-list true"));
    }

    [Test]
    public void a_root_that_moved_has_the_same_fingerprint()
    {
        using var elsewhere = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(images.Path, "*", SearchOption.AllDirectories))
        {
            elsewhere.Write(Path.GetRelativePath(images.Path, file), File.ReadAllBytes(file));
        }

        Assert.That(Of(elsewhere.Path).HasFilesOf(Of(images.Path)));
        Assert.That(
            Of(elsewhere.Path).Lists,
            Is.EqualTo(Of(images.Path).Lists).And.EquivalentTo(Directory.EnumerateFiles(lists.Path, "ImageNet_LT_*.txt").Select(file =>
                new ListFingerprint(Path.GetFileName(file), Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))))));

        DataFingerprint Of(string root)
        {
            var data = new DataRecipe { InDistribution = Path.Combine(lists.Path, "ImageNet_LT_train.txt"), Root = root, ImageSize = 8 };
            return DataFingerprint.Of(TrainingDataReader.Read(TinyTraining.Recipe with { Method = "ce", Data = data }), data.Place, 0);
        }
    }

    [Test]
    public void a_list_of_openood_and_a_list_of_folders_are_images_without_classes()
    {
        var ood = Datasets.ReadOutOfDistribution("x", lists.Write("test_x.txt", "val/e.JPEG -1\nunused/x.JPEG -1\n"), Below).Single();
        Assert.That((Reds(ood), ood.ClassCount), Is.EqualTo(("ex", 0)));

        var outliers = Datasets.ReadOutliers(lists.Write("imagenet_extra_1k_wnid_list.txt", "train/n2\nunused\n"), Below);
        Assert.That(Reds(outliers), Is.EqualTo("cdx"));
    }

    [Test]
    public void annotations_of_inaturalist_are_lists()
    {
        var path = lists.Write("train2018.json", """
            {"info": {}, "images": [{"id": 7, "file_name": "train/n2/c.JPEG"}, {"id": 3, "file_name": "train/n1/a.JPEG"}],
             "annotations": [{"id": 0, "image_id": 3, "category_id": 40}, {"id": 1, "image_id": 7, "category_id": 8}],
             "categories": [{"id": 40, "name": "Parus major"}, {"id": 8, "name": "Apis mellifera"}]}
            """);
        lists.Write("val2018.json", """
            {"images": [{"id": 1, "file_name": "val/e.JPEG"}], "annotations": [{"image_id": 1, "category_id": 40}],
             "categories": [{"id": 40, "name": "Parus major"}, {"id": 8, "name": "Apis mellifera"}]}
            """);
        lists.Write("test2018.json", """{"images": [{"id": 1, "file_name": "val/f.JPEG"}]}""");
        var read = Datasets.ReadInDistribution(path, Below);
        Assert.That(read.Training.ClassNames is ["Apis mellifera", "Parus major"]);
        Assert.That((Reds(read.Training), read.Training.Labels[0], read.Training.Labels[1]), Is.EqualTo(("ca", 0, 1)));
        Assert.That((Reds(read.Test!), read.Validation), Is.EqualTo(("e", (ImageSet?)null)), "what is not annotated tests nothing");
        Assert.That(Dataset.Open(path, Below.Root).Lists.Select(list => list.File), Is.EqualTo((string[])["train2018.json", "val2018.json"]));
    }

    [TestCase("train/n1/a.JPEG 0\ntrain/n9/y.JPEG 1\ntrain/n9/z.JPEG 1\n", "line 2, names train/n9/y.JPEG", "1 others of the 3 images", "--root")]
    [TestCase("train/n1/a.JPEG 0\ntrain/n1/b.JPEG 2\ntrain/n2/c.JPEG 2\n", "class class 1 has no training images", "every class needs one", "")]
    [TestCase("train/n1/a.JPEG 0\ntrain/n1/b.JPEG 7\n", "labels up to 7 but only 2 images", "", "")]
    [TestCase("train/n1/a.JPEG 0\ntrain/n1/b.JPEG -3\ntrain/n2/c.JPEG -2\n", "line 2, has label -3", "So have 1 other lines", "")]
    [TestCase("nothing\nof the kind\n", "holds no list of images", "", "")]
    public void a_list_that_does_not_fit_is_refused_with_number_and_first_example(string list, string first, string second, string third) => Assert.That(
        () => Datasets.ReadInDistribution(lists.Write("photos_train.txt", list), Below),
        Throws.TypeOf<InputException>().With.Message.Contains(first).And.Message.Contains(second).And.Message.Contains(third));

    [Test]
    public void test_labels_out_of_range_are_counted()
    {
        lists.Write("ImageNet_LT_test.txt", "val/e.JPEG 5\nval/f.JPEG 6\n");
        Assert.That(
            () => Datasets.ReadInDistribution(Path.Combine(lists.Path, "ImageNet_LT_train.txt"), Below),
            Throws.TypeOf<InputException>().With.Message.Contains("line 1, has label 5; expected 0 to 1").And.Message.Contains("So have 1 other lines"));
    }

    [TestCase("""{"images": [{"id": 1, "file_name": "val/e.JPEG"}], "annotations": [], "categories": []}""", "no annotation of image 1")]
    [TestCase("""{"images": [{"id": 1}], "annotations": [], "categories": []}""", "cannot be read as annotations")]
    [TestCase("""{"images": [], "annotations": [{"image_id": 1, "category_id": 4}], "categories": []}""", "category 4, which is none of its 0 categories")]
    [TestCase("{\"images\": [", "cannot be read as annotations")]
    public void broken_annotations_are_refused(string json, string expected) => Assert.That(
        () => Datasets.ReadInDistribution(lists.Write("train2018.json", json), Below), Throws.TypeOf<InputException>().With.Message.Contains(expected));

    [Test]
    public void a_list_without_a_root_and_a_root_without_a_list_are_refused()
    {
        var path = Path.Combine(lists.Path, "ImageNet_LT_train.txt");
        Assert.That(() => Datasets.ReadInDistribution(path, new ReadOptions(8)), Throws.TypeOf<InputException>().With.Message.Contains("--root"));
        Assert.That(() => Datasets.ReadInDistribution(path, new ReadOptions(8) { Root = "nowhere" }), Throws.TypeOf<InputException>().With.Message.Contains("nowhere does not exist"));
        var recipe = TinyTraining.Recipe with { Method = "ce", Data = new DataRecipe { InDistribution = Path.Combine(images.Path, "train"), Root = images.Path } };
        Assert.That(() => TrainingDataReader.Read(recipe), Throws.TypeOf<InputException>().With.Message.Contains("none of the data sets is a list"));
    }

    [Test]
    public void a_list_is_checked_below_its_root()
    {
        var list = Path.Combine(lists.Path, "ImageNet_LT_train.txt");
        var check = DatasetCheck.Run(list, images.Path);
        Assert.That((check.Format, check.Parts[0].Images.Count), Is.EqualTo(("lists of image paths and labels", 3)));
        var (code, _, error) = PasclProgram.Run($"data check {list} {images.Path} --root {images.Path}");
        Assert.That((code, error), Is.EqualTo((2, "--root says where the paths of one list start from; check one PATH with it.\n")));
    }

    private ReadOptions Below => new(8) { Root = images.Path };

    // The red of every image is the letter of its name.
    private static string Reds(ImageSet set) => string.Concat(Enumerable.Range(0, set.Count).Select(i => (char)set.Pixels(i)[0]));
}
