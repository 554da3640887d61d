using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class DatasetsOnRealDataTests
{
    private static readonly ReadOptions options = new();

    [Test]
    public void the_long_tailed_cifar10_archive_has_the_published_profile()
    {
        var data = Datasets.ReadInDistribution(Archive("cifar10-lt-jpeg"), options);
        int[] profile = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50];
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.CountPerClass(), Is.EqualTo(profile));
            Assert.That(data.Test!.CountPerClass(), Is.All.EqualTo(1000));
            Assert.That(data.Training.ClassNames[9], Is.EqualTo("truck"));
            Assert.That((data.Training.Width, data.Training.Height), Is.EqualTo((32, 32)));
            Assert.That(data.Training.Source(0), Does.EndWith("cifar10-lt-jpeg.tar.gz: train/airplane/0000.jpg"));
        });
    }

    [Test]
    public void a_profile_does_not_change_data_that_follows_it_already()
    {
        var training = Datasets.ReadInDistribution(Archive("cifar10-lt-jpeg"), options).Training;
        var subset = new LongTailProfile(LongTailShape.Exponential, 0.01).Apply(training);
        Assert.That(Enumerable.Range(0, subset.Count).Select(subset.Source), Is.EqualTo(Enumerable.Range(0, training.Count).Select(training.Source)));
        Assert.That(
            () => new LongTailProfile(LongTailShape.Exponential, 0.1).Apply(training),
            Throws.TypeOf<InputException>().With.Message.Contains("asks for 3871 images of class automobile").And.Message.Contains("has 2997"));
    }

    [Test]
    public void a_list_of_classes_gives_their_order()
    {
        var classes = Datasets.ReadInDistribution(Archive("tin100-lt-jpeg"), options).Training;
        Assert.Multiple(() =>
        {
            Assert.That(classes.CountPerClass(), Is.EqualTo(new LongTailProfile(LongTailShape.Exponential, 0.01).Counts(100, 500)));
            Assert.That(classes.ClassNames[1], Is.EqualTo("n01742172"));
        });
    }

    [Test]
    public void list_files_name_the_images_of_both_parts()
    {
        var data = Datasets.ReadInDistribution(Archive("scenes128-lt-jpeg"), options);
        int[] profile = [200, 129, 83, 54, 35, 22, 14, 9, 6, 4];
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.CountPerClass(), Is.EqualTo(profile));
            Assert.That(data.Test!.CountPerClass(), Is.All.EqualTo(30));
            Assert.That(data.Training.ClassNames[1], Is.EqualTo("bamboo_forest"));
            Assert.That(data.Training.Width, Is.EqualTo(32));
            Assert.That(Datasets.ReadInDistribution(Archive("scenes128-lt-jpeg"), new ReadOptions(128)).Training.Width, Is.EqualTo(128));
        });
    }

    [Test]
    public void outliers_lose_their_classes()
    {
        var outliers = Datasets.ReadOutliers(Archive("oe-train-jpeg"), options);
        Assert.Multiple(() =>
        {
            Assert.That(outliers.Count, Is.EqualTo(29_918));
            Assert.That(outliers.ClassCount, Is.Zero);
            Assert.That(outliers.Labels.ToArray(), Is.All.EqualTo(ImageSet.NoClass));
        });
    }

    [Test]
    [NonParallelizable] // Its figure is time, and a neighbour on the same core takes some.
    public void a_core_decodes_at_least_10_000_small_jpeg_images_a_second()
    {
        var before = Environment.CpuUsage.TotalTime;
        var images = Datasets.ReadOutliers(Archive("oe-train-jpeg"), options);
        var perSecond = images.Count / (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        Assert.That(perSecond, Is.GreaterThan(10_000), "images per second of processor time, the archive's decompression included");
    }

    [Test]
    public void one_archive_gives_every_scood_set_and_keeps_labels_of_in_distribution_images()
    {
        var sets = Datasets.ReadOutOfDistribution(null, Archive("scood-ood-test"), options);
        string[] expected = ["cifar100 916 0", "lsun_substitute 900 0", "places365 1640 0", "svhn 1083 0", "texture 1200 0", "tin 2200 200"];
        Assert.That(sets.Select(set => $"{set.Name} {set.Count} {set.CountPerClass().Sum()}"), Is.EqualTo(expected));
    }

    [Test]
    public void a_folder_inside_an_archive_is_a_data_set_of_its_own()
    {
        var set = Datasets.ReadOutOfDistribution(null, Path.Combine(Archive("scood-ood-test"), "data/images/svhn"), options).Single();
        Assert.That((set.Name, set.Count), Is.EqualTo(("svhn", 1083)));
    }

    private static string Archive(string name) => Path.Combine(Repository.Data, $"{name}.tar.gz");
}
