using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>A file of somebody's weights by the names of our network, whatever it was wrapped in when it was saved.</summary>
internal sealed class ImportedFile : IDisposable
{
    /// <summary>The classifier that the authors train.</summary>
    public const string Linear = "linear";

    private const string AuxiliaryLinear = "aux_linear";

    // The parts of the network: a name below them that it lacks changes what it computes. A head beside them is merely not used.
    private static readonly string[] parts = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", Linear, "auxiliary_linear", "projection"];

    private const string Projection = "projection.";

    private readonly ConvertedFile file;
    private readonly Dictionary<string, string> names;

    private ImportedFile(ConvertedFile file, Dictionary<string, string> names, IReadOnlyList<string> unused) =>
        (this.file, this.names, Unused) = (file, names, unused);

    /// <summary>Path of the file.</summary>
    public string Path => file.Path;

    /// <summary>Tensors of the file that parts of the network take.</summary>
    public int Matched => names.Count;

    /// <summary>Tensors of the file that no part of the network takes, by their names in it.</summary>
    public IReadOnlyList<string> Unused { get; }

    /// <summary>Whether the file holds both branches, as our own safetensors files do.</summary>
    public bool HasBothBranches => names.Keys.Any(name => !AuthorsLayout.IsName(name));

    /// <summary>What was done to the weights beside copying them, a sentence each.</summary>
    public IEnumerable<string> Notes
    {
        get
        {
            foreach (var (type, count) in file.Conversions(names.Values))
            {
                yield return $"{count} tensors of type {type} were converted to Float32.";
            }

            if (!HasCounts)
            {
                yield return "It has no num_batches_tracked, as files of old versions of PyTorch; 0 was taken, and nothing depends on it.";
            }

            if (!HasProjection)
            {
                yield return "It has no projection, which only contrastive training uses; that stays as it was drawn.";
            }
        }
    }

    /// <summary>The shape of the network that the file is of.</summary>
    /// <exception cref="InputException">It is of another network.</exception>
    public NetworkShape Shape
    {
        get
        {
            var tensors = file.Tensors;
            return NetworkShape.Of(Path, names.ToDictionary(name => name.Key, name => tensors[name.Value].Shape));
        }
    }

    private bool HasCounts => names.Keys.Any(name => name.EndsWith(ConvertedFile.CountSuffix, StringComparison.Ordinal));

    private bool HasProjection => names.Keys.Any(name => name.StartsWith(Projection, StringComparison.Ordinal));

    /// <summary>Opens a file.</summary>
    /// <param name="path">A file of PyTorch or a safetensors file.</param>
    /// <param name="classifier">Which classifier to take, <c>linear</c> or <c>aux_linear</c>; null for the only one.</param>
    /// <param name="usual">Which one to take where there are two and none was chosen; null where one must be.</param>
    /// <param name="key">Where in the file the weights are; null for the only ones.</param>
    /// <exception cref="InputException">It cannot be read, or has not exactly one classifier and none was chosen.</exception>
    public static ImportedFile Open(string path, string? classifier = null, string? usual = null, string? key = null)
    {
        var file = new ConvertedFile(TensorFiles.Open(path, key));
        try
        {
            var unused = new List<string>();
            var names = ImportedNames.Of(path, file.Tensors.Keys, unused);
            ChooseClassifier(path, names, classifier, usual);
            foreach (var (name, stored) in names.Where(name => !parts.Contains(name.Key.Split('.')[0])).ToList())
            {
                names.Remove(name);
                unused.Add(stored);
            }

            foreach (var (name, type) in file.Unread)
            {
                if (name.Split('.').Any(parts.Contains))
                {
                    throw new InputException($"{path} holds {name} as {type}, which is not read; convert the weights to F32, F16 or BF16.");
                }

                unused.Add(name);
            }

            unused.Sort(StringComparer.Ordinal);
            return new ImportedFile(file, names, unused);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Copies the file's tensors into a network: both branches where it holds both, else the main branch.</summary>
    /// <exception cref="InputException">
    /// A tensor is missing, unexpected, or of another shape or type, and nothing was loaded; or one holds values that are no numbers.
    /// </exception>
    public void LoadInto(DualBranchNetwork model)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var state = model.state_dict();
        var all = HasBothBranches ? state : AuthorsLayout.Names(state.Keys).ToDictionary(name => name, name => state[name]);
        var targets = all.Where(target => HasProjection || !target.Key.StartsWith(Projection, StringComparison.Ordinal)).ToDictionary();
        if (!HasCounts)
        {
            foreach (var name in targets.Keys.Where(name => name.EndsWith(ConvertedFile.CountSuffix, StringComparison.Ordinal)).ToList())
            {
                targets[name].zero_();
                targets.Remove(name);
            }
        }

        StrictLoading.Load(file, names, targets, "the network");
        foreach (var (name, tensor) in targets)
        {
            if (!tensor.isfinite().all().item<bool>())
            {
                throw new InputException(
                    $"{Path} holds values in {names[name]} that are not finite (NaN or infinity), with which no image can be scored; "
                    + "take the weights of an earlier epoch.");
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    // Afterwards the chosen classifier is called linear, and the other one is gone.
    private static void ChooseClassifier(string path, Dictionary<string, string> names, string? classifier, string? usual)
    {
        string[] present = [.. new[] { Linear, AuxiliaryLinear }.Where(name => names.ContainsKey($"{name}.weight"))];
        if (classifier is not null && !present.Contains(classifier))
        {
            throw new InputException($"{path} has no classifier {classifier}, only {string.Join(" and ", present.DefaultIfEmpty("none"))}.");
        }

        var chosen = classifier ?? (present.Length == 1 ? present[0] : usual);
        if (chosen is null && present.Length > 1)
        {
            throw new InputException(
                $"{path} has two classifiers, {Linear} and {AuxiliaryLinear}; say with --classifier which of them was finetuned "
                + "(the other may never have been trained).");
        }

        if (chosen == AuxiliaryLinear)
        {
            foreach (var leaf in (string[])["weight", "bias"])
            {
                if (names.Remove($"{AuxiliaryLinear}.{leaf}", out var stored))
                {
                    names[$"{Linear}.{leaf}"] = stored;
                }
            }
        }
    }
}
