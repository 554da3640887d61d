using System.Diagnostics;
using Pascl.Kernels;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Ranks;
using TorchSharp;

namespace Pascl.Tests.Training.Data;

public sealed class BatchLoaderTests
{
    private static readonly BatchPlan Plan = new() { BatchSize = 4, OutlierBatchSize = 3, Views = 2, Seed = 5 };

    [Test]
    public void batches_augmented_on_a_device_equal_those_of_the_cpu()
    {
        var (training, outliers) = (Random(9, 5, 7, 1), Random(8, 5, 7, 2));
        using var device = ComputeDevice.Open("cpu", Backend.Ilgpu);
        Assert.That(DeviceViews.Fit(device.Kernels!, Plan, [training, outliers]));
        using var onHost = new BatchLoader(training, outliers, Plan);
        using var onDevice = new BatchLoader(training, outliers, Plan, device);
        Assert.That(Contents(onDevice.Epoch(3)), Is.EqualTo(Contents(onHost.Epoch(3))));
    }

    [Test]
    public void an_epoch_on_a_device_waits_for_its_order_once_and_no_batch_waits()
    {
        using var device = ComputeDevice.Open("cpu", Backend.Ilgpu);
        using var loader = new BatchLoader(Random(9, 5, 7, 1), Random(8, 5, 7, 2), Plan, device);
        Contents(loader.Epoch(0));
        var waits = device.Kernels!.HostWaits;
        Assert.That(Contents(loader.Epoch(1)), Has.Count.EqualTo(2));
        Assert.That(device.Kernels.HostWaits - waits, Is.EqualTo(2), "the order of the images, and that of the outliers");
    }

    [Test]
    public void a_third_view_comes_behind_the_second_is_another_one_and_leaves_the_first_two_as_they_are()
    {
        var (training, outliers) = (Random(10, 8, 6, 1), Random(20, 8, 6, 2));
        using var two = new BatchLoader(training, outliers, Plan);
        using var three = new BatchLoader(training, outliers, Plan with { Views = 3 });
        using var shared = new BatchLoader(training, outliers, Plan with { Views = 3, Share = new RankShare(1, 2) });
        using var scope = torch.NewDisposeScope();
        using var first = two.Epoch(0).First();
        using var second = three.Epoch(0).First();
        using var part = shared.Epoch(0).First();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(second.Images.shape[0], Is.EqualTo((3 * 4) + 3));
            Assert.That(Rows(second, 0, 8), Is.EqualTo(Rows(first, 0, 8)));
            Assert.That(Rows(second, 12, 3), Is.EqualTo(Rows(first, 8, 3)), "the outliers");
            Assert.That(Rows(second, 8, 4), Is.Not.EqualTo(Rows(second, 0, 4)).And.Not.EqualTo(Rows(second, 4, 4)));
            Assert.That(Rows(part, 4, 2), Is.EqualTo(Rows(second, 10, 2)), "the share of a rank");
        }

