using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Pascl.Training.Checkpoints;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Reporting;

namespace Pascl.Training;

/// <summary>
/// The folder of one run and the names of everything in it. While a process trains, it holds the folder's lock, so that no second one
/// writes there.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private const string LockFile = ".lock";
    private const int WouldBlock = 11;
    private const int SharingViolation = unchecked((int)0x80070020);

    private static readonly JsonSerializerOptions readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly JsonSerializerOptions inCamelCase = new(readable) { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    private readonly FileStream? heldLock;

    private RunFolder(string root, FileStream? heldLock, bool isWritten = true) => (Root, this.heldLock, IsWritten) = (root, heldLock, isWritten);

    /// <summary>Path of the folder.</summary>
    public string Root { get; }

    /// <summary>Whether this process writes there. Of several ranks the first one does; what the others would write is dropped.</summary>
    public bool IsWritten { get; }

    /// <summary>The recipe with every value that was used.</summary>
    public string Recipe => Path.Combine(Root, "recipe.json");

    /// <summary>One JSON object per reported step.</summary>
    public string Log => Path.Combine(Root, "log.jsonl");

    /// <summary>The last checkpoint, see <see cref="Checkpoints.Checkpoint"/>.</summary>
    public string Checkpoint => Path.Combine(Root, "checkpoint.safetensors");

    /// <summary>Where the events for TensorBoard go.</summary>
    public string Events => Path.Combine(Root, "events");

    /// <summary>Every number of the evaluation.</summary>
    public string Report => Path.Combine(Root, "report.json");

    /// <summary>The run's own report and what goes with it.</summary>
    public EvaluationFiles Evaluation => new(Report);

    /// <summary>What the run's threshold accepts, see <see cref="AcceptanceTable"/>.</summary>
    public string Threshold => Path.Combine(Root, "threshold.json");

    /// <summary>The model card, where one was asked for.</summary>
    public string ModelCard => Path.Combine(Root, "model-card.md");

    /// <summary>The model in eight bits, where it was exported.</summary>
    public string QuantisedModel => Path.Combine(Root, "model-int8.onnx");

    /// <summary>What a model in eight bits loses, beside it; see <see cref="Pascl.Training.Evaluation.QuantisationReport"/>.</summary>
    public static string QuantisationOf(string model) => Path.ChangeExtension(model, ".quantisation.json");

    /// <summary>What made the run, see <see cref="Training.Provenance"/>.</summary>
    public string Provenance => Path.Combine(Root, "provenance.json");

    /// <summary>The machine that the run was trained on, each part and what it is.</summary>
    public string Machine => Path.Combine(Root, "machine.json");

    /// <summary>
    /// What the last process did in the folder when it ended without a word, as sentences with what to do; null where it did not. A native library that aborts takes the
    /// process with it, so a file says what is being done while that may happen for the first time. Where another rank writes, it is the one that asks.
    /// </summary>
    public string? AbruptEnd => IsWritten && File.Exists(MarkFile) && TryRead(MarkFile) is { } doing
        ? $"The last process that trained in {Root} ended without a word in {doing}: a native library aborted, or the process was killed. "
            + "See what this machine computes rightly with: pascl doctor. Another --width or --precision, the environment variable ONEDNN_MAX_CPU_ISA=AVX2, or a LIBTORCH_PATH "
            + "that names another libtorch 2.10 may avoid it."
        : null;

    private string MarkFile => Path.Combine(Root, "doing.txt");

    /// <summary>The weights of a phase's best epoch, where images were held out to choose it.</summary>
    /// <param name="phase">Name of the phase.</param>
    public string Best(string phase) => Path.Combine(Root, $"best-{phase}.safetensors");

    /// <summary>Creates the folder of a new run.</summary>
    /// <param name="preset">Name of the recipe, part of the default name.</param>
    /// <param name="output">The folder to use, new or empty; <see langword="null"/> for <c>runs/DATE-PRESET</c>, with a number where that
    /// is taken.</param>
    /// <param name="time">The date of the default name; <see langword="null"/> for now.</param>
    /// <exception cref="InputException">The folder holds something already or cannot be written.</exception>
    public static RunFolder Create(string preset, string? output = null, DateTime? time = null)
    {
        if (output is not null)
        {
            var root = Path.GetFullPath(output);
            return TryClaim(root) ?? throw Taken(root);
        }

        var suffix = string.Concat(preset.Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '-'));
        var name = $"{time ?? DateTime.Now:yyyy-MM-dd-HHmmss}-{suffix}";
        var path = Path.GetFullPath(Path.Combine("runs", name));
        for (var number = 2; ; number++)
        {
            if (TryClaim(path) is { } folder)
            {
                return folder;
            }

            path = Path.GetFullPath(Path.Combine("runs", $"{name}-{number}"));
        }
    }

    /// <summary>Whether a run was begun here and stopped before its first checkpoint.</summary>
    public bool IsBeforeFirstCheckpoint => !File.Exists(Checkpoint) && File.Exists(Recipe);

    /// <summary>Opens the folder of a run to continue it, or to begin it again where it stopped before its first checkpoint.</summary>
    /// <exception cref="InputException">It holds no run, cannot be written, or another process is training in it.</exception>
    public static RunFolder Resume(string path)
    {
        var folder = At(path);
        folder = folder.IsBeforeFirstCheckpoint ? folder : Open(path);
        return new RunFolder(folder.Root, Lock(folder.Root, FileMode.OpenOrCreate));
    }

    /// <summary>The run beside others in a folder that was begun last; for a scheduler that starts the same command again.</summary>
    /// <exception cref="InputException">There is none.</exception>
    public static string Latest(string folder) =>
        (Directory.Exists(folder) ? Directory.EnumerateDirectories(folder) : []).Where(run => File.Exists(At(run).Recipe)).MaxBy(run => File.GetLastWriteTimeUtc(At(run).Recipe))
            ?? throw new InputException($"{Path.GetFullPath(folder)} holds no run to continue; begin one without --resume.");

    /// <summary>Throws where the folder of a new run is taken, before anything is read for it.</summary>
    /// <exception cref="InputException">It is.</exception>
    public static void RequireFree(string? output)
    {
        if (output is not null && Directory.Exists(output) && IsTaken(output))
        {
            throw Taken(Path.GetFullPath(output));
        }
    }

    /// <summary>The folder of a run that another process writes.</summary>
    internal static RunFolder Follow(string path) => new(Path.GetFullPath(path), null, isWritten: false);

    /// <summary>The names of everything in a run folder, whatever is there.</summary>
    public static RunFolder At(string path) => new(Path.GetFullPath(path), null);

    /// <summary>Opens the folder of a run to read it.</summary>
    /// <exception cref="InputException">It holds no checkpoint.</exception>
    public static RunFolder Open(string path)
    {
        var folder = At(path);
        if (File.Exists(folder.Checkpoint))
        {
            return folder;
        }

        throw new InputException(
            File.Exists(folder.Root) ? $"{folder.Root} is a file; name the folder of a run{(Path.GetDirectoryName(folder.Root) is { } above && File.Exists(At(above).Checkpoint) ? $", {above}" : "")}."
            : !Directory.Exists(folder.Root) ? $"{folder.Root} does not exist; the folder of a run was expected."
            : File.Exists(folder.Recipe) ? folder.WithAbruptEnd($"{folder.Root} holds a run that stopped before its first checkpoint; begin it again with: pascl train --resume {folder.Root}")
            : $"{folder.Root} is not the folder of a run: it has no checkpoint.safetensors.");
    }

    /// <summary>Notes what is being done until the result is disposed of; a process that ends before leaves the note for <see cref="AbruptEnd"/>.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    internal IDisposable Mark(string doing)
    {
        Write(MarkFile, doing);
        return new MarkRemoval(IsWritten ? MarkFile : null);
    }

    /// <summary>Writes <see cref="Recipe"/>, whole or not at all.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    public void WriteRecipe(string json) => Write(Recipe, json);

    /// <summary>Writes <see cref="Threshold"/>, whole or not at all.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    public void WriteThreshold(AcceptanceTable table)
    {
        if (IsWritten)
        {
            table.Write(Threshold);
        }
    }

    /// <summary>Reads <see cref="Threshold"/>; null where no threshold was chosen for the weights, or there is no table of it.</summary>
    /// <param name="chosen">The threshold of the checkpoint, which is that of its weights.</param>
    /// <exception cref="InputException">The file is damaged, or the table of another threshold.</exception>
    public AcceptanceTable? ReadThreshold(ScoreThreshold? chosen) =>
        chosen is null || !File.Exists(Threshold) ? null : AcceptanceTable.Read(Threshold, chosen.Score, chosen.Value);

    /// <summary>Writes <see cref="Provenance"/>, whole or not at all.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    internal void WriteProvenance(Provenance provenance) => Write(Provenance, JsonSerializer.Serialize(provenance, inCamelCase));

    /// <summary>Reads <see cref="Provenance"/>; null where there is none, as in a run of an earlier version, or where it is damaged.</summary>
    internal Provenance? ReadProvenance()
    {
        try
        {
            return File.Exists(Provenance) ? JsonSerializer.Deserialize<Provenance>(File.ReadAllText(Provenance), inCamelCase) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes <see cref="Machine"/>, whole or not at all.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    public void WriteMachine(IEnumerable<(string Name, string Value)> rows) =>
        Write(Machine, JsonSerializer.Serialize(rows.ToDictionary(row => row.Name, row => row.Value), readable));

    /// <summary>Releases the lock.</summary>
    public void Dispose() => heldLock?.Dispose();

    /// <summary><see cref="AbruptEnd"/> of the run that was started last among those beside this one; null where a process is still training in it.</summary>
    internal string? AbruptEndOfNeighbour()
    {
        if (!IsWritten)
        {
            return null;
        }

        try
        {
            var last = Directory.GetParent(Root)?.EnumerateDirectories()
                .Where(folder => folder.FullName != Root)
                .Select(folder => At(folder.FullName))
                .Where(run => File.Exists(run.Recipe))
                .MaxBy(run => File.GetLastWriteTimeUtc(run.Recipe));
            if (last?.AbruptEnd is { } abrupt)
            {
                Lock(last.Root, FileMode.OpenOrCreate).Dispose();
                return abrupt;
            }
        }
        catch (Exception exception) when (exception is InputException or IOException or UnauthorizedAccessException)
        {
            // It is in use, or cannot be read: then there is nothing to say of it.
        }

        return null;
    }

    private string WithAbruptEnd(string sentence) => AbruptEnd is { } abrupt ? $"{sentence} {abrupt}" : sentence;

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Write(string path, string text)
    {
        if (IsWritten)
        {
            DurableFile.Replace(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
        }
    }

    private static RunFolder? TryClaim(string root)
    {
        try
        {
            Directory.CreateDirectory(root);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var reason = File.Exists(root) ? "a file of that name exists" : DurableFile.Reason(exception);
            throw new InputException($"{root} could not be created: {reason}. Choose another --out.", exception);
        }

        try
        {
            return IsTaken(root) ? null : new RunFolder(root, Lock(root, FileMode.OpenOrCreate));
        }
        catch (InputException) when (File.Exists(Path.Combine(root, LockFile)))
        {
            // Another process took the folder between the look and the lock.
            return null;
        }
    }

    // A lock that nobody holds was left by a process that was killed before it wrote anything.
    private static bool IsTaken(string root) => Directory.EnumerateFileSystemEntries(root).Any(entry => Path.GetFileName(entry) != LockFile);

    private static InputException Taken(string root) => new(
        File.Exists(At(root).Recipe)
            ? At(root).WithAbruptEnd($"{root} already holds a run; choose another --out or continue it with --resume.")
            : $"{root} is not an empty folder, or another process begins a run there; choose another --out.");

    private static FileStream Lock(string root, FileMode mode)
    {
        try
        {
            return new FileStream(Path.Combine(root, LockFile), mode, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException exception) when (exception.HResult is WouldBlock or SharingViolation)
        {
            throw new InputException($"{root} is in use: another process is training there.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException($"{root} cannot be written: {DurableFile.Reason(exception)}. Choose another --out.", exception);
        }
    }

    private sealed class MarkRemoval(string? path) : IDisposable
    {
        private string? path = path;

        public void Dispose()
        {
            if (path is not null)
            {
                File.Delete(path);
                path = null;
            }
        }
    }
}

/// <summary>What made a run, so that its numbers can be traced: the program, the images, and the weights that came out.</summary>
/// <param name="PasclVersion">The version of Pascl.</param>
/// <param name="PasclCommit">The commit that it was built from.</param>
/// <param name="Written">When this was written.</param>
/// <param name="Data">What tells the images from others.</param>
/// <param name="Warnings">What is wrong with them as a whole.</param>
/// <param name="Weights">The hash of the weights; null before the training has ended.</param>
public sealed record Provenance(
    string PasclVersion, string PasclCommit, string Written, DataFingerprint? Data, IReadOnlyList<string> Warnings, string? Weights)
{
    /// <summary>That of this program, now.</summary>
    public static Provenance Now(DataFingerprint? data, IReadOnlyList<string> warnings, string? weights) => new(
        ProgramVersion.Number, ProgramVersion.Commit, DateTimeOffset.Now.ToString("yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture), data, warnings, weights);
}

/// <summary>The version of Pascl that is running, for what it writes.</summary>
public static class ProgramVersion
{
    private static readonly string[] parts =
        (typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown").Split('+', 2);

    /// <summary>The version, for example <c>0.1.0</c>.</summary>
    public static string Number => parts[0];

    /// <summary>The commit that it was built from; <c>unknown</c> where it was built outside of a repository.</summary>
    public static string Commit => parts.Length > 1 ? parts[1] : "unknown";
}
