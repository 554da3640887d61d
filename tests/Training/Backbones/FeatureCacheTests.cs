using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Pascl.Kernels;
using Pascl.Tests.Training.Checkpoints;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using TorchSharp;

namespace Pascl.Tests.Training.Backbones;

/// <summary>Features on the disk: the same bits as computed anew, whatever happened to the file.</summary>
public sealed class FeatureCacheTests
{
    private const int Images = 300; // three blocks

    private static readonly ViewPlan twoViews = new(2, null, AugmentationSettings.Cifar, 7, RandomStream.FirstView);

    private readonly List<string> said = [];
    private TemporaryFolder folder = null!;
    private FrozenBackbone backbone = null!;
    private ImageSet images = null!;

    private string Cache => Path.Combine(folder.Path, "cache");

    private string[] Files => [.. Directory.GetFiles(Cache).Order()];

    [SetUp]
    public void Prepare()
    {
        OnnxLibrary.Require();
        folder = new TemporaryFolder();
        said.Clear();
        backbone = Open(TinyBackbone.Quarters(Path.Combine(folder.Path, "model.onnx")));
        images = Noise(Images, seed: 1);
    }

    [TearDown]
    public void Delete()
    {
        backbone?.Dispose();
        folder?.Dispose();
    }

    [Test]
    public void plain_features_are_those_of_each_image_and_a_selection_keeps_its_own()
    {
        var features = Compute(out _).Features!;
        var image = new float[TinyBackbone.Size * TinyBackbone.Size * 3];
        using (Assert.EnterMultipleScope())
        {
            for (var i = 0; i < Images; i += 37)
            {
                Augmentation.ToUnit(images.Pixels(i), image);
                Assert.That(Doubles(features[i]), Is.EqualTo(TinyBackbone.Expected(image)).Within(1e-6));
            }

            var chosen = images.WithFeatures(features).Select([5, 299, 5]).Named("other").WithoutClasses().Features!;
            Assert.That(Doubles(chosen[1]), Is.EqualTo(Doubles(features[299])));
            Assert.That(Doubles(chosen.View(1, 2)), Is.EqualTo(Doubles(features.View(1, 5))));
        }
    }

    [Test]
    public void a_view_is_what_training_would_have_made_in_the_epoch_of_its_number()
    {
        var features = Compute(out _).Features!;
        using var maker = new HostViews(images, new BatchPlan { BatchSize = 1, Augmentation = twoViews.Augmentation, Seed = twoViews.Seed });
        maker.Begin([.. Enumerable.Range(0, Images)]);
        using var pixels = torch.empty(Images, TinyBackbone.Size, TinyBackbone.Size, 3);
        maker.Make(0, epoch: 1, RandomStream.FirstView, pixels);
        var length = TinyBackbone.Size * TinyBackbone.Size * 3;
        for (var i = 0; i < Images; i += 37)
        {
            var image = MemoryMarshal.Cast<byte, float>(pixels.bytes).Slice(i * length, length);
            Assert.That(Doubles(features.View(1, i)), Is.EqualTo(TinyBackbone.Expected(image)).Within(1e-6));
        }
    }

    [Test]
    public void a_second_time_nothing_is_computed()
    {
        var first = Rows(Compute(out var computed));
        Assert.That(computed, Is.EqualTo(3 * Images));
        Assert.That(Files, Has.Length.EqualTo(3));
        Assert.That(Rows(Compute(out var again)), Is.EqualTo(first));
        Assert.That((again, said.Count), Is.EqualTo((0, 0)));
    }

