using System.Diagnostics;
using Google.Protobuf;
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

/// <summary>Computes both branches of a network for images in one batch. Several threads may use it.</summary>
internal interface INetworkEngine : IDisposable
{
    /// <summary>What both branches say.</summary>
    Predictions Predict(ImageSet images);
}

/// <summary>A network by libtorch.</summary>
internal sealed class TorchEngine(DualBranchNetwork network) : INetworkEngine
{
    public Predictions Predict(ImageSet images) => Predictions.Of(network, images, images.Count);

    // The network is the run's.
    public void Dispose()
    {
    }
}

/// <summary>A network by ONNX Runtime: its convolutions with BatchNorm folded into them. What is read from the outputs of the classifiers is computed as for libtorch.</summary>
internal sealed class OnnxEngine : INetworkEngine
{
    private static readonly Dictionary<Branch, string> names = Enum.GetValues<Branch>().ToDictionary(branch => branch, branch => branch.ToString());

    private readonly DualBranchNetwork network;
    private readonly OnnxSession session;

    /// <summary>Makes the graph in memory.</summary>
    /// <param name="network">A network that <see cref="WhyNot"/> has nothing against.</param>
    /// <param name="threads">Threads that share the work of one batch.</param>
    /// <exception cref="InputException">ONNX Runtime's library is not beside the program.</exception>
    public OnnxEngine(DualBranchNetwork network, int threads) =>
        (this.network, session) = (network, new OnnxSession(OnnxModel.CreateBranches(network, names).ToByteArray(), threads));

    /// <summary>Why a network is computed by libtorch alone; null where it is not.</summary>
    public static string? WhyNot(DualBranchNetwork network) => network switch
    {
        _ when network.parameters().First().device_type != DeviceType.CPU => "the network is on a GPU",
        { Precision: not Devices.Precision.Float32 } => "the run's threshold was chosen in bfloat16, by an earlier version (pascl calibrate chooses it anew)",
        FrozenBackboneNetwork => "its frozen backbone is run by ONNX Runtime already",
        _ when network.Fold(Branch.Main) is null => "the network has no form without BatchNorm",
        _ => null,
    };

    public Predictions Predict(ImageSet images)
    {
        var rows = names.ToDictionary(name => name.Value, _ => new RowBuffer(images.Count));
        session.Run(images, PixelType.UInt8, (name, values) => rows[name].Append(values, values.Length / images.Count));
        return Predictions.Read(network, rows[names[Branch.Main]], rows[names[Branch.Auxiliary]]);
    }

    public void Dispose() => session.Dispose();
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
