using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using TorchSharp;

namespace Pascl.Training.Deployment;

/// <summary>
/// A trained run, ready to say of any image what it shows and how far out of distribution it is: in the precision that its threshold was chosen in, with the
/// class of the auxiliary branch and the score that its threshold was chosen for. Several threads may use it.
/// </summary>
internal sealed class ScoringModel : IDisposable
{
    private readonly Run run;
    private readonly IReadOnlyList<string> classNames;
    private readonly OodScore score;
    private INetworkEngine engine;

    private ScoringModel(Run run)
    {
        (this.run, classNames, Threshold, Geometry) = (run, run.Info.ClassNames, run.Info.Threshold?.Value, run.Info.Geometry);
        engine = new TorchEngine(run.Network);
        score = ScoreOf(run.Info.Threshold?.Score, run.Info, run.Recipe);

        // An earlier version did not note the size of the images; then they are asked for it.
        ImageSize = run.Info.ImageSize ?? run.Recipe.ImageSize
            ?? TrainingDataReader.Read(run.Recipe, withOutliers: false, withOutOfDistribution: false).Training.Height;
    }

    public string Path => run.Folder.Root;

    /// <summary>Rows and columns of the images that it takes.</summary>
    public int ImageSize { get; }

    /// <summary>How images become squares of that size.</summary>
    public ImageGeometry Geometry { get; }

    /// <summary>The score, as <c>calibrate --score</c> takes it; the method's own where there is no threshold.</summary>
    public string ScoreName => score.Name;

    /// <summary>The highest score that is accepted; null where none was chosen.</summary>
    public double? Threshold { get; }