    [Test]
    public void what_features_depend_on_makes_other_files()
    {
        Compute(out _);
        var other = new FeatureCache(Open(TinyBackbone.Scaled(Path.Combine(folder.Path, "other.onnx"), 2)), Listener());
        other.Of(images, "set", plain: true);
        var cache = NewCache();
        cache.Of(Noise(Images, seed: 2), "set", plain: true);
        cache.Of(images, "set", plain: false, twoViews with { Count = 1, Seed = 8 });
        cache.Of(images, "set", plain: false, twoViews with { Count = 1, Stream = RandomStream.Outlier });
        cache.Of(images, "set", plain: false, twoViews with { Count = 1, Augmentation = AugmentationSettings.None });
        Assert.That(Files, Has.Length.EqualTo(3 + 5), "backbone, images, seed, stream, augmentation");
        cache.Of(images, "set", plain: false, twoViews with { Count = 3 });
        Assert.That(Files, Has.Length.EqualTo(3 + 6), "a third view is added to two");
    }

    [Test]
    public void a_damaged_block_is_computed_again_alone()
    {
        var first = Rows(Compute(out _));
        var file = Files[0];
        var bytes = File.ReadAllBytes(file);
        bytes[^20] ^= 1;
        Replace(file, bytes);

        Assert.That(Rows(Compute(out var computed)), Is.EqualTo(first));
        Assert.That(computed, Is.EqualTo(Images - (2 * FeatureLayout.BlockRows)), "the last block");
        Assert.That(said, Is.EqualTo([$"{file} is damaged or of other images in 1 of 3 blocks; these are computed anew."]));
    }

    [Test]
    public void a_file_of_other_images_under_the_name_of_these_is_computed_again()
    {
        var first = Rows(Compute(out _));
        Replace(Files[0], File.ReadAllBytes(Files[1]));
        Assert.That(Rows(Compute(out var computed)), Is.EqualTo(first));
        Assert.That((computed, said.Single()), Is.EqualTo((Images, $"{Files[0]} is damaged or of other images in 3 of 3 blocks; these are computed anew.")));
    }

    [Test]
    public void a_file_that_is_cut_short_is_completed()
    {
        var first = Rows(Compute(out _));
        Replace(Files[2], File.ReadAllBytes(Files[2])[..^1]);
        Assert.That(Rows(Compute(out var computed)), Is.EqualTo(first));
        Assert.That(computed, Is.EqualTo(Images - (2 * FeatureLayout.BlockRows)));
    }

    [Test]
    public void what_a_process_that_was_stopped_had_done_is_not_done_again()
    {
        var first = Rows(Compute(out _));
        Array.ForEach(Files, File.Delete);

        using var stop = new CancellationTokenSource();
        var interrupted = new FeatureCache(backbone, new FeatureListener(said.Add, new StopAt(FeatureLayout.BlockRows + 9, stop)), stop.Token);
        Assert.That(() => interrupted.Of(images, "set", plain: true, twoViews), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Files, Has.Length.EqualTo(1).And.All.EndsWith(".features.unfinished"));

        Assert.That(Rows(Compute(out var computed)), Is.EqualTo(first));
        Assert.That(computed, Is.EqualTo((3 * Images) - FeatureLayout.BlockRows));
        Assert.That(Files, Has.All.EndsWith(".features"));
    }

    [Test]
    public void features_that_are_no_numbers_name_their_image()
    {
        using var logarithms = Open(TinyBackbone.Logarithms(Path.Combine(folder.Path, "log.onnx")));
        using var pixels = new PixelBlock(2, TinyBackbone.Size, TinyBackbone.Size);
        pixels.Writable(0).Fill(200);
        pixels.Writable(1).Fill(20);
        var set = new ImageSet("two", pixels, [0, 1], ["light", "dark"], ["light.png", "dark.png"]);
        Assert.That(
            () => new FeatureCache(logarithms, Listener()).Of(set, "set", plain: true),
            Throws.TypeOf<InputException>().With.Message.Contains($"The backbone {logarithms.Settings.Path} gives features that are not finite for dark.png"));
    }

    [Test]
    public void a_folder_that_cannot_be_made_is_named()
    {
        folder.Write("cache", "a file");
        Assert.That(
            NewCache, Throws.TypeOf<InputException>().With.Message.StartsWith($"The features of the images cannot be kept in {Cache}:").And.Message.Contains("--feature-cache"));
    }

