using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using SkiaSharp;

namespace Pascl.Tests.Training.Data;

/// <summary>Whole archives of the kinds that people train and test on.</summary>
[TestFixtureSource(typeof(ImageData), nameof(ImageData.All))]
public sealed class DatasetArchivesTests(ImageData images)
{
    private static readonly ReadOptions options = new();

    [Test]
    public void the_long_tailed_cifar10_archive_has_its_profile()
    {
        var data = Datasets.ReadInDistribution(images.Archive("cifar10-lt-jpeg"), options);
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.CountPerClass(), Is.EqualTo(images.TenCounts));
            Assert.That(data.Test!.CountPerClass(), Has.Length.EqualTo(10).And.All.EqualTo(images.TenTestPerClass));
            Assert.That(data.Training.ClassNames[9], Is.EqualTo("truck"));
            Assert.That((data.Training.Width, data.Training.Height), Is.EqualTo((32, 32)));
            Assert.That(data.Training.Source(0), Does.EndWith("cifar10-lt-jpeg.tar.gz: train/airplane/0000.jpg"));
        });
    }

    [Test]
    public void a_profile_does_not_change_data_that_follows_it_already()
    {
        var training = Datasets.ReadInDistribution(images.Archive("cifar10-lt-jpeg"), options).Training;
        var subset = new LongTailProfile(LongTailShape.Exponential, 0.01).Apply(training);
        Assert.That(Enumerable.Range(0, subset.Count).Select(subset.Source), Is.EqualTo(Enumerable.Range(0, training.Count).Select(training.Source)));
        Assert.That(
            () => new LongTailProfile(LongTailShape.Exponential, 0.1).Apply(training),
            Throws.TypeOf<InputException>()
                .With.Message.Contains($"asks for {images.SecondClassAtTenth} images of class automobile").And.Message.Contains($"has {images.TenCounts[1]}"));
    }

    [Test]
    public void a_list_of_classes_gives_their_order()
    {
        var classes = Datasets.ReadInDistribution(images.Archive("tin100-lt-jpeg"), options).Training;
        var (ratio, count, largest) = images.ListedProfile;
        Assert.Multiple(() =>
        {
            Assert.That(classes.CountPerClass(), Is.EqualTo(new LongTailProfile(LongTailShape.Exponential, ratio).Counts(count, largest)));
            Assert.That(classes.ClassNames[1], Is.EqualTo(images.SecondListedClass));
        });
    }

    [Test]
    public void list_files_name_the_images_of_both_parts()
    {
        var data = Datasets.ReadInDistribution(images.Archive("scenes128-lt-jpeg"), options);
        Assert.Multiple(() =>
        {
            Assert.That(data.Training.CountPerClass(), Is.EqualTo(images.SceneCounts));
            Assert.That(data.Test!.CountPerClass(), Has.Length.EqualTo(images.SceneCounts.Length).And.All.EqualTo(images.ScenesPerClassInValidation));
            Assert.That(data.Training.ClassNames[1], Is.EqualTo(images.SecondScene));
            Assert.That(data.Training.Width, Is.EqualTo(32));
            Assert.That(Datasets.ReadInDistribution(images.Archive("scenes128-lt-jpeg"), new ReadOptions(128)).Training.Width, Is.EqualTo(128));
        });
    }

    [Test]
    public void outliers_lose_their_classes()
    {
        var outliers = Datasets.ReadOutliers(images.Archive("oe-train-jpeg"), options);
        Assert.Multiple(() =>
        {
            Assert.That(outliers.Count, Is.EqualTo(images.OutlierCount));
            Assert.That(outliers.ClassCount, Is.Zero);
            Assert.That(outliers.Labels.ToArray(), Is.All.EqualTo(ImageSet.NoClass));
        });
    }

    [Test]
    public void reading_small_jpeg_images_takes_less_than_three_times_the_work_of_decoding_them()
    {
        const int Least = 3000;
        var archive = images.Archive("oe-train-jpeg");
        var rounds = (Least + images.OutlierCount - 1) / images.OutlierCount;
        var tree = FileTree.Open(archive);
        byte[][] files = [.. tree.Files.Where(file => file.EndsWith(".JPEG", StringComparison.Ordinal)).Select(file => tree.Read(file).ToArray())];

        var ratio = ProcessorTime.Ratio(
            Repeated(() => Datasets.ReadOutliers(archive, options)), Repeated(() => Array.ForEach(files, file => SKBitmap.Decode(file).Dispose())));
        Assert.That(files, Has.Length.EqualTo(images.OutlierCount));
        Assert.That(ratio, Is.LessThan(3), "the archive's decompression included");

        Action Repeated(Action work) => () =>
        {
            for (var round = 0; round < rounds; round++)
            {
                work();
            }
        };
    }

    [Test]
    public void one_archive_gives_every_scood_set_and_keeps_labels_of_in_distribution_images()
    {
        var sets = Datasets.ReadOutOfDistribution(null, images.Archive("scood-ood-test"), options);
        Assert.That(sets.Select(set => (set.Name, set.Count, set.CountPerClass().Sum())), Is.EqualTo(images.TestSets));
    }

    [Test]
    public void a_folder_inside_an_archive_is_a_data_set_of_its_own()
    {
        var set = Datasets.ReadOutOfDistribution(null, Path.Combine(images.Archive("scood-ood-test"), "data/images/svhn"), options).Single();
        Assert.That((set.Name, set.Count), Is.EqualTo(("svhn", images.TestSets.Single(expected => expected.Name == "svhn").Count)));
    }
}
