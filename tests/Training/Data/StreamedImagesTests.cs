using Pascl.Kernels;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Training;
using Pascl.Training.Data;
using TorchSharp;

namespace Pascl.Tests.Training.Data;

/// <summary>Images that are decoded whenever they are wanted, beside the same images in memory.</summary>
public sealed class StreamedImagesTests
{
    private const int Size = 24;

    private static readonly BatchPlan Plan = new()
    {
        BatchSize = 3,
        Views = 2,
        Seed = 5,
        Crop = RandomResizedCrop.Photographs,
        Augmentation = AugmentationSettings.Photographs,
    };

    private static ImageSet Scenes(bool isStreamed, ImageGeometry? geometry = null) => Datasets.ReadInDistribution(
        Path.Combine(Repository.Samples, "scenes128-lt-jpeg.tar.gz"), Options(isStreamed) with { Geometry = geometry ?? ImageGeometry.Photographs }).Training;

    private static ReadOptions Options(bool isStreamed) => new(Size) { MemoryLimit = isStreamed ? 0 : null, Geometry = ImageGeometry.Photographs };

    [Test]
    public void streamed_images_are_those_in_memory()
    {
        foreach (var geometry in new[] { ImageGeometry.SmallImages, ImageGeometry.Photographs })
        {
            var (streamed, held) = (Scenes(isStreamed: true, geometry), Scenes(isStreamed: false, geometry));
            Assert.That((streamed.IsStreamed, held.IsStreamed), Is.EqualTo((true, false)));
            Assert.That(streamed.ReasonToStream, Does.Contain("quarter of the free memory"));
            Assert.That(streamed.Labels.ToArray(), Is.EqualTo(held.Labels.ToArray()));
            for (var i = 0; i < held.Count; i++)
            {
                Assert.That(streamed.Source(i), Is.EqualTo(held.Source(i)));
                Assert.That(streamed.Pixels(i).SequenceEqual(held.Pixels(i)), streamed.Source(i));
            }

            Assert.That(streamed.PixelHashes, Is.EqualTo(held.PixelHashes));
            Assert.That(Values(EvaluationBatches.Of(streamed.Select([3, 1, 5, 0, 6]), 2)), Is.EqualTo(Values(EvaluationBatches.Of(held.Select([3, 1, 5, 0, 6]), 2))));
        }
    }

    [TestCase(true)]
    [TestCase(false)]
    public void batches_are_fixed_by_the_seed_whatever_the_number_of_threads(bool isStreamed)
    {
        var images = Scenes(isStreamed);
        var one = Epoch(images, Plan);
        Assert.That(Epoch(images, Plan with { Workers = 3 }), Is.EqualTo(one));
        Assert.That(Epoch(images, Plan with { Seed = 6 }), Is.Not.EqualTo(one));
        using var resumed = new BatchLoader(images, null, Plan);
        Assert.That(Values(resumed.Epoch(2, firstStep: 1)), Is.EqualTo(one[(one.Length / 2)..]));
    }

    [Test]
    public void the_views_of_an_image_do_not_depend_on_each_other()
    {
        var images = Scenes(isStreamed: true);
        using var views = new HostViews(images, Plan);
        views.Begin([2, 0, 4]);
        using var together = torch.empty(6, Size, Size, 3);
        using var alone = torch.empty(3, Size, Size, 3);
        views.MakeAll(0, 1, RandomStream.FirstView, 2, together);
        views.Make(0, 1, RandomStream.FirstView + 1, alone);
        Assert.That(together.narrow(0, 3, 3).data<float>().ToArray(), Is.EqualTo(alone.data<float>().ToArray()));
        Assert.That(together.narrow(0, 0, 3).data<float>().ToArray(), Is.Not.EqualTo(alone.data<float>().ToArray()));
    }

    [Test]
    public void training_that_cuts_parts_out_of_whole_images_leaves_files_where_they_are()
    {
        var read = Datasets.ReadInDistribution(Path.Combine(Repository.Samples, "scenes128-lt-jpeg.tar.gz"), new ReadOptions(Size) { NeedsWholeImages = true });
        Assert.That((read.Training.ReasonToStream, read.Test!.ReasonToStream), Is.EqualTo(("training cuts parts out of whole images", (string?)null)));
    }