    [Test]
    [Platform("Linux")]
    [SupportedOSPlatform("linux")]
    public void a_full_disk_is_said_and_what_fitted_is_kept()
    {
        Directory.CreateDirectory(Cache);
        using var disk = SmallDisk.Mount(Cache, kilobytes: 12);
        Assert.That(
            () => Compute(out _),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                $"The features of the images cannot be kept in {Cache}: no space is left on the disk. Make room or name another folder with --feature-cache; what is done there is kept."));
        Assert.That(Files.Single(), Does.EndWith(".unfinished"));
    }

    [Test]
    public void the_views_of_an_epoch_depend_on_seed_epoch_and_image_alone_and_two_views_differ()
    {
        var features = NewCache().Of(images, "set", plain: false, twoViews with { Count = 4 }).Features!;
        var (views, other) = (Views(seed: 3), Views(seed: 4));
        var drawn = Enumerable.Range(0, Images).Select(image => (views.Choose(0, image, RandomStream.FirstView), views.Choose(0, image, RandomStream.FirstView + 1))).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(drawn.Count(pair => pair.Item1 == pair.Item2), Is.Zero);
            Assert.That(drawn.Distinct().Count(), Is.EqualTo(4 * 3), "every pair of views comes");
            Assert.That(drawn.Index().Count(pair => views.Choose(0, pair.Index, RandomStream.ThirdView) is var third && (third == pair.Item.Item1 || third == pair.Item.Item2)), Is.Zero);
            Assert.That(Enumerable.Range(0, Images).Select(image => other.Choose(0, image, 0)), Is.Not.EqualTo(drawn.Select(pair => pair.Item1)));
            Assert.That(Enumerable.Range(0, Images).Select(image => views.Choose(1, image, 0)), Is.Not.EqualTo(drawn.Select(pair => pair.Item1)));
            Assert.That(Enumerable.Range(0, Images).Select(image => views.Choose(0, image, RandomStream.Outlier)), Is.Not.EqualTo(drawn.Select(pair => pair.Item1)));
        }

        FeatureViews Views(ulong seed) => new(features, new BatchPlan { BatchSize = 1, Seed = seed });
    }

    // What is mapped stays as it is for who has mapped it.
    private void Replace(string file, byte[] content) => File.Move(folder.Write("content", content), file, overwrite: true);

    private static double[] Doubles(ReadOnlySpan<float> row) => Array.ConvertAll(row.ToArray(), value => (double)value);

    private static ImageSet Noise(int count, int seed)
    {
        var pixels = new PixelBlock(count, TinyBackbone.Size, TinyBackbone.Size);
        var random = new Random(seed);
        for (var i = 0; i < count; i++)
        {
            random.NextBytes(pixels.Writable(i));
        }

        return new ImageSet("noise", pixels, new int[count], ["one"]);
    }

    private static float[] Rows(ImageSet set) =>
    [
        .. Enumerable.Range(0, set.Count).SelectMany(i =>
            set.Features![i].ToArray().Concat(Enumerable.Range(0, set.Features.ViewCount).SelectMany(view => set.Features.View(view, i).ToArray()))),
    ];

    private FrozenBackbone Open(string path) => FrozenBackbone.Open(TinyBackbone.Settings(path) with { Cache = Cache });

    private FeatureCache NewCache() => new(backbone, Listener());

    private FeatureListener Listener() => new(said.Add, null);

    private ImageSet Compute(out int computed)
    {
        var cache = NewCache();
        var set = cache.Of(images, "set", plain: true, twoViews);
        computed = cache.Computed;
        return set;
    }

    private sealed class StopAt(int images, CancellationTokenSource stop) : IProgress<FeatureProgress>
    {
        public void Report(FeatureProgress value)
        {
            if (value.Done == images)
            {
                stop.Cancel();
            }
        }
    }
}
