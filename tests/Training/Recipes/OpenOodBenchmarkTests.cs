using Pascl.Tests.Training.Data.Formats;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Recipes;

/// <summary>The benchmarks of OpenOOD v1.5 in a folder that is laid out as its download script does it.</summary>
public sealed class OpenOodBenchmarkTests
{
    private TemporaryFolder folder = null!;

    [SetUp]
    public void Prepare()
    {
        folder = new TemporaryFolder();
        OpenOodFolder.Write(folder);
    }

    [TearDown]
    public void Delete() => folder.Dispose();

    [Test]
    public void sets_have_their_groups_lists_and_folders_and_shifted_ones_that_are_not_there_are_said()
    {
        var (benchmark, data) = OpenOodBenchmark.Parse($"cifar10={folder.Path}");
        var notes = new List<string>();
        var sets = benchmark.In(data, notes.Add);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sets.Select(set => set.Name), Is.EqualTo((string[])["cifar100", "tin", "mnist", "svhn", "texture", "places365", "cifar10c"]));
            Assert.That(sets.Select(set => set.Group), Is.EqualTo((SetGroup?[])[SetGroup.Near, SetGroup.Near, SetGroup.Far, SetGroup.Far, SetGroup.Far, SetGroup.Far, SetGroup.Shift]));
            Assert.That(sets[0].Path, Is.EqualTo($"{folder.Path}/benchmark_imglist/cifar10/test_cifar100.txt"));
            Assert.That(sets.Select(set => set.Root), Is.All.EqualTo($"{folder.Path}/images_classic"));
            Assert.That(notes, Is.Empty);
        }

        File.Delete(Path.Combine(folder.Path, "images_classic/cifar10c/0.png"));
        Assert.That(benchmark.In(data, notes.Add), Has.Count.EqualTo(6));
        Assert.That(notes.Single(), Does.Contain("cifar10c").And.Contain("full spectrum"));
    }

    [Test]
    public void a_list_that_is_missing_is_named()
    {
        File.Delete(Path.Combine(folder.Path, "benchmark_imglist/cifar10/test_svhn.txt"));
        var (benchmark, data) = OpenOodBenchmark.Parse($"cifar10={folder.Path}");
        Assert.That(() => benchmark.In(data, _ => { }), Throws.TypeOf<InputException>().With.Message.Contains("test_svhn.txt does not exist"));
    }

    [TestCase("cifar100", "cifar10,tin", "mnist,svhn,texture,places365", "")]
    [TestCase("imagenet200", "ssb_hard,ninco", "inaturalist,textures,openimage_o", "imagenet_v2,imagenet_c,imagenet_r")]
    [TestCase("imagenet", "ssb_hard,ninco", "inaturalist,textures,openimage_o", "imagenet_v2,imagenet_c,imagenet_r,imagenet_es")]
    public void the_groups_are_those_of_openood(string name, string near, string far, string shifted)
    {
        var sets = OpenOodBenchmark.All.Single(benchmark => benchmark.Name == name).Sets.ToLookup(set => set.Group, set => set.Name);
        Assert.That(
            (string.Join(',', sets[SetGroup.Near]), string.Join(',', sets[SetGroup.Far]), string.Join(',', sets[SetGroup.Shift])), Is.EqualTo((near, far, shifted)));
    }

    [Test]
    public void lists_that_begin_with_the_part_are_read_as_training_validation_and_test_images()
    {
        var (list, root) = OpenOodBenchmark.Parse($"cifar10={folder.Path}").Benchmark.InDistribution(folder.Path);
        var read = Datasets.ReadInDistribution(list, new ReadOptions(8) { Root = root });
        Assert.That((read.Training.Count, read.Validation!.Count, read.Test!.Count), Is.EqualTo((6, 2, 4)));
    }

    [Test]
    public void shifted_images_have_the_classes_of_the_run_by_name_or_number()
    {
        var root = Path.Combine(folder.Path, "images_classic");
        string[] names = ["ape", "bat"];
        var dataset = Pascl.Training.Data.Formats.Dataset.Open($"{folder.Path}/benchmark_imglist/cifar10/test_cifar10c.txt", root);
        var read = Datasets.ShiftedOf(dataset, "c", "list", names, new ReadOptions(8), []);
        Assert.That(read.ClassNames, Is.EqualTo(names));
        Assert.That(read.Labels.ToArray(), Is.EqualTo((int[])[0, 1, 1]));
        folder.Write("sketches/bat/a.png", TestImages.Plain(8, 8, 9));
        folder.Write("sketches/cow/a.png", TestImages.Plain(8, 8, 9));
        dataset = Pascl.Training.Data.Formats.Dataset.Open(Path.Combine(folder.Path, "sketches"));
        Assert.That(() => Datasets.ShiftedOf(dataset, "c", "sketches", names, new ReadOptions(8), []), Throws.TypeOf<InputException>().With.Message.Contains("cow is none of them"));
    }
}

/// <summary>A folder of OpenOOD's data for the benchmark <c>cifar10</c>, with two classes and a few images of each set.</summary>
internal static class OpenOodFolder
{
    public static void Write(TemporaryFolder folder)
    {
        List("train_cifar10", "cifar10/train", 0, 0, 0, 0, 1, 1);
        List("val_cifar10", "cifar10/val", 0, 1);
        List("test_cifar10", "cifar10/test", 0, 1, 0, 1);
        foreach (var name in (string[])["cifar100", "tin", "mnist", "svhn", "texture", "places365"])
        {
            List($"test_{name}", name, -1, -1, -1);
        }

        List("test_cifar10c", "cifar10c", 0, 1, 1);

        void List(string list, string images, params int[] labels)
        {
            folder.Write($"benchmark_imglist/cifar10/{list}.txt", string.Concat(labels.Select((label, i) => $"{images}/{i}.png {label}\n")));
            foreach (var (i, label) in labels.Index())
            {
                var grey = (byte)((90 * (label + 1)) + (7 * i) + images.Length);
                folder.Write($"images_classic/{images}/{i}.png", TestImages.Plain(8, 8, grey, grey, grey));
            }
        }
    }
}
