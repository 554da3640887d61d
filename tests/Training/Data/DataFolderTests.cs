using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Data;

public sealed class DataFolderTests
{
    [Test]
    public void a_folder_of_stand_ins_serves_both_presets([ValueSource(typeof(ImageData), nameof(ImageData.All))] ImageData images)
    {
        var ten = DataFolder.FindCifar10(images.Folder);
        var hundred = DataFolder.FindCifar100(images.Folder);
        Assert.Multiple(() =>
        {
            Assert.That(Path.GetFileName(ten.InDistribution), Is.EqualTo("cifar10-lt-jpeg.tar.gz"));
            Assert.That(Path.GetFileName(ten.Outliers), Is.EqualTo("oe-train-jpeg.tar.gz"));
            Assert.That(Path.GetFileName(ten.OutOfDistribution), Is.EqualTo("scood-ood-test.tar.gz"));
            Assert.That(ten.OverlappingSets, Is.Empty);
            Assert.That(Path.GetFileName(hundred.InDistribution), Is.EqualTo("tin100-lt-jpeg.tar.gz"));
            Assert.That(hundred.OverlappingSets, Has.Count.EqualTo(1).And.Contains("tin"));
        });
    }

    [Test]
    public void published_files_go_before_the_stand_ins()
    {
        using var folder = new TemporaryFolder();
        string[] files =
        [
            "cifar-100-python/train", "tin100-lt-jpeg.tar.gz", "tinyimages80m/300K_random_images.npy", "oe-train-jpeg.tar.gz",
            "data/imglist/benchmark_cifar100/test_svhn.txt", "scood-ood-test.tar.gz",
        ];
        foreach (var file in files)
        {
            folder.Write(file, "");
        }

        var found = DataFolder.FindCifar100(folder.Path);
        string[] paths = [found.InDistribution, found.Outliers!, found.OutOfDistribution];
        string[] expected = ["cifar-100-python", "tinyimages80m/300K_random_images.npy", "data/imglist/benchmark_cifar100"];
        Assert.That(paths.Select(path => Path.GetRelativePath(folder.Path, path)), Is.EqualTo(expected));
        Assert.That(found.OverlappingSets, Is.Empty);
    }

    [Test]
    public void imagenets_lists_and_images_lie_apart()
    {
        using var folder = new TemporaryFolder();
        folder.Write("ImageNet_LT/ImageNet_LT_train.txt", "");
        folder.Write("imagenet/train/n01440764/a.JPEG", "");
        folder.Write("imagenet_extra_1k/n00004475/a.JPEG", "");
        Assert.That(() => DataFolder.FindImageNet(folder.Path), Throws.TypeOf<InputException>().With.Message.Contains("looked for imagenet_ood_test_1k"));
        folder.Write("imagenet_ood_test_1k/n00006484/a.JPEG", "");
        var found = DataFolder.FindImageNet(folder.Path);
        string[] paths = [found.InDistribution, found.Root!, found.Outliers!, found.OutOfDistribution];
        Assert.That(
            paths.Select(path => Path.GetRelativePath(folder.Path, path)),
            Is.EqualTo((string[])["ImageNet_LT/ImageNet_LT_train.txt", "imagenet", "imagenet_extra_1k", "imagenet_ood_test_1k"]));
        Assert.That(Presets.InFolder(Presets.Find("imagenet-lt-paper").Recipe, folder.Path).Data.Root, Is.EqualTo(Path.Combine(folder.Path, "imagenet")));
    }

    [Test]
    public void what_was_looked_for_is_listed()
    {
        using var folder = new TemporaryFolder();
        Assert.That(() => DataFolder.FindCifar10(folder.Path), Throws.TypeOf<InputException>().With.Message.Contains("looked for cifar-10-batches-bin"));
        Assert.That(() => DataFolder.FindCifar10("nowhere"), Throws.TypeOf<InputException>().With.Message.Contains("nowhere does not exist"));
    }
}
