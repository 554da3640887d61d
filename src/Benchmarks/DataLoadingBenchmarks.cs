using BenchmarkDotNet.Attributes;
using Pascl.Benchmarks.Measuring;
using Pascl.Training.Data;

namespace Pascl.Benchmarks;

/// <summary>
/// Images from CIFAR-10's binary files, in times per image: 100 microseconds are 10,000 images per second, the bar per core. The files have the published
/// layout and random bytes; each of the five training files is read with <see cref="ImagesPerFile"/> records.
/// </summary>
[Config(typeof(ShortRuns))]
public class DataLoadingBenchmarks : IDisposable
{
    private const int Size = 32;
    private const int ImagesPerFile = 2000;
    private const int Files = 5;
    private const int Batch = 256;
    private const int Steps = 4;

    private string folder = "";
    private ImageSet images = null!;
    private BatchLoader loader = null!;
    private int epoch;

    /// <summary>Writes the files and compares the pixels that both ways read.</summary>
    [GlobalSetup]
    public void Setup()
    {
        folder = Directory.CreateTempSubdirectory("pascl-benchmark-").FullName;
        var random = new Random(1);
        string[] names = [.. Enumerable.Range(1, Files).Select(file => $"data_batch_{file}.bin"), "test_batch.bin"];
        foreach (var name in names)
        {
            var records = new byte[ImagesPerFile * Record];
            random.NextBytes(records);
            for (var image = 0; image < ImagesPerFile; image++)
            {
                records[image * Record] = (byte)(image % 10);
            }

            File.WriteAllBytes(Path.Combine(folder, name), records);
        }

        images = Datasets.ReadInDistribution(folder, new ReadOptions()).Training;
        var plain = PlainLoops();
        for (var image = 0; image < images.Count; image++)
        {
            if (!images.Pixels(image).SequenceEqual(plain[image]))
            {
                throw new InvalidOperationException($"Image {image} differs between the two ways to read it; neither is timed.");
            }
        }

        loader = new BatchLoader(
            images.Select(Enumerable.Range(0, Batch * Steps)), null, new BatchPlan { BatchSize = Batch, Views = 2, Workers = 1, Prefetch = Steps, Seed = 1 });
    }

    /// <summary>Removes the files.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        loader.Dispose();
        Directory.Delete(folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Reads the training files and puts each image's planes together, one image after another.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = ImagesPerFile * Files)]
    public byte[][] PlainLoops()
    {
        var all = new byte[ImagesPerFile * Files][];
        for (var file = 0; file < Files; file++)
        {
            var records = File.ReadAllBytes(Path.Combine(folder, $"data_batch_{file + 1}.bin"));
            for (var image = 0; image < ImagesPerFile; image++)
            {
                var pixels = new byte[Record - 1];
                for (var i = 0; i < pixels.Length; i++)
                {
                    pixels[i] = records[(image * Record) + 1 + (i % 3 * Size * Size) + (i / 3)];
                }

                all[(file * ImagesPerFile) + image] = pixels;
            }
        }

        return all;
    }

    /// <summary>As the program reads them: with the test file, checks of every label, and where each image came from. Per training image.</summary>
    [Benchmark(OperationsPerInvoke = ImagesPerFile * Files)]
    public int ReadDataset() => Datasets.ReadInDistribution(folder, new ReadOptions()).Training.Count;

    /// <summary>Two augmented views of every image as batches of 256, on one thread: other work than the baseline's. Per image.</summary>
    [Benchmark(OperationsPerInvoke = Batch * Steps)]
    public long AugmentedBatches()
    {
        var rows = 0L;
        foreach (var batch in loader.Epoch(epoch++))
        {
            using (batch)
            {
                rows += batch.Images.shape[0];
            }
        }

        return rows;
    }

    private static int Record => 1 + (Size * Size * PixelBlock.Channels);
}
