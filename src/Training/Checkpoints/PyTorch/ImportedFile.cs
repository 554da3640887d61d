using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>A file of somebody's weights by the names of our network, whatever it was wrapped in when it was saved.</summary>
internal sealed class ImportedFile : IDisposable
{
    /// <summary>The classifier that the authors train.</summary>
    public const string Linear = "linear";

    private const string AuxiliaryLinear = "aux_linear";

    // DataParallel and DistributedDataParallel put the first before every name, wrappers of their own and our checkpoints the second.
    private static readonly string[] prefixes = ["module.", "model."];

    // The parts of the network: a name below them that it lacks changes what it computes. A head beside them is merely not used.
    private static readonly string[] parts = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", Linear, "auxiliary_linear", "projection"];

    private readonly ITensorFile file;
    private readonly Dictionary<string, string> names;

    private ImportedFile(ITensorFile file, Dictionary<string, string> names, IReadOnlyList<string> unused) =>
        (this.file, this.names, Unused) = (file, names, unused);

    /// <summary>Path of the file.</summary>
    public string Path => file.Path;

    /// <summary>Tensors of the file that parts of the network take.</summary>
    public int Matched => names.Count;

    /// <summary>Tensors of the file that no part of the network takes, by their names in it.</summary>
    public IReadOnlyList<string> Unused { get; }

    /// <summary>Whether the file holds both branches, as our own safetensors files do.</summary>
    public bool HasBothBranches => names.Keys.Any(name => !AuthorsLayout.IsName(name));

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

    /// <summary>Opens a file.</summary>
    /// <param name="path">A file of PyTorch or a safetensors file.</param>
    /// <param name="classifier">Which classifier to take, <c>linear</c> or <c>aux_linear</c>; null for the only one.</param>
    /// <param name="usual">Which one to take where there are two and none was chosen; null where one must be.</param>
    /// <exception cref="InputException">It cannot be read, or has not exactly one classifier and none was chosen.</exception>
    public static ImportedFile Open(string path, string? classifier = null, string? usual = null)
    {
        var file = TensorFiles.Open(path);
        try
        {
            var names = new Dictionary<string, string>();
            foreach (var stored in file.Tensors.Keys.Order(StringComparer.Ordinal))
            {
                if (!names.TryAdd(WithoutPrefixes(stored), stored))
                {
                    throw new InputException($"{path} holds {stored} and {names[WithoutPrefixes(stored)]}, which are the same tensor of the network.");
                }
            }

            ChooseClassifier(path, names, classifier, usual);
            var unused = names.Where(name => !parts.Contains(name.Key.Split('.')[0])).ToList();
            unused.ForEach(name => names.Remove(name.Key));
            return new ImportedFile(file, names, [.. unused.Select(name => name.Value)]);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Copies the file's tensors into a network: both branches where it holds both, else the main branch.</summary>
    /// <exception cref="InputException">A tensor is missing, unexpected, or of another shape or type; all are listed and nothing was loaded.</exception>
    public void LoadInto(DualBranchNetwork model)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var state = model.state_dict();
        var targets = HasBothBranches ? state : AuthorsLayout.Names(state.Keys).ToDictionary(name => name, name => state[name]);
        StrictLoading.Load(file, names, targets, "the network");
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static string WithoutPrefixes(string name)
    {
        while (prefixes.FirstOrDefault(prefix => name.StartsWith(prefix, StringComparison.Ordinal)) is { } prefix)
        {
            name = name[prefix.Length..];
        }

        return name;
    }

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

/// <summary>Puts the two files of the authors' method together into one network with two branches.</summary>
internal static class ImportedNetwork
{
    /// <summary>Fills both branches of <paramref name="model"/>.</summary>
    /// <param name="model">A network of the files' shape.</param>
    /// <param name="main">The file of the first phase, or one that holds both branches.</param>
    /// <param name="auxiliary">The finetuned file; null where the auxiliary branch is a copy of the main branch.</param>
    /// <exception cref="InputException">A file does not fit, or the two are not of the same convolutions.</exception>
    public static void Fill(DualBranchNetwork model, ImportedFile main, ImportedFile? auxiliary)
    {
        main.LoadInto(model);
        if (auxiliary is not null)
        {
            TakeAuxiliary(model, main, auxiliary);
        }
        else if (!main.HasBothBranches)
        {
            model.CopyMainToAuxiliary();
        }
    }

    private static void TakeAuxiliary(DualBranchNetwork model, ImportedFile main, ImportedFile auxiliary)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var shape = auxiliary.Shape;
        if (shape != main.Shape)
        {
            throw new InputException(
                $"{auxiliary.Path} is a {shape.Network} of width {shape.Width} with {shape.ClassCount} classes, and {main.Path} is not; "
                + "the two must be one network.");
        }

        using var other = shape.Create();
        auxiliary.LoadInto(other);
        var (ours, theirs) = (model.state_dict(), other.state_dict());
        foreach (var name in AuthorsLayout.Names(ours.Keys))
        {
            var target = AuthorsLayout.NameOf(name, Branch.Auxiliary, ours.Keys);
            if (target != name)
            {
                ours[target].copy_(theirs[name]);
            }
            else if (!name.StartsWith("projection.", StringComparison.Ordinal) && !ours[name].eq(theirs[name]).all().item<bool>())
            {
                // Finetuning freezes the convolutions, and one network can hold one set of them. The projection takes no part in a prediction.
                throw new InputException(
                    $"{auxiliary.Path} was not finetuned from {main.Path}: their {name} differ, and both branches share the convolutions. "
                    + "Give the first phase's file that belongs to it.");
            }
        }
    }
}

/// <summary>
/// The authors' network (amazon-science/long-tailed-ood-detection, models/resnet.py) has one branch, and a trained method is two files of it:
/// one per phase. The names of its state dictionary are those of our main branch.
/// </summary>
internal static class AuthorsLayout
{
    private const string Auxiliary = "auxiliary";

    /// <summary>Whether a name of our network is one of theirs, too: all are but those of the auxiliary branch and of other methods.</summary>
    public static bool IsName(string ours) =>
        !ours.Contains(Auxiliary, StringComparison.Ordinal) && !ours.StartsWith(DualBranchNetwork.MethodPrefix, StringComparison.Ordinal);

    /// <summary>The names of the authors' network among those of ours, in order.</summary>
    public static IEnumerable<string> Names(IEnumerable<string> ours) => ours.Where(IsName);

    /// <summary>The name by which our network stores one branch's tensor of the authors' name.</summary>
    /// <param name="name">A name of the authors' network.</param>
    /// <param name="branch">The branch.</param>
    /// <param name="ours">Every name of our network.</param>
    public static string NameOf(string name, Branch branch, IReadOnlyCollection<string> ours)
    {
        var leaf = name.LastIndexOf('.');
        string[] own = branch == Branch.Main ? [] : [$"{name[..leaf]}.{Auxiliary}{name[leaf..]}", $"{Auxiliary}_{name}"];
        return own.FirstOrDefault(ours.Contains) ?? name;
    }
}
