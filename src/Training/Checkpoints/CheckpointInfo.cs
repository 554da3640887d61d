using System.Text.Json;

namespace Pascl.Training.Checkpoints;

/// <summary>Where a run stands, beside its tensors.</summary>
/// <param name="Phase">Name of the training phase.</param>
/// <param name="Epoch">Finished epochs of that phase.</param>
/// <param name="Step">Finished steps of that phase.</param>
/// <param name="Recipe">The resolved recipe as JSON.</param>
/// <param name="History">What was measured so far, as JSON.</param>
/// <param name="ClassNames">Class names in label order.</param>
/// <param name="TrainingCounts">Training images per class; they define the tail and the shot groups.</param>
/// <param name="LogLength">Bytes of the run's log at this point; what lies behind them is repeated after resuming.</param>
/// <param name="Calibration">The threshold of the deployed model; null where none was chosen yet.</param>
/// <param name="ImageSize">Rows and columns of the images it was trained on; null in a file of an earlier version, which did not say.</param>
public sealed record CheckpointInfo(
    string Phase,
    int Epoch,
    long Step,
    string Recipe,
    string History,
    IReadOnlyList<string> ClassNames,
    IReadOnlyList<int> TrainingCounts,
    long LogLength = 0,
    Calibration? Calibration = null,
    int? ImageSize = null)
{
    private const string Format = "pascl-checkpoint";
    private const string Version = "1";
    private const string CalibrationKey = "calibration";
    private const string ImageSizeKey = "image_size";

    /// <summary>The strings by which a file carries this record.</summary>
    internal Dictionary<string, string> ToMetadata()
    {
        var metadata = Position();
        if (Calibration is not null)
        {
            metadata.Add(CalibrationKey, Json(Calibration));
        }

        if (ImageSize is not null)
        {
            metadata.Add(ImageSizeKey, Json(ImageSize));
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

        if (Text("format_version") != Version)
        {
            throw new InputException($"{file.Path} is of version {Text("format_version")}; this program reads version {Version}.");
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
            file.Metadata.ContainsKey(CalibrationKey) ? Value<Calibration>(CalibrationKey) : null,
            file.Metadata.ContainsKey(ImageSizeKey) ? Value<int>(ImageSizeKey) : null);

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
            catch (JsonException exception)
            {
                throw new InputException($"{file.Path} is damaged: its metadata says {key} = '{Text(key)}'.", exception);
            }
        }
    }

    private Dictionary<string, string> Position() => new()
    {
        ["format"] = Format,
        ["format_version"] = Version,
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