    [Test]
    public void a_file_that_breaks_later_stops_the_run_by_its_name()
    {
        using var folder = Folder();
        var images = Datasets.ReadInDistribution(folder.Path, Options(isStreamed: true)).Training;
        var broken = Path.Combine(folder.Path, "b", "1.png");
        File.WriteAllBytes(broken, File.ReadAllBytes(broken)[..60]);
        Expect(() => Epoch(images, Plan));
        Expect(() => Values(EvaluationBatches.Of(images, 4)));

        void Expect(Action read) => Assert.That(read, Throws.TypeOf<InputException>().With.Message.Contains(broken).And.Message.Contains("--skip-broken"));
    }

    [Test]
    public void a_broken_header_is_found_at_the_start_and_a_broken_picture_where_broken_ones_are_left_out()
    {
        using var folder = Folder();
        var whole = File.ReadAllBytes(Path.Combine(folder.Path, "a", "0.png"));
        File.WriteAllBytes(Path.Combine(folder.Path, "b", "0.png"), whole[..20]);
        Assert.That(() => Datasets.ReadInDistribution(folder.Path, Options(isStreamed: true)), Throws.TypeOf<InputException>().With.Message.Contains("0.png begins like an image"));

        File.WriteAllBytes(Path.Combine(folder.Path, "b", "0.png"), whole[..^40]);
        var read = Datasets.ReadInDistribution(folder.Path, Options(isStreamed: true) with { SkipBroken = true });
        Assert.That(read.Skipped, Has.Count.EqualTo(1));
        Assert.That(read.Training.CountPerClass() is [3, 2]);
    }

    [Test]
    public void the_fingerprint_of_streamed_images_is_of_their_files_and_known_again_in_memory()
    {
        using var folder = Folder();
        var (streamed, held) = (Fingerprint(isStreamed: true), Fingerprint(isStreamed: false));
        Assert.That((streamed.Pixels, streamed.Files), Is.EqualTo(("", held.Files)));
        Assert.That(streamed.IsSameAs(held) && held.IsSameAs(streamed));
        Assert.That(streamed.IsSameAs(held with { Files = null }), "of an earlier version only the number can be compared");

        File.Copy(Path.Combine(folder.Path, "a", "1.png"), Path.Combine(folder.Path, "a", "0.png"), overwrite: true);
        Assert.That(streamed.IsSameAs(Fingerprint(isStreamed: true)), Is.False);
        Assert.That(streamed.IsSameAs(Fingerprint(isStreamed: false)), Is.False);
        Assert.That(held.IsSameAs(Fingerprint(isStreamed: true)), Is.False);

        SetFingerprint Fingerprint(bool isStreamed) => SetFingerprint.Of("training", Datasets.ReadInDistribution(folder.Path, Options(isStreamed)).Training);
    }

    [Test]
    public void images_that_a_streamed_set_shares_with_one_in_memory_are_found()
    {
        var (streamed, held) = (Scenes(isStreamed: true).Named("streamed"), Scenes(isStreamed: false).Named("held"));
        Assert.That(SharedImages.Find([streamed, held]).Single(), Is.EqualTo(SharedImages.Find([Scenes(isStreamed: false).Named("streamed"), held]).Single()));
    }

    private static float[] Epoch(ImageSet images, BatchPlan plan)
    {
        using var loader = new BatchLoader(images, null, plan);
        return Values(loader.Epoch(2));
    }

    private static float[] Values(IEnumerable<Batch> batches)
    {
        var values = new List<float>();
        foreach (var batch in batches)
        {
            using (batch)
            {
                using var contiguous = batch.Images.permute(0, 2, 3, 1).contiguous();
                values.AddRange(contiguous.data<float>());
            }
        }

        return [.. values];
    }

    private static TemporaryFolder Folder()
    {
        var folder = new TemporaryFolder();
        var random = new Random(2);
        foreach (var name in new[] { "a/0", "a/1", "a/2", "b/0", "b/1", "b/2" })
        {
            var (width, height) = (random.Next(20, 50), random.Next(20, 50));
            var colours = new byte[width * height * 3];
            random.NextBytes(colours);
            folder.Write($"{name}.png", TestImages.Png(width, height, colours));
        }

        return folder;
    }
}
