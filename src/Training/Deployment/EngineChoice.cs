using System.Diagnostics;
using Pascl.Training.Data;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Deployment;

/// <summary>What computes the network of a deployed run.</summary>
public enum ScoringEngine
{
    /// <summary>Of the others the one that a short measurement finds faster on this machine; libtorch where there is no choice.</summary>
    Auto,

    /// <summary>libtorch, as in training and evaluation.</summary>
    Torch,

    /// <summary>ONNX Runtime on the CPU, with the convolutions that <c>export</c> writes. Its scores agree with libtorch's to 1e-4.</summary>
    Onnx,
}

/// <summary>What computes a deployed network on this machine, chosen once before anything is scored.</summary>
internal static class EngineChoice
{
    /// <summary>Chooses.</summary>
    /// <param name="wanted">What the user wants.</param>
    /// <param name="libtorch">libtorch with the run's network.</param>
    /// <param name="run">The run.</param>
    /// <param name="score">The score that must agree.</param>
    /// <param name="imageSize">Rows and columns of its images.</param>
    /// <param name="batchSize">Images of a full batch, by which both are measured.</param>
    /// <returns>The engine; and what was chosen and why, a sentence, null where nothing was to be chosen.</returns>
    /// <exception cref="InputException">ONNX Runtime is wanted and cannot compute this network, or computes something else than libtorch.</exception>
    public static (INetworkEngine Engine, string? Sentence) Of(ScoringEngine wanted, INetworkEngine libtorch, Run run, OodScore score, int imageSize, int batchSize)
    {
        if (wanted == ScoringEngine.Torch)
        {
            return (libtorch, null);
        }

        OnnxEngine? onnx = null;
        try
        {
            var threads = torch.get_num_threads();
            onnx = OnnxEngine.WhyNot(run.Network) is { } why ? throw new InputException($"{why}.") : new OnnxEngine(run.Network, threads);
            var found = EngineComparison.Of(libtorch, onnx, score, imageSize, batchSize, isTimed: wanted == ScoringEngine.Auto);
            if (!(found.Difference <= OnnxAgreement.Allowed))
            {
                throw new InputException(FormattableString.Invariant($"it differs from libtorch by {found.Difference:0.0e+0} on this machine ({OnnxAgreement.Allowed:0e+0} is allowed)."));
            }

            INetworkEngine chosen = libtorch;
            if (wanted == ScoringEngine.Onnx || found.OnnxRate > found.TorchRate)
            {
                (chosen, onnx) = (onnx, null);
            }

            return (chosen, wanted == ScoringEngine.Onnx ? null : found.Sentence(threads));
        }
        catch (InputException exception) when (wanted == ScoringEngine.Auto)
        {
            return (libtorch, $"Engine: libtorch; not ONNX Runtime, because {exception.Message}");
        }
        catch (InputException exception)
        {
            throw new InputException($"The run in {run.Folder.Root} cannot be scored by ONNX Runtime: {exception.Message} Take the engine torch.", exception);
        }
        finally
        {
            onnx?.Dispose();
        }
    }
}

/// <summary>Two engines side by side on drawn images: how far their outputs differ, and how many images each takes in a second.</summary>
/// <param name="Difference">The largest |a - b| / max(1, |b|) of a logit or a score, b by libtorch.</param>
/// <param name="BatchSize">Images of the batch.</param>
/// <param name="TorchRate">Images a second by libtorch.</param>
/// <param name="OnnxRate">By ONNX Runtime.</param>
internal sealed record EngineComparison(double Difference, int BatchSize, double TorchRate, double OnnxRate)
{
    // A batch that takes longer is made smaller: nobody waits for the measurement of a large network.
    private const double LongestBatch = 0.1;
    private const double Seconds = 0.4;
    private const int FewestRounds = 2;

    /// <summary>Runs both on one batch, first once to warm up and to compare, then by turns; the shortest time of each counts.</summary>
    /// <param name="torch">libtorch.</param>
    /// <param name="onnx">ONNX Runtime.</param>
    /// <param name="score">The score that must agree.</param>
    /// <param name="imageSize">Rows and columns of the images.</param>
    /// <param name="batchSize">Images of a full batch.</param>
    /// <param name="isTimed">Whether both are measured; otherwise they are compared alone, and the rates are 0.</param>
    public static EngineComparison Of(INetworkEngine torch, INetworkEngine onnx, OodScore score, int imageSize, int batchSize, bool isTimed = true)
    {
        using var one = Drawn(1, imageSize);
        _ = (torch.Predict(one.Images), onnx.Predict(one.Images));
        var slowest = Math.Max(Time(torch, one.Images), Time(onnx, one.Images));
        var count = (int)Math.Clamp(LongestBatch / slowest, 1, batchSize);
        using var batch = Drawn(count, imageSize);
        var difference = Largest(batch.Images, onnx.Predict(batch.Images), torch.Predict(batch.Images), score);
        var (torchTime, onnxTime) = (double.PositiveInfinity, double.PositiveInfinity);
        var start = Stopwatch.GetTimestamp();
        for (var round = 0; isTimed && (round < FewestRounds || Stopwatch.GetElapsedTime(start).TotalSeconds < Seconds); round++)
        {
            torchTime = Math.Min(torchTime, Time(torch, batch.Images));
            onnxTime = Math.Min(onnxTime, Time(onnx, batch.Images));
        }

        return new EngineComparison(difference, count, count / torchTime, count / onnxTime);
    }

    /// <summary>Which of them is taken, and both figures.</summary>
    /// <param name="threads">Threads that shared the work of the batch.</param>
    public string Sentence(int threads) => FormattableString.Invariant(
        $"Engine: {(OnnxRate > TorchRate ? "ONNX Runtime" : "libtorch")}, the faster one here (ONNX Runtime {OnnxRate:N0} images/s, libtorch {TorchRate:N0}, in batches of {BatchSize} on {threads} thread{(threads == 1 ? "" : "s")}).");

    private static double Time(INetworkEngine engine, ImageSet images)
    {
        var start = Stopwatch.GetTimestamp();
        _ = engine.Predict(images);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Largest(ImageSet images, Predictions actual, Predictions expected, OodScore score)
    {
        var largest = 0.0;
        for (var i = 0; i < expected.Main.Count; i++)
        {
            foreach (var branch in Enum.GetValues<Branch>())
            {
                largest = Math.Max(largest, Of(Array.ConvertAll(actual[branch][i].ToArray(), Convert.ToDouble), Array.ConvertAll(expected[branch][i].ToArray(), Convert.ToDouble)));
            }
        }

        // Where logits are not finite, there are no scores to compare.
        return double.IsFinite(largest) ? Math.Max(largest, Of(score.Of(images, actual), score.Of(images, expected))) : largest;

        static double Of(double[] actual, double[] expected) => actual.Zip(expected).Max(pair => OnnxAgreement.Difference(pair.First, pair.Second));
    }

    private static DrawnImages Drawn(int count, int size) => new(count, size);

    // Noise, the same every time.
    private sealed class DrawnImages : IDisposable
    {
        private readonly PixelBlock pixels;

        public DrawnImages(int count, int size)
        {
            pixels = new PixelBlock(count, size, size);
            var random = new Random(1);
            for (var i = 0; i < count; i++)
            {
                random.NextBytes(pixels.Writable(i));
            }

            Images = new ImageSet("drawn images", pixels, [.. Enumerable.Repeat(ImageSet.NoClass, count)], []);
        }

        public ImageSet Images { get; }

        public void Dispose() => pixels.Dispose();
    }
}
