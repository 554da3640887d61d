using System.Text.RegularExpressions;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>A file of somebody's weights by the names of our network, whatever it was wrapped in when it was saved.</summary>
internal sealed class ImportedFile : IDisposable
{
    /// <summary>The classifier that the authors train.</summary>
    public const string Linear = "linear";

    private const string AuxiliaryLinear = "aux_linear";

    // torchvision's, and so that of the authors' network for ImageNet.
    private const string TorchvisionClassifier = "fc";

    // The parts of the network: a name below them that it lacks changes what it computes. A head beside them is merely not used.
    private static readonly string[] parts = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", Linear, "auxiliary_linear", "projection"];

    private const string Projection = "projection.";

    private readonly ConvertedFile file;
    private readonly Dictionary<string, string> names;

    private ImportedFile(ConvertedFile file, Dictionary<string, string> names, IReadOnlyList<string> unused) =>
        (this.file, this.names, Unused) = (file, names, unused);

    public string Path => file.Path;

    /// <summary>Tensors of the file that parts of the network take.</summary>
    public int Matched => names.Count;

    /// <summary>Tensors of the file that no part of the network takes, by their names in it.</summary>
    public IReadOnlyList<string> Unused { get; }

    /// <summary>Whether the file holds both branches, as our own safetensors files do.</summary>
    public bool HasBothBranches => names.Keys.Any(name => !AuthorsLayout.IsName(name));

    /// <summary>The types that weights were converted from, a sentence each.</summary>
    public IEnumerable<string> Conversions => file.Conversions(names.Values).Select(type => $"{type.Count} tensors of type {type.Type} were converted to Float32.");