    /// <summary>What the model is.</summary>
    public ModelDescription Description => new(
        System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path))),
        run.Recipe.Method,
        classNames,
        ImageSize,
        ScoreName,
        Threshold,
        WeightHash.Of(run.Network),
        ProgramVersion.Number,
        ProgramVersion.Commit)
    {
        Engine = engine.Name,
    };

    /// <summary>Reads the last checkpoint of a run.</summary>
    /// <param name="path">The run folder.</param>
    /// <param name="workers">
    /// Threads that will score batches at one time; the cores are divided among them. Small images are scored fastest with one for each core, because the threads of
    /// one batch wait for each other after every operation.
    /// </param>
    /// <param name="backbone">Where the file of a frozen backbone is now, if it moved.</param>
    /// <exception cref="InputException">There is no run, or it cannot be used.</exception>
    public static ScoringModel Open(string path, int workers, string? backbone = null)
    {
        var run = Run.OpenDeployed(RunFolder.Open(path), backbone);
        try
        {
            run.Network.eval();
            torch.set_num_threads(Math.Clamp(Environment.ProcessorCount / workers, 1, torch.get_num_threads()));
            return new ScoringModel(run);
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>The score of a run, before its network or its images are loaded.</summary>
    /// <param name="text"><c>NAME</c> or <c>NAME:PARAMETER=VALUE</c>; null for the method's own.</param>
    /// <param name="info">What the run's checkpoint says.</param>
    /// <param name="recipe">How it was trained.</param>
    /// <exception cref="InputException">There is no such score, or it needs more than a deployed model has.</exception>
    public static OodScore ScoreOf(string? text, CheckpointInfo info, Recipe recipe) =>
        OodScore.OfDeployed(text, MethodDefinition.Find(recipe.Method).Head(recipe, info.ClassNames.Count).Readout([]), info.TrainingCounts);

    /// <summary>Chooses what computes the network; until then libtorch does. Before any thread scores.</summary>
    /// <param name="wanted">What the user wants.</param>
    /// <param name="batchSize">Images of a full batch, by which both are measured.</param>
    /// <returns>What was chosen and why, a sentence; null where nothing was to be chosen.</returns>
    /// <exception cref="InputException">ONNX Runtime is wanted and cannot compute this network, or computes something else than libtorch.</exception>
    public string? Use(ScoringEngine wanted, int batchSize)
    {
        (engine, var sentence) = EngineChoice.Of(wanted, engine, run, score, ImageSize, batchSize);
        return sentence;
    }

    /// <summary>Compares the network's convolutions on this machine with double precision: of one image, of two, and of a full batch.</summary>
    /// <param name="largestBatch">Images of a full batch.</param>
    /// <exception cref="InputException">A convolution is wrong in every way.</exception>
    public ConvolutionReport CheckConvolutions(int largestBatch) => ConvolutionCheck.Run(
        run.Network,
        ImageSize,
        ImageSize,
        [.. new[] { 1, 2, largestBatch }.Where(images => images <= largestBatch).Distinct().Select(images => new ConvolutionUse("scores", images))]);

    /// <summary>Says so where the model cannot accept or reject images, and what to do.</summary>
    public void WarnWithoutThreshold(TextWriter error)
    {
        if (Threshold is null)
        {
            error.WriteLine($"The run in {Path} has no threshold, so no image is accepted or rejected. Choose one with: pascl calibrate {Path}");
        }
    }

    /// <summary>Scores decoded images of <see cref="ImageSize"/> that have no names, in one batch.</summary>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public ImageScore[] Score(PixelBlock pixels)
    {
        var noClass = new int[pixels.Count];
        Array.Fill(noClass, ImageSet.NoClass);
        return Score(new ImageSet("images", pixels, noClass, []));
    }

    /// <summary>
    /// Scores images in one batch. What is beside an image changes its numbers in the last digits of the network's precision at most: sums are added in an order that
    /// may depend on the size of the batch and on the processor.
    /// </summary>
    /// <param name="images">Any number of images of <see cref="ImageSize"/>.</param>
    /// <exception cref="InputException">The model gives logits that are not finite.</exception>
    public ImageScore[] Score(ImageSet images)
    {
        if (images.Count == 0)
        {
            return [];
        }

        var predictions = engine.Predict(images);
        predictions.Check(images);
        var scores = score.Of(images, predictions);
        var classes = predictions.Auxiliary.Classes();
        return [.. classes.Select((label, i) => new ImageScore(
            classNames[label], Softmax.Of(predictions.Auxiliary[i])[label], scores[i], Threshold is { } threshold ? scores[i] <= threshold : null))];
    }

    public void Dispose()
    {
        engine.Dispose();
        run.Dispose();
    }
}

/// <summary>Computes both branches of a network for images in one batch. Several threads may use it.</summary>
internal interface INetworkEngine : IDisposable
{
    /// <summary>What computes it.</summary>
    string Name { get; }

    /// <summary>What both branches say.</summary>
    Predictions Predict(ImageSet images);
}

/// <summary>A network by libtorch.</summary>
internal sealed class TorchEngine(DualBranchNetwork network) : INetworkEngine
{
    public string Name => "libtorch";

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

    public string Name => "ONNX Runtime";

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

/// <summary>What leaves the house: a network, and what its users must know of it.</summary>
/// <param name="Network">The network; it computes in float32.</param>
/// <param name="ClassNames">Class names in label order.</param>
/// <param name="ImageSize">Rows and columns of the images it is verified on.</param>
/// <param name="Geometry">How images become squares of that size.</param>
/// <param name="Score">The out-of-distribution score.</param>
/// <param name="Threshold">That of the score; null where images are not to be accepted or rejected.</param>
/// <param name="Data">What tells the images that it was trained and tested on from others; null where that is not known.</param>
internal sealed record DeployedModel(
    DualBranchNetwork Network, IReadOnlyList<string> ClassNames, int ImageSize, ImageGeometry Geometry, OodScore Score, ScoreThreshold? Threshold, DataFingerprint? Data = null);

/// <summary>The files in which a trained network leaves the house.</summary>
public enum ExportFormat
{
    /// <summary>One graph with both branches, for any runtime of ONNX.</summary>
    Onnx,

    /// <summary>The weights of both branches in one file.</summary>
    Safetensors,

    /// <summary>Two files for PyTorch, one per branch, in the layout of the authors' network.</summary>
    Pth,
}

/// <summary>How a deployed model takes its pixels.</summary>
public enum PixelType
{
    /// <summary>Bytes from 0 to 255, as decoders give them.</summary>
    UInt8,

    /// <summary>float32 in [0, 1].</summary>
    Float,

    /// <summary>Bytes of decoded pictures of any size, which the graph itself resizes and crops.</summary>
    Picture,
}

/// <summary>What a deployed model says about one image.</summary>
/// <param name="Class">Name of the most probable class, by the auxiliary branch.</param>
/// <param name="Probability">Softmax probability of that class.</param>
/// <param name="Score">The out-of-distribution score: higher = more out-of-distribution.</param>
/// <param name="Accepted">Whether the score is at most the threshold; null for a model without one.</param>
public sealed record ImageScore(string Class, double Probability, double Score, bool? Accepted);

/// <summary>What a deployed model is, for who asks it from elsewhere.</summary>
/// <param name="Name">Name of the run folder, without the folders above it.</param>
/// <param name="Method">How it was trained, as <c>--method</c> takes it.</param>
/// <param name="Classes">Class names in label order.</param>
/// <param name="ImageSize">Rows and columns to which images are resized and cropped, in pixels.</param>
/// <param name="ScoreName">The out-of-distribution score, as <c>calibrate --score</c> takes it; higher = more out-of-distribution.</param>
/// <param name="Threshold">The highest score that is accepted; null where none was chosen.</param>
/// <param name="WeightsSha256">SHA-256 of the names and bytes of all weights in hexadecimal; the same in <c>provenance.json</c> and in exported models.</param>
/// <param name="Version">Pascl's version.</param>
/// <param name="Commit">The commit that the program was built from.</param>
public record ModelDescription(
    string Name,
    string Method,
    IReadOnlyList<string> Classes,
    int ImageSize,
    string ScoreName,
    double? Threshold,
    string WeightsSha256,
    string Version,
    string Commit)
{
    /// <summary>What computes the network: <c>libtorch</c> or <c>ONNX Runtime</c>.</summary>
    public string Engine { get; init; } = "";

    /// <summary>Names like those of the other answers.</summary>
    internal static JsonSerializerOptions JsonOptions { get; } =
        new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One line for people.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"Model {Name}: {Classes.Count} classes, {(Threshold is { } threshold ? $"accepts {ScoreName} up to {threshold:0.######}" : $"{ScoreName} without a threshold")}, weights {WeightsSha256[..12]}, Pascl {Version}({Commit[..Math.Min(12, Commit.Length)]})");
}

/// <summary>A scored image as one JSON object, the same on the command line and from the server.</summary>
internal static class ScoredImageJson
{
    // Names of files and classes stay readable; the text goes into no HTML.
    private static readonly JsonWriterOptions options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void AppendLines(StringBuilder text, IEnumerable<ScoredImage> images)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, options);
        foreach (var image in images)
        {
            Write(json, image);
            json.Flush();
            text.Append(Encoding.UTF8.GetString(buffer.WrittenSpan)).Append('\n');
            buffer.ResetWrittenCount();
            json.Reset();
        }
    }

    /// <summary>Writes <c>{"source", "class", "probability", "score", "accepted"}</c>, or <c>{"source", "error"}</c>; an image without a name has no source.</summary>
    public static void Write(Utf8JsonWriter json, ScoredImage image)
    {
        json.WriteStartObject();
        if (image.Source is not null)
        {
            json.WriteString("source", image.Source);
        }

        if (image.Score is { } score)
        {
            json.WriteString("class", score.Class);
            json.WriteNumber("probability", score.Probability);
            json.WriteNumber("score", score.Score);
            if (score.Accepted is { } accepted)
            {
                json.WriteBoolean("accepted", accepted);
            }
            else
            {
                json.WriteNull("accepted");
            }
        }
        else
        {
            json.WriteString("error", image.Error);
        }

        json.WriteEndObject();
    }
}

/// <summary>One image and what became of it: its score, or why there is none.</summary>
/// <param name="Source">Where it is from; null for an image without a name.</param>
/// <param name="Score">What the model says; null where the image could not be read.</param>
/// <param name="Error">What is wrong with the image, a sentence; null where nothing is.</param>
internal sealed record ScoredImage(string? Source, ImageScore? Score, string? Error);
