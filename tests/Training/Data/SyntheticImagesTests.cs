using System.Security.Cryptography;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class SyntheticImagesTests
{
    private static readonly SyntheticOptions Small = new()
    {
        Size = 16,
        LargestClass = 50,
        ImbalanceRatio = 0.1,
        TestPerClass = 4,
        OutlierCount = 60,
        OutOfDistributionCount = 30,
    };

    [Test]
    public void the_training_set_is_long_tailed_and_the_test_set_is_balanced()
    {
        var images = SyntheticImages.Create(1, Small);
        Assert.That(images.Training.CountPerClass(), Is.EqualTo(new LongTailProfile(LongTailShape.Exponential, 0.1).Counts(10, 50)));
        Assert.That(images.Test.CountPerClass(), Has.Length.EqualTo(10).And.All.EqualTo(4));
        Assert.That(images.Training.ClassNames, Is.Unique.And.EqualTo(images.Test.ClassNames));
    }

    [Test]
    public void outliers_and_test_sets_show_no_class()
    {
        var images = SyntheticImages.Create(1, Small);
        Assert.That(images.OutOfDistribution.Select(set => (set.Name, set.Count)), Is.EqualTo(new[] { ("near", 30), ("far", 30) }));
        foreach (var set in images.OutOfDistribution.Prepend(images.Outliers))
        {
            Assert.That(set.Labels.ToArray(), Is.All.EqualTo(ImageSet.NoClass));
            Assert.That((set.Height, set.Width), Is.EqualTo((16, 16)));
        }
    }

    [Test]
    public void the_same_seed_gives_the_same_images_and_another_seed_others()
    {
        var first = Hashes(SyntheticImages.Create(3, Small));
        Assert.That(Hashes(SyntheticImages.Create(3, Small)), Is.EqualTo(first));
        Assert.That(Hashes(SyntheticImages.Create(4, Small)).Intersect(first), Is.Empty);
    }

    [Test]
    public void no_image_occurs_twice() => Assert.That(Hashes(SyntheticImages.Create(5, Small)), Is.Unique);

    [TestCase(0f, false)]
    [TestCase(0.4f, true)]
    public void stripes_show_only_with_contrast(float contrast, bool visible)
    {
        // Image 1 of the test set is of class 1, a striped square; its middle column crosses the stripes.
        var square = SyntheticImages.Create(1, Small with { Noise = 0, Contrast = contrast }).Test.Pixels(1).ToArray();
        var reds = Enumerable.Range(6, 4).Select(row => (int)square[((row * 16) + 8) * 3]).ToArray();
        Assert.That(reds.Max() - reds.Min() > 40, Is.EqualTo(visible));
        Assert.That(visible || reds.Distinct().Count() == 1);
    }

    private static string[] Hashes(SyntheticImages images) =>
    [
        .. images.OutOfDistribution.Concat([images.Training, images.Test, images.Outliers])
            .SelectMany(set => Enumerable.Range(0, set.Count).Select(image => Convert.ToHexString(SHA256.HashData(set.Pixels(image))))),
    ];
}
