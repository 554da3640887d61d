using System.Diagnostics;
using System.Globalization;
using Pascl.Benchmarks.Measuring;
using Pascl.Kernels;
using Pascl.Training;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Devices;
using Pascl.Training.Recipes;
using SkiaSharp;

namespace Pascl.Benchmarks.Runs;

/// <summary>
/// The loader on photographs, as the first phase of <c>resnet50</c> asks for them: random resized crops of 224 pixels, flip, colours. Seconds are those of the processor, so
/// that what else the machine does is not counted; <c>peers/photograph_loading.py</c> measures torchvision on Pillow images in the same way.
/// </summary>
internal static class PhotographLoading
{
    private const int Size = 224;
    private const int MostFiles = 2000;

    // Of the processor, in which the runtime compiles, and which are measured then.
    private static readonly TimeSpan start = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan least = TimeSpan.FromSeconds(3);

    /// <summary>Epochs of the images of a folder, and before them those in which the runtime still compiles: they are written, too, and are what a short run pays.</summary>
    public static void OfFolder(string path, int views, Action<string> write)
    {
        var dataset = Dataset.Open(path);
        var images = dataset.Read(dataset.Parts[0], "photographs", Options, []);
        using var loader = Loader(images, Math.Min(10, images.Count), views);
        write($"{images.Count} photographs, {views} views, at the start: {Run(loader, start, _ => { })}");
        write($"{images.Count} photographs, {views} views, then: {Run(loader, least, _ => { })}");
    }

    /// <summary>What the parts of a view take, on one thread, after the runtime has compiled.</summary>
    public static void Stages(string path, Action<string> write)
    {
        var tree = FileTree.Open(path);
        string[] names = [.. tree.Files.Where(ImageFile.HasImageName).Take(MostFiles)];
        byte[][] files = [.. names.Select(name => tree.Read(name).ToArray())];
        var pixels = new byte[Size * Size * PixelBlock.Channels];
        var (scratch, view, draw) = (new byte[pixels.Length], new float[pixels.Length], 0);
        using var decoder = new ImageDecoder();
        write("Microseconds for an image, " + string.Join(", ", new (string Name, Action<int> Stage)[]
        {
            ("reading", image => tree.Read(names[image])),
            ("decoding the whole", image => decoder.DecodeWhole(files[image], out _, out _)),
            ("decoding and resizing a crop", image => decoder.DecodeCrops(files[image], pixels, Size, (_, width, height) => RandomResizedCrop.Photographs.Draw(width, height, 1, draw++, image, 1))),
            ("flip, colours and floats", image => Augmentation.Apply(
                pixels, Size, Size, AugmentationParameters.Draw(AugmentationSettings.Photographs, Size, Size, 1, draw++, image, 1), view, scratch)),
        }.Select(stage => string.Create(CultureInfo.InvariantCulture, $"{stage.Name}: {Microseconds(stage.Stage):0}"))));

        double Microseconds(Action<int> stage)
        {
            Repeat(start / 4);
            return Repeat(least / 3);

            double Repeat(TimeSpan least)
            {
                var (cpu, count, spent) = (Environment.CpuUsage.TotalTime, 0, TimeSpan.Zero);
                for (; spent < least; spent = Environment.CpuUsage.TotalTime - cpu)
                {
                    for (var image = 0; image < files.Length; image++, count++)
                    {
                        stage(image);
                    }
                }

                return spent.TotalMicroseconds / count;
            }
        }
    }

    /// <summary>
    /// One epoch of the loader, and then steps of the first phase of <c>imagenet-lt-paper</c> with few images in a batch: of 115,846 generated photographs of 1,000 classes,
    /// 1,280 to 5 of each, the profile of ImageNet-LT.
    /// </summary>
    public static void OfImageNetSize(Action<string> write)
    {
        var images = ImageNetSize();
        write($"{images.Count:N0} images of {images.ClassCount:N0} classes, {images.CountPerClass().Max()} to {images.CountPerClass().Min()}; decoded when wanted: {images.IsStreamed}");
        using (var loader = Loader(images, batchSize: 128, views: 1))
        {
            write(Run(loader, TimeSpan.Zero, write));
        }

        StepsOf(images, Precision.BFloat16, write);
        StepsOf(images, Precision.Float32, write);
    }

    private static void StepsOf(ImageSet images, Precision precision, Action<string> write)
    {
        const int Steps = 50, BatchSize = 4;
        var preset = Presets.Find("imagenet-lt-paper").Recipe;
        var recipe = preset with
        {
            Precision = precision,
            OutlierBatchSize = BatchSize,
            Representation = preset.Representation with { BatchSize = BatchSize },
        };
        var data = new TrainingData(images, null, images, images.WithoutClasses(), [], []);
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var model = Trainer.CreateModel(recipe, images.ClassCount, device);
        var phase = TrainingPhase.Representation(recipe, data, device);
        phase.Enter(model);
        using var steps = new TrainingSteps(phase, model, data, device);
        using var sums = new LossSums(steps.Objective.TermNames.Count, null, device.Torch);
        var taken = 0;
        _ = ResidentMemory.StartAgain();
        foreach (var _ in steps.Epoch(0, 0, sums).Take(Steps))
        {
            if (++taken % (Steps / 5) == 0)
            {
                write(string.Create(CultureInfo.InvariantCulture, $"  training step {taken}: {Environment.WorkingSet >> 20:N0} MiB, loss {sums.MeansSinceReport(taken)[0]:0.000}"));
            }
        }

        write($"{recipe.Network} in {precision}, {taken} steps of {BatchSize} images in two views and {BatchSize} outliers: at most {ResidentMemory.Peak >> 20:N0} MiB");
    }