        static float[] Rows(Batch batch, long row, long count) => batch.Images.narrow(0, row, count).contiguous().data<float>().ToArray();
    }

    [Test]
    public void a_batch_holds_view_one_then_view_two_then_the_outliers()
    {
        // Every pixel of an image has the image's number, so rows can be recognised.
        var training = Numbered(10, 8, 6);
        var outliers = Numbered(20, 8, 6, first: 100);
        using var loader = new BatchLoader(training, outliers, Plan with { Augmentation = AugmentationSettings.None });
        var seen = new List<int>();
        foreach (var batch in loader.Epoch(0))
        {
            using (batch)
            {
                Assert.That(batch.Images.shape, Is.EqualTo(new long[] { 11, 3, 8, 6 }));
                Assert.That(batch.Images.stride(), Is.EqualTo(new long[] { 8 * 6 * 3, 1, 6 * 3, 3 }));
                Assert.That((batch.ClassifiedCount, batch.OutlierCount, batch.Views), Is.EqualTo((4L, 3L, 2)));
                var numbers = Numbers(batch);
                Assert.That(numbers[4..8], Is.EqualTo(numbers[..4]));
                Assert.That(numbers[8..], Is.All.InRange(100, 119));
                Assert.That(batch.Labels.data<long>().ToArray(), Is.EqualTo(numbers[..4].Select(number => (long)training.Labels[number])));
                seen.AddRange(numbers[..4]);
            }
        }

        Assert.That(seen, Is.Unique.And.Count.EqualTo(8));
    }

    [Test]
    public void a_batch_knows_its_place_in_the_training_and_its_classes_on_the_host()
    {
        using var loader = new BatchLoader(Random(13, 5, 7, 1), Random(12, 5, 7, 2), Plan);
        using var batch = loader.Epoch(epoch: 6, firstStep: 1).Skip(1).First();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(batch.Position, Is.EqualTo(new BatchPosition(Epoch: 6, Step: 2, StepsPerEpoch: 3)));
            Assert.That(batch.Position.EpochsAfter, Is.EqualTo(7));
            Assert.That(batch.Classes, Is.EqualTo(batch.Labels.data<long>().ToArray()));
        }
    }

    [Test]
    public void rows_are_the_augmented_images_of_the_epochs_order()
    {
        var training = Random(9, 16, 16, 1);
        var outliers = Random(7, 16, 16, 2);
        using var batch = new BatchLoader(training, outliers, Plan).Epoch(6).Skip(1).First();
        var order = EpochOrder.Permutation(9, 5, 6, RandomStream.TrainingOrder)[4..8];
        var outlierOrder = EpochOrder.Permutation(7, 5, 6, RandomStream.OutlierOrder)[3..6];
        float[] expected =
        [
            .. order.SelectMany(image => Reference(training, image, RandomStream.FirstView)),
            .. order.SelectMany(image => Reference(training, image, RandomStream.FirstView + 1)),
            .. outlierOrder.SelectMany(image => Reference(outliers, image, RandomStream.Outlier)),
        ];
        using var rows = batch.Images.permute(0, 2, 3, 1);
        Assert.That(rows.data<float>().ToArray(), Is.EqualTo(expected));

        static float[] Reference(ImageSet images, int image, int stream) => AugmentationReference.Apply(
            images.Pixels(image).ToArray(), 16, 16, AugmentationParameters.Draw(AugmentationSettings.Cifar, 16, 16, 5, 6, image, stream));
    }

    [Test]
    public void batches_do_not_depend_on_the_threads_or_on_where_the_epoch_was_resumed()
    {
        var training = Random(41, 8, 8, 1);
        var outliers = Random(50, 8, 8, 2);
        var once = Contents(new BatchLoader(training, outliers, Plan).Epoch(3));
        var threads = Contents(new BatchLoader(training, outliers, Plan with { Workers = 3, Prefetch = 7 }).Epoch(3));
        var resumed = Contents(new BatchLoader(training, outliers, Plan with { Workers = 2 }).Epoch(3, firstStep: 4));
        Assert.That(once, Has.Count.EqualTo(10));
        Assert.That(threads, Is.EqualTo(once));
        Assert.That(resumed, Is.EqualTo(once.Skip(4)));
        Assert.That(Contents(new BatchLoader(training, outliers, Plan).Epoch(4)), Is.Not.EqualTo(once));
    }

    [Test]
    public void the_second_phase_has_one_view_and_no_outliers()
    {
        using var loader = new BatchLoader(Random(9, 5, 7, 1), null, new BatchPlan { BatchSize = 2 });
        Assert.That(loader.StepsPerEpoch, Is.EqualTo(4));
        using var batch = loader.Epoch(0).First();
        Assert.That(batch.Images.shape, Is.EqualTo(new long[] { 2, 3, 5, 7 }));
        Assert.That((batch.OutlierCount, batch.Views), Is.EqualTo((0L, 1)));
    }

    [TestCase(12, 9, 3)]
    [TestCase(100, 8, 2)]
    [TestCase(7, 300, 1)]
    public void an_epoch_ends_with_the_smaller_of_the_two_sets(int trainingCount, int outlierCount, int steps)
    {
        using var loader = new BatchLoader(Random(trainingCount, 2, 2, 1), Random(outlierCount, 2, 2, 2), Plan);
        Assert.That(loader.StepsPerEpoch, Is.EqualTo(steps));
        Assert.That(Contents(loader.Epoch(0)), Has.Count.EqualTo(steps));
    }

    [Test]
    public void tensors_belong_to_no_scope_and_none_is_left_after_leaving_early()
    {
        using var loader = new BatchLoader(Random(400, 2, 2, 1), Random(400, 2, 2, 2), Plan with { Workers = 2 });
        var before = AliveTensors();
        using (torch.NewDisposeScope())
        {
            foreach (var batch in loader.Epoch(0))
            {
                Assert.That(torch.CurrentDisposeScope!.DisposablesCount, Is.Zero);
                batch.Dispose();
                break;
            }
        }

        Assert.That(AliveTensors(), Is.EqualTo(before));
    }

    [Test]
    public void the_wait_is_nearly_nothing_when_the_step_is_slower_than_the_data()
    {
        using var loader = new BatchLoader(Random(48, 32, 32, 1), Random(48, 32, 32, 2), Plan);
        var shares = new List<double>();
        for (var epoch = 0; epoch < 5; epoch++)
        {
            var (before, clock) = (loader.WaitTime, Stopwatch.StartNew());
            foreach (var batch in loader.Epoch(epoch))
            {
                Thread.Sleep(10);
                batch.Dispose();
            }

            shares.Add((loader.WaitTime - before) / clock.Elapsed);
        }

        // The best of five, because other programs may keep this one from running.
        Assert.That(shares.Min(), Is.GreaterThan(0).And.LessThan(0.2));
    }

    [TestCase(3, 30, "3 training images (numbers), but one batch takes 4")]
    [TestCase(30, 2, "2 outlier images (numbers), but one batch takes 3")]
    public void too_few_images_for_one_batch_are_bad_input(int trainingCount, int outlierCount, string message) =>
        AssertBadInput(Numbered(trainingCount, 2, 2), Numbered(outlierCount, 2, 2), Plan, message);

    [Test]
    public void outliers_of_another_size_or_missing_outliers_are_bad_input()
    {
        AssertBadInput(Numbered(30, 2, 2), Numbered(30, 2, 3), Plan, "(numbers) are 2x3 pixels, but the training images (numbers) are 2x2");
        AssertBadInput(Numbered(30, 2, 2), null, Plan, "no outlier images are given");
    }

    [Test]
    public void impossible_plans_are_bad_input() => Assert.Multiple(() =>
    {
        var images = Numbered(30, 2, 2);
        AssertBadInput(images, images, Plan with { BatchSize = 0 }, "batch size is 0");
        AssertBadInput(images, images, Plan with { OutlierBatchSize = -1 }, "outlier batch size is -1");
        AssertBadInput(images, images, Plan with { Views = 4 }, "views is 4");
        AssertBadInput(images, images, Plan with { Workers = 0 }, "threads is 0");
        AssertBadInput(images, images, Plan with { Prefetch = 0 }, "ahead is 0");
    });

    private static void AssertBadInput(ImageSet training, ImageSet? outliers, BatchPlan plan, string message) =>
        Assert.That(() => new BatchLoader(training, outliers, plan), Throws.TypeOf<InputException>().With.Message.Contains(message));

    private static List<float[]> Contents(IEnumerable<Batch> batches)
    {
        var contents = new List<float[]>();
        foreach (var batch in batches)
        {
            using (batch)
            {
                using var rows = batch.Images.permute(0, 2, 3, 1);
                contents.Add([.. rows.data<float>().ToArray(), .. batch.Labels.data<long>().ToArray()]);
            }
        }

        return contents;
    }

    private static int[] Numbers(Batch batch)
    {
        using var rows = batch.Images.permute(0, 2, 3, 1);
        var values = rows.data<float>().ToArray();
        return [.. values.Chunk(values.Length / (int)batch.Images.shape[0]).Select(row => (int)Math.Round(row.Distinct().Single() * 255))];
    }

    private static ImageSet Numbered(int count, int height, int width, int first = 0) =>
        Set("numbers", count, height, width, (image, bytes) => bytes.Fill((byte)(first + image)));

    private static ImageSet Random(int count, int height, int width, int seed)
    {
        var random = new Random(seed);
        return Set("random", count, height, width, (_, bytes) => random.NextBytes(bytes));
    }

    private static ImageSet Set(string name, int count, int height, int width, FillImage fill)
    {
        var pixels = new PixelBlock(count, height, width);
        for (var image = 0; image < count; image++)
        {
            fill(image, pixels.Writable(image));
        }

        return new ImageSet(name, pixels, [.. Enumerable.Range(0, count).Select(image => image % 3)], ["a", "b", "c"]);
    }

    private static long AliveTensors()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return torch.Tensor.TotalCount;
    }

    private delegate void FillImage(int image, Span<byte> bytes);
}