    /// <summary>What was done to the weights beside copying them, a sentence each.</summary>
    public IEnumerable<string> Notes
    {
        get
        {
            foreach (var conversion in Conversions)
            {
                yield return conversion;
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
    public NetworkShape Shape => NetworkShape.Of(Path, Shapes(names.Keys));

    /// <summary>The same by the tensors before the features alone, with or without a classifier.</summary>
    /// <exception cref="InputException">It is of another network.</exception>
    public NetworkShape BackboneShape => NetworkShape.Of(Path, Shapes(Backbone), needsClassifier: false);

    /// <summary>The tensors of the file behind the features, by their names in it.</summary>
    public IReadOnlyList<string> Head => [.. names.Keys.Except(Backbone).Select(name => names[name])];

    private string[] Backbone => [.. names.Keys.Where(name => AuthorsLayout.IsName(name) && !DualBranchNetwork.IsInHead(name))];

    private Dictionary<string, IReadOnlyList<long>> Shapes(IEnumerable<string> of)
    {
        var tensors = file.Tensors;
        return of.ToDictionary(name => name, name => tensors[names[name]].Shape);
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
        var state = model.state_dict();
        var all = HasBothBranches ? state.Keys : AuthorsLayout.Names(state.Keys);
        Load(names, all.Where(name => HasProjection || !name.StartsWith(Projection, StringComparison.Ordinal)).ToDictionary(name => name, name => state[name]), "the network");
    }

    /// <summary>Copies the file's tensors before the features into both branches of a network; what stands behind the features stays as it is.</summary>
    /// <exception cref="InputException">As <see cref="LoadInto"/>.</exception>
    public void LoadBackboneInto(DualBranchNetwork model)
    {
        using var scope = torch.NewDisposeScope();
        var state = model.state_dict();
        var targets = AuthorsLayout.Names(state.Keys).Where(name => !DualBranchNetwork.IsInHead(name)).ToDictionary(name => name, name => state[name]);
        Load(Backbone.ToDictionary(name => name, name => names[name]), targets, "the backbone of the network");
        model.CopyMainToAuxiliary();
    }

    private void Load(Dictionary<string, string> sources, Dictionary<string, torch.Tensor> targets, string owner)
    {
        using var frozen = torch.no_grad();
        if (!HasCounts)
        {
            foreach (var name in targets.Keys.Where(name => name.EndsWith(ConvertedFile.CountSuffix, StringComparison.Ordinal)).ToList())
            {
                targets[name].zero_();
                targets.Remove(name);
            }
        }

        StrictLoading.Load(file, sources, targets, owner);
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
        if (!names.ContainsKey($"{Linear}.weight"))
        {
            Rename(TorchvisionClassifier);
        }

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
            Rename(AuxiliaryLinear);
        }

        void Rename(string from)
        {
            foreach (var leaf in (string[])["weight", "bias"])
            {
                if (names.Remove($"{from}.{leaf}", out var stored))
                {
                    names[$"{Linear}.{leaf}"] = stored;
                }
            }
        }
    }
}

/// <summary>The names of a file's tensors without what wrappers put before and between them.</summary>
internal static partial class ImportedNames
{
    private const string Stem = "conv1.weight";

    // What DataParallel and DistributedDataParallel, torch.compile, FSDP and activation checkpointing put before the names of what they wrap.
    private static readonly string[] wrappers = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

    /// <summary>
    /// The names of the network by the names in the file. A prefix of any kind is taken off that all of the network shares, which is what stands before its
    /// first convolution; names without it stay as they are, and so do those for which there is one with it.
    /// </summary>
    /// <param name="path">The file, for the message.</param>
    /// <param name="stored">The names in the file.</param>
    /// <param name="unused">Receives the names in the file that are those of other tensors already.</param>
    /// <returns>The names in the file by those of the network.</returns>
    /// <exception cref="InputException">Two names are the same without wrappers, or there are several networks.</exception>
    public static Dictionary<string, string> Of(string path, IEnumerable<string> stored, ICollection<string> unused)
    {
        var plain = stored.Order(StringComparer.Ordinal).Select(name => (Stored: name, Plain: WithoutWrappers(name))).ToList();
        var prefix = PrefixOf(path, plain.Select(name => name.Plain));
        var names = new Dictionary<string, string>();
        foreach (var (name, inner) in plain.Where(name => name.Plain.StartsWith(prefix, StringComparison.Ordinal)))
        {
            if (!names.TryAdd(inner[prefix.Length..], name))
            {
                throw new InputException($"{path} holds {name} and {names[inner[prefix.Length..]]}, which are the same tensor of the network.");
            }
        }

        foreach (var (name, inner) in plain.Where(name => !name.Plain.StartsWith(prefix, StringComparison.Ordinal)))
        {
            if (!names.TryAdd(inner, name))
            {
                unused.Add(name);
            }
        }

        return names;
    }

    private static string WithoutWrappers(string name)
    {
        var parts = name.Split('.').Where(part => !wrappers.Contains(part)).ToArray();

        // Lightning and our checkpoints, more than once where a script wraps what another one wrapped.
        return string.Join('.', parts.SkipWhile((part, index) => part == "model" && index < parts.Length - 1));
    }

    private static string PrefixOf(string path, IEnumerable<string> names)
    {
        string[] prefixes =
        [
            .. names.Where(name => name.EndsWith(Stem, StringComparison.Ordinal)).Select(name => name[..^Stem.Length])
                .Where(prefix => prefix.Length == 0 || (prefix.EndsWith('.') && !InsideBlock().IsMatch(prefix))),
        ];
        return prefixes switch
        {
            [] => "",
            [var only] => only,
            _ when prefixes.Contains("") => "",
            _ => throw new InputException(
                $"{path} holds several networks, whose names begin with {string.Join(", ", prefixes)}. Say with --key which to take, for example "
                + $"--key {prefixes[0].TrimEnd('.')} (--auxiliary-key for the finetuned file, --weights-key in a training)."),
        };
    }

    [GeneratedRegex(@"(^|\.)layer\d+\.\d+\.$")]
    private static partial Regex InsideBlock();
}

/// <summary>
/// A file whose numbers are read in the types of our network, as <c>load_state_dict</c> does: weights of any floating-point type as float32, counts of
/// batches as int64.
/// </summary>
internal sealed class ConvertedFile : ITensorFile
{
    /// <summary>How the names of BatchNorm's counts of batches end.</summary>
    public const string CountSuffix = ".num_batches_tracked";

    private readonly ITensorFile file;

    /// <summary>Wraps a file, which is closed with it.</summary>
    public ConvertedFile(ITensorFile file)
    {
        this.file = file;
        Tensors = file.Tensors.ToDictionary(tensor => tensor.Key, tensor => tensor.Value with { Type = TypeOf(tensor.Key, tensor.Value.Type) });
    }

    /// <inheritdoc/>
    public string Path => file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Unread => file.Unread;

    /// <summary>How many of the named tensors have each type that is converted.</summary>
    public IEnumerable<(torch.ScalarType Type, int Count)> Conversions(IEnumerable<string> names)
    {
        var stored = file.Tensors;
        return names.Where(name => !name.EndsWith(CountSuffix, StringComparison.Ordinal) && stored[name].Type != Tensors[name].Type)
            .CountBy(name => stored[name].Type)
            .Select(type => (type.Key, type.Value));
    }

    /// <inheritdoc/>
    public void ReadInto(string name, torch.Tensor target)
    {
        var stored = file.Tensors[name];
        if (stored.Type == target.dtype)
        {
            file.ReadInto(name, target);
            return;
        }

        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var read = torch.empty([.. stored.Shape], stored.Type);
        file.ReadInto(name, read);

        // A count of half precision ends at 65,504; what counts is that it is a number.
        target.copy_(target.dtype == torch.int64 && IsFloating(stored.Type) ? read.to(torch.float64).nan_to_num(0, 0, 0) : read);
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static torch.ScalarType TypeOf(string name, torch.ScalarType type)
    {
        if (name.EndsWith(CountSuffix, StringComparison.Ordinal))
        {
            return IsFloating(type) || type is torch.ScalarType.Int32 or torch.ScalarType.Int16 ? torch.ScalarType.Int64 : type;
        }

        return IsFloating(type) ? torch.ScalarType.Float32 : type;
    }

    private static bool IsFloating(torch.ScalarType type) =>
        type is torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Float32 or torch.ScalarType.Float64;
}