    private static ImageSet ImageNetSize()
    {
        const int Largest = 1280, Smallest = 5, Classes = 1000, Total = 115_846;
        var counts = Profile(Largest, Smallest, Classes, Total);
        int[] labels = [.. counts.SelectMany((count, label) => Enumerable.Repeat(label, count))];
        var tree = new GeneratedTree(labels.Length);
        ImageFile[] files = [.. tree.Files.Zip(labels, (name, label) => new ImageFile(name, label))];
        return ImageFiles.Read("generated", tree, files, [.. Enumerable.Range(0, Classes).Select(label => $"class {label}")], Options, []);
    }

    private static ReadOptions Options => new(Size) { Geometry = ImageGeometry.Photographs, NeedsWholeImages = true };

    private static BatchLoader Loader(ImageSet images, int batchSize, int views) => new(images, null, new BatchPlan
    {
        BatchSize = batchSize,
        Views = views,
        Crop = RandomResizedCrop.Photographs,
        Augmentation = AugmentationSettings.Photographs,
        Seed = 1,
        Workers = Environment.ProcessorCount,
    });

    // Whole epochs, one at least, until the processor has worked so long.
    private static string Run(BatchLoader loader, TimeSpan least, Action<string> write)
    {
        var (cpu, wall, step, most, count) = (Environment.CpuUsage.TotalTime, Stopwatch.StartNew(), 0, 0L, 0L);
        foreach (var batch in Batches())
        {
            count += batch.ClassifiedCount;
            batch.Dispose();
            var memory = Environment.WorkingSet;
            most = Math.Max(most, memory);
            if (++step % Math.Max(1, loader.StepsPerEpoch / 10) == 0)
            {
                write(string.Create(CultureInfo.InvariantCulture, $"  step {step:N0} of {loader.StepsPerEpoch:N0}: {memory >> 20:N0} MiB"));
            }
        }

        var seconds = Spent().TotalSeconds;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{count / seconds:0} images per second of one core ({1000 * seconds / count:0.00} ms each), {count / wall.Elapsed.TotalSeconds:0} by the clock, at most {most >> 20:N0} MiB");

        IEnumerable<Batch> Batches()
        {
            var epoch = 0;
            do
            {
                foreach (var batch in loader.Epoch(epoch))
                {
                    yield return batch;
                }

                epoch++;
            }
            while (Spent() < least);
        }

        TimeSpan Spent() => Environment.CpuUsage.TotalTime - cpu;
    }

    // Class c of C has n_max (1 - c / (C - 1))^p images, at least n_min; p by bisection.
    private static int[] Profile(int largest, int smallest, int classes, int total)
    {
        var (low, high) = (0.0, 100.0);
        while (high - low > 1e-9)
        {
            var middle = (low + high) / 2;
            (low, high) = Counts(middle).Sum() > total ? (middle, high) : (low, middle);
        }

        var counts = Counts(high);

        // What rounding leaves over goes to the second class.
        counts[1] += total - counts.Sum();
        return counts;

        int[] Counts(double power) => [.. Enumerable.Range(0, classes).Select(label => Math.Max(smallest, (int)Math.Round(largest * Math.Pow(1 - (label / (classes - 1.0)), power))))];
    }

    /// <summary>As many files as are wanted, of sixty-four drawn pictures of 500 x 375 pixels, each under many names.</summary>
    private sealed class GeneratedTree(int count) : FileTree("generated", Enumerable.Range(0, count).Select(image => $"{image:000000}.jpg"), [], [])
    {
        private readonly byte[][] pictures = [.. Enumerable.Range(0, 64).Select(Draw)];

        public override ReadOnlyMemory<byte> Read(string file) => pictures[int.Parse(file[..^4], CultureInfo.InvariantCulture) % pictures.Length];

        public override string Describe(string file) => $"generated: {file}";

        private static byte[] Draw(int seed)
        {
            using var bitmap = new SKBitmap(new SKImageInfo(500, 375, SKColorType.Rgba8888, SKAlphaType.Opaque));
            using var canvas = new SKCanvas(bitmap);
            var random = new Random(seed);
            for (var shape = 0; shape < 400; shape++)
            {
                using var paint = new SKPaint { Color = new SKColor((uint)random.Next() | 0xff000000), IsAntialias = true };
                canvas.DrawCircle(random.Next(500), random.Next(375), random.Next(2, 60), paint);
            }

            using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90);
            return data.ToArray();
        }
    }
}
