using Pascl.Tests.Training.Data.Formats;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Deployment;

namespace Pascl.Tests.Training.Deployment;

/// <summary>A run as another program uses it.</summary>
public sealed class DetectorTests
{
    private TemporaryFolder folder = null!;
    private Detector detector = null!;

    [OneTimeSetUp]
    public void Open()
    {
        folder = new TemporaryFolder();
        detector = Detector.Open(DeployedRun.Write(folder, "run", new ScoreThreshold("energy", 0.95, -1.1, 100)), threads: 2);
    }

    [OneTimeTearDown]
    public void Close()
    {
        detector.Dispose();
        folder.Dispose();
    }

    [Test]
    public void files_streams_pixels_and_batches_have_the_numbers_of_the_command_from_several_threads_at_once()
    {
        var images = Enumerable.Range(0, 40).Select(i => Random(6 + (i % 6), 8 + (i % 3), i)).ToArray();
        using var model = ScoringModel.Open(Path.Combine(folder.Path, "run"), 2);
        var expected = images.Select(image => ScoringPipeline.Run(model, [new ImageInput("image", () => image.File)]).Single()[0].Score!).ToArray();
        var batch = detector.Score([.. images.Select(image => (ReadOnlyMemory<byte>)image.File)]);
        Assert.That(batch.Select(score => score.Score), Is.EqualTo(expected.Select(score => score.Score)).Within(1e-6), "float32 adds in another order in a batch");
        Parallel.For(0, images.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            using var stream = new MemoryStream(images[i].File);
            ImageScore[] found = [detector.Score(images[i].File), detector.Score(stream), detector.ScoreRgb(images[i].Rgb, images[i].Width, images[i].Height)];
            Assert.That(found, Is.All.EqualTo(expected[i]), $"image {i}");
        });
        Assert.That(expected, Is.All.Matches<ImageScore>(score => score.Accepted == score.Score <= -1.1));
    }

    [Test]
    public void another_engine_gives_the_same_answers([Values(ScoringEngine.Onnx, ScoringEngine.Auto)] ScoringEngine engine)
    {
        OnnxLibrary.Require();
        using var other = Detector.Open(Path.Combine(folder.Path, "run"), threads: 2, engine: engine);
        for (var i = 0; i < 20; i++)
        {
            var image = Random(9, 8, i).File;
            var (expected, found) = (detector.Score(image), other.Score(image));
            Assert.That((found.Class, found.Accepted), Is.EqualTo((expected.Class, expected.Accepted)));
            Assert.That(found.Score, Is.EqualTo(expected.Score).Within(1e-5));
        }
    }

    [Test]
    public void what_is_wrong_is_said_in_a_sentence()
    {
        Assert.That(() => detector.Score("hello"u8), Throws.TypeOf<InputException>().With.Message.StartsWith("The image is not an image"));
        Assert.That(
            () => detector.Score([Random(8, 8, 1).File, ReadOnlyMemory<byte>.Empty]), Throws.TypeOf<InputException>().With.Message.EqualTo("Image 2 is empty."));
        Assert.That(() => detector.ScoreRgb(new byte[5], 1, 2), Throws.ArgumentException.With.Message.Contains("5 bytes are not an image of 1 x 2 pixels, which has 6"));
        Assert.That(() => Detector.Open("/no/such/run"), Throws.TypeOf<InputException>());
        Assert.That(detector.Score(Array.Empty<ReadOnlyMemory<byte>>()), Is.Empty);
        Assert.That((detector.Model.Threshold, detector.Model.Classes), Is.EqualTo((-1.1, DeployedRun.ClassNames)));
    }

    private static (byte[] File, byte[] Rgb, int Width, int Height) Random(int width, int height, int seed)
    {
        var rgb = new byte[width * height * 3];
        new Random(seed).NextBytes(rgb);
        return (TestImages.Png(width, height, rgb), rgb, width, height);
    }
}
