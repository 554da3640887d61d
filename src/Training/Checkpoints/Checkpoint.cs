using System.Text.Json;
using System.Text.Json.Serialization;
using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Optimisation;
using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>
/// Everything a run needs to continue, in one safetensors file that other tools can open too: <c>model.KEY</c> (keys as in
/// <c>state_dict</c>),
/// <c>optimiser.PARAMETER.STATE</c>, <c>random.torch</c>, and <see cref="CheckpointInfo"/> as metadata. A run that averages its weights has the average there, as what is
/// evaluated, and beside it <c>training.KEY</c>: the weights that the next step goes on from.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private const string ModelPrefix = "model.";
    private const string OptimiserPrefix = "optimiser.";
    private const string TrainingPrefix = "training.";
    private const string RandomState = "random.torch";

    private readonly SafetensorsFile file;

    private Checkpoint(SafetensorsFile file, CheckpointInfo info) => (this.file, Info) = (file, info);

    /// <summary>Where the run stood.</summary>
    public CheckpointInfo Info { get; }

    /// <summary>Opens a checkpoint; tensors are read when they are asked for.</summary>
    /// <exception cref="InputException">The file cannot be read, is damaged, or is no checkpoint.</exception>
    public static Checkpoint Open(string path)
    {
        var file = SafetensorsFile.Open(path);
        try
        {
            return new Checkpoint(file, CheckpointInfo.FromFile(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes a checkpoint under a temporary name in the same folder, flushes it to the disk and renames it over the one before, so that at
    /// any moment a whole checkpoint lies there.
    /// </summary>
    /// <param name="path">Where to write.</param>
    /// <param name="info">Where the run stands.</param>
    /// <param name="model">The model, on any device.</param>
    /// <param name="optimiser">The optimiser of the current phase; <see langword="null"/> where no step will follow.</param>
    /// <param name="average">The average of the weights, which is in the model now; null where the model has the weights themselves.</param>
    /// <exception cref="InputException">It could not be written; the checkpoint before is still there, and the message says of which epoch
    /// it is.</exception>
    public static void Save(string path, CheckpointInfo info, torch.nn.Module model, Optimiser? optimiser = null, WeightAverage? average = null)
    {
        using var scope = torch.NewDisposeScope();
        var tensors = new Dictionary<string, torch.Tensor> { [RandomState] = torch.get_rng_state() };
        Add(ModelPrefix, model.state_dict());
        Add(OptimiserPrefix, optimiser?.State() ?? []);
        Add(TrainingPrefix, average?.Outside.ToDictionary() ?? []);
        DurableFile.Replace(path, stream => SafetensorsFile.Write(stream, tensors, info.ToMetadata()), () => LastGood(path));

        void Add(string prefix, Dictionary<string, torch.Tensor> values)
        {
            foreach (var (name, tensor) in values)
            {
                tensors.Add(prefix + name, tensor);
            }
        }
    }

    /// <summary>
    /// Stores the threshold of the deployed model in an existing checkpoint. Every tensor keeps its bits, and the file is replaced whole or not at all.
    /// </summary>
    /// <exception cref="InputException">The file is no checkpoint or could not be written; it is as it was.</exception>
    public static void Store(string path, ScoreThreshold threshold)
    {
        using var scope = torch.NewDisposeScope();
        var tensors = new Dictionary<string, torch.Tensor>();
        Dictionary<string, string> metadata;
        using (var checkpoint = Open(path))
        {
            foreach (var name in checkpoint.file.Entries.Keys)
            {
                tensors.Add(name, checkpoint.file.Read(name));
            }

            // What a later version may have added stays as well.
            metadata = new(checkpoint.file.Metadata);
            foreach (var (key, value) in (checkpoint.Info with { Threshold = threshold }).ToMetadata())
            {
                metadata[key] = value;
            }
        }

        DurableFile.Replace(path, stream => SafetensorsFile.Write(stream, tensors, metadata));
    }

    /// <summary>Copies the stored weights and buffers into a model of the same structure.</summary>
    /// <exception cref="InputException">Entries are missing, unexpected, or of another shape or type; the first are listed and nothing was
    /// loaded.</exception>
    public void LoadInto(torch.nn.Module model) => LoadInto(model, exceptPrefix: null);

    /// <summary>Copies the stored weights and buffers but those whose names begin with a prefix, which stay as they are.</summary>
    /// <exception cref="InputException">As above.</exception>
    internal void LoadInto(torch.nn.Module model, string? exceptPrefix) =>
        StrictLoading.Load(file, ModelPrefix, model.state_dict(), "the model", exceptPrefix);

    /// <summary>
    /// Copies the stored state into an optimiser over the same named parameters; the next step continues exactly where the stored run
    /// stood.
    /// </summary>
    /// <exception cref="InputException">Entries are missing, unexpected, or of another shape or type; the first are listed and nothing was
    /// loaded.</exception>
    public void LoadInto(Optimiser optimiser) =>
        optimiser.Restore(state => StrictLoading.Load(file, OptimiserPrefix, state, "the optimiser"));

    /// <summary>
    /// Puts the weights that training goes on from in the place of the average, which was loaded into the model. A phase that is over has its average alone, and goes on from it.
    /// </summary>
    /// <exception cref="InputException">As above.</exception>
    public void LoadInto(WeightAverage average)
    {
        if (file.Entries.Keys.Any(name => name.StartsWith(TrainingPrefix, StringComparison.Ordinal)))
        {
            StrictLoading.Load(file, TrainingPrefix, average.Outside, "the average of the weights");
            average.Exchange();
        }
    }

    /// <summary>Sets torch's global random generator to where it stood.</summary>
    /// <exception cref="InputException">The file holds no random state.</exception>
    public void RestoreRandomState()
    {
        using var scope = torch.NewDisposeScope();
        var current = torch.get_rng_state();
        StrictLoading.Load(file, RandomState, new Dictionary<string, torch.Tensor> { [""] = current }, "this version of torch");
        torch.set_rng_state(current);
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static string LastGood(string path)
    {
        if (!File.Exists(path))
        {
            return "there is no earlier checkpoint";
        }

        try
        {
            using var earlier = Open(path);
            return $"the last good checkpoint is that of epoch {earlier.Info.Epoch} of {earlier.Info.Phase}";
        }
        catch (InputException exception)
        {
            return exception.Message.TrimEnd('.');
        }
    }
}

/// <summary>Where a run stands, beside its tensors.</summary>
/// <param name="Phase">Name of the training phase.</param>
/// <param name="Epoch">Finished epochs of that phase.</param>
/// <param name="Step">Finished steps of that phase.</param>
/// <param name="Recipe">The resolved recipe as JSON.</param>
/// <param name="History">What was measured so far, as JSON.</param>
/// <param name="ClassNames">Class names in label order.</param>
/// <param name="TrainingCounts">Training images per class; they define the tail and the shot groups.</param>
/// <param name="LogLength">Bytes of the run's log at this point; what lies behind them is repeated after resuming.</param>
/// <param name="Threshold">That of the deployed model; null where none was chosen yet.</param>
/// <param name="ImageSize">Rows and columns of the images it was trained on; null in a file of an earlier version, which did not say.</param>
/// <param name="Data">What tells its images from others; null in a file of version 1.</param>
public sealed record CheckpointInfo(
    string Phase,
    int Epoch,
    long Step,
    string Recipe,
    string History,
    IReadOnlyList<string> ClassNames,
    IReadOnlyList<int> TrainingCounts,
    long LogLength = 0,
    ScoreThreshold? Threshold = null,
    int? ImageSize = null,
    DataFingerprint? Data = null)
{
    /// <summary>How images become the squares that the network takes. A file of an earlier version does not say: all were read as small images.</summary>
    public ImageGeometry Geometry { get; init; } = ImageGeometry.SmallImages;

    private const string Format = "pascl-checkpoint";
    private const int Version = 2;
    private const string ThresholdKey = "calibration";
    private const string ImageSizeKey = "image_size";
    private const string GeometryKey = "geometry";
    private const string DataKey = "data";

    /// <summary>The strings by which a file carries this record.</summary>
    internal Dictionary<string, string> ToMetadata()
    {
        var metadata = Position();
        if (Threshold is not null)
        {
            metadata.Add(ThresholdKey, Json(Threshold));
        }

        if (ImageSize is not null)
        {
            metadata.Add(ImageSizeKey, Json(ImageSize));
        }

        if (Geometry != ImageGeometry.SmallImages)
        {
            metadata.Add(GeometryKey, Json(Geometry));
        }

        if (Data is not null)
        {
            metadata.Add(DataKey, Json(Data));
        }

        return metadata;
    }

    /// <summary>Reads the record back from a file.</summary>
    /// <exception cref="InputException">The file is no checkpoint, or one of another version.</exception>
    internal static CheckpointInfo FromFile(SafetensorsFile file)
    {
        if (Text("format") != Format)
        {
            throw new InputException($"{file.Path} holds tensors but is not a checkpoint of this program.");
        }

        // Version 1 had no fingerprint of the images, and recipes of format 1.
        if (Value<int>("format_version") is < 1 or > Version)
        {
            throw new InputException(
                $"{file.Path} is of version {Text("format_version")}; this program reads up to {Version}. Use the version of Pascl that wrote it, or a newer one.");
        }

        return new CheckpointInfo(
            Text("phase"),
            Value<int>("epoch"),
            Value<long>("step"),
            Text("recipe"),
            Text("history"),
            Value<string[]>("class_names"),
            Value<int[]>("training_counts"),
            Value<long>("log_length"),
            file.Metadata.ContainsKey(ThresholdKey) ? Value<ScoreThreshold>(ThresholdKey) : null,
            file.Metadata.ContainsKey(ImageSizeKey) ? Value<int>(ImageSizeKey) : null,
            file.Metadata.ContainsKey(DataKey) ? Value<DataFingerprint>(DataKey) : null)
        {
            Geometry = file.Metadata.ContainsKey(GeometryKey) ? Value<ImageGeometry>(GeometryKey) : ImageGeometry.SmallImages,
        };

        string Text(string key) =>
            file.Metadata.TryGetValue(key, out var text)
                ? text
                : throw new InputException($"{file.Path} is not a checkpoint: its metadata has no '{key}'.");

        T Value<T>(string key)
        {
            try
            {
                return JsonSerializer.Deserialize<T>(Text(key)) ?? throw new JsonException("null was not expected");
            }
            catch (Exception exception) when (exception is JsonException or ArgumentException)
            {
                throw new InputException($"{file.Path} is damaged: its metadata says {key} = '{Text(key)}'.", exception);
            }
        }
    }

    private Dictionary<string, string> Position() => new()
    {
        ["format"] = Format,
        ["format_version"] = Json(Version),
        ["phase"] = Phase,
        ["epoch"] = Json(Epoch),
        ["step"] = Json(Step),
        ["recipe"] = Recipe,
        ["history"] = History,
        ["class_names"] = Json(ClassNames),
        ["training_counts"] = Json(TrainingCounts),
        ["log_length"] = Json(LogLength),
    };

    private static string Json<T>(T value) => JsonSerializer.Serialize(value);
}

/// <summary>
/// Where a deployed model draws the line: an image whose out-of-distribution score is at most the threshold is accepted, any other is rejected. Chosen on
/// in-distribution images that the model was not trained on.
/// </summary>
/// <param name="Score">Name of the score, for example <c>msp</c>.</param>
/// <param name="TruePositiveRate">The share of in-distribution images that was asked to be accepted.</param>
/// <param name="Value">The highest score that is accepted.</param>
/// <param name="Images">In-distribution images by which the threshold was chosen.</param>
/// <param name="Precision">The arithmetic that the scores were computed in; null in a file of an earlier version, which used that of the training.</param>
public sealed record ScoreThreshold(
    string Score,
    double TruePositiveRate,
    [property: JsonPropertyName("Threshold")] double Value,
    int Images,
    [property: JsonConverter(typeof(JsonStringEnumConverter<Precision>)), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Precision? Precision = null);
