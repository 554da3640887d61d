using Pascl.Training.Networks;
using Pascl.Training.Pickling;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>The dictionaries of tensors in what a script saved: its network's, beside those of an average of it, an optimiser, measurements.</summary>
internal static class StateDictionaries
{
    // { "checkpoint": { "model": { "module": state } } }
    private const int DeepestNest = 4;
    private const int MostListed = 8;
    private const string Stem = "conv1.weight";

    /// <summary>The only dictionary of weights, or that of a name.</summary>
    /// <param name="path">The file, for the message.</param>
    /// <param name="root">What it holds.</param>
    /// <param name="key">
    /// The keys on the way to the weights with dots between them, for example <c>checkpoint.ema</c>; below the last of them it may go on with the beginning
    /// that the names of the tensors share. Null for the only ones.
    /// </param>
    /// <exception cref="InputException">There are several, or none of that name; the message says which there are.</exception>
    /// <exception cref="InvalidDataException">There are none at all.</exception>
    public static Dictionary<string, TorchTensor> Choose(string path, object? root, string? key)
    {
        var all = Find(root);
        if (key is not null)
        {
            var named = Follow(root, key) is { } below ? Likeliest(Find(below)) : [];
            return named is [var only] ? only.Tensors : throw NotThere(path, key, all);
        }

        return Likeliest(all) switch
        {
            [var only] => only.Tensors,
            [{ Path: "" } outermost, ..] => outermost.Tensors,
            [] => throw None(root),
            var several => throw new InputException(
                $"{path} holds several dictionaries of tensors: {List(several)}. Say with --key which to take, for example --key {several[0].Path} "
                + "(--auxiliary-key for the finetuned file, --weights-key in a training)."),
        };
    }

    /// <summary>That the name of the user is not there.</summary>
    public static InputException NotThere(string path, string key, IEnumerable<string> present) => new(
        $"{path} has no weights under {key}. It has: {string.Join(", ", present.DefaultIfEmpty("none"))}.");

    private static InputException NotThere(string path, string key, List<Candidate> all) => new(
        $"{path} has no dictionary of tensors under {key}" + (all.Count == 0 ? "." : $", but: {List(all)}."));

    // A part of a network, such as a classifier on its own or the weights of the classes in the loss, has no first convolution.
    private static List<Candidate> Likeliest(List<Candidate> all)
    {
        foreach (var suffix in (string[])[Stem, "weight"])
        {
            var likely = all.Where(candidate => candidate.Tensors.Keys.Any(name => name.EndsWith(suffix, StringComparison.Ordinal))).ToList();
            if (likely.Count > 0)
            {
                return likely;
            }
        }

        return all;
    }

    private static List<Candidate> Find(object? root)
    {
        var found = new List<Candidate>();
        Collect(root, "", 0, found, new HashSet<object>(ReferenceEqualityComparer.Instance));
        return found;
    }

    private static void Collect(object? value, string path, int depth, List<Candidate> found, HashSet<object> visited)
    {
        if (depth > DeepestNest || !IsContainer(value) || IsOptimiser(value) || !visited.Add(value!))
        {
            return;
        }

        if (value is Dictionary<string, object?> dictionary)
        {
            var tensors = dictionary.Where(entry => entry.Value is TorchTensor).ToDictionary(entry => entry.Key, entry => (TorchTensor)entry.Value!);
            if (tensors.Count > 0)
            {
                found.Add(new Candidate(path, tensors));
            }
        }

        foreach (var (name, child) in Children(value))
        {
            Collect(child, path.Length == 0 ? name : $"{path}.{name}", depth + 1, found, visited);
        }
    }

    private static object? Follow(object? value, string rest)
    {
        foreach (var (name, child) in Children(value))
        {
            if (name == rest)
            {
                return child;
            }

            if (name.Length > 0 && rest.StartsWith(name + ".", StringComparison.Ordinal) && Follow(child, rest[(name.Length + 1)..]) is { } found)
            {
                return found;
            }
        }

        return value is Dictionary<string, object?> dictionary ? Below(dictionary, rest + ".") : null;
    }

    private static Dictionary<string, object?>? Below(Dictionary<string, object?> dictionary, string prefix)
    {
        var below = dictionary.Where(entry => entry.Value is TorchTensor && entry.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(entry => entry.Key[prefix.Length..], entry => entry.Value);
        return below.Count > 0 ? below : null;
    }

    private static bool IsContainer(object? value) => value is Dictionary<string, object?> or List<object?> or object?[];

    // What every optimiser of PyTorch keeps of its parameters has their names or numbers, and would pass for weights.
    private static bool IsOptimiser(object? value) => value is Dictionary<string, object?> dictionary && dictionary.ContainsKey("param_groups");

    private static IEnumerable<(string Name, object? Value)> Children(object? value) => value switch
    {
        Dictionary<string, object?> dictionary => dictionary.Select(entry => (entry.Key, entry.Value)),
        IReadOnlyList<object?> list => list.Index().Where(item => IsContainer(item.Item)).Select(item => ($"{item.Index}", item.Item)),
        _ => [],
    };

    private static InvalidDataException None(object? root) => root switch
    {
        Dictionary<string, object?> when IsOptimiser(root) => new("it holds the state of an optimiser and no weights"),
        Dictionary<string, object?> dictionary => new(
            "its dictionary holds no tensors, neither itself nor in a dictionary inside it, but: "
            + $"{string.Join(", ", dictionary.Keys.Take(10).Select(PickledText.Shown))}"),
        TorchTensor => new("it holds a single tensor and no dictionary"),
        _ => new("it holds no dictionary"),
    };

    private static string List(List<Candidate> candidates) =>
        string.Join(", ", candidates.Take(MostListed).Select(candidate => candidate.ToString()))
        + (candidates.Count > MostListed ? $" and {candidates.Count - MostListed} more" : "");

    /// <summary>A dictionary of tensors.</summary>
    /// <param name="Path">The keys on the way to it; empty for the outermost.</param>
    /// <param name="Tensors">Its tensors by name.</param>
    private sealed record Candidate(string Path, Dictionary<string, TorchTensor> Tensors)
    {
        public override string ToString() => $"{(Path.Length == 0 ? "(outermost)" : PickledText.Shown(Path))} ({Tensors.Count} tensors)";
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
    private const string LinearPrefix = "linear.";

    /// <summary>Whether a name of our network is one of theirs, too: all are but those of the auxiliary branch and of other methods.</summary>
    public static bool IsName(string ours) =>
        !ours.Contains(Auxiliary, StringComparison.Ordinal) && !ours.StartsWith(DualBranchNetwork.MethodPrefix, StringComparison.Ordinal);

    /// <summary>The names of the authors' network among those of ours, in order.</summary>
    public static IEnumerable<string> Names(IEnumerable<string> ours) => ours.Where(IsName);

    /// <summary>What PyTorch's network calls a tensor of these names: the classifier of torchvision's ResNets, and of the authors' for ImageNet, is <c>fc</c>.</summary>
    /// <param name="name">A name of <see cref="Names"/>.</param>
    /// <param name="ours">Every name of our network.</param>
    public static string FileName(string name, IEnumerable<string> ours) =>
        name.StartsWith(LinearPrefix, StringComparison.Ordinal) && ours.Any(other => other.Contains(".downsample.", StringComparison.Ordinal)) ? $"fc.{name[LinearPrefix.Length..]}" : name;

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

/// <summary>Writes the weights of a trained network for other programs, without the optimiser.</summary>
internal static class WeightExport
{
    /// <summary>Both branches in one file, by the names of the network's state dictionary.</summary>
    /// <param name="path">The file.</param>
    /// <param name="model">The network.</param>
    /// <param name="metadata">Strings to put beside the tensors.</param>
    /// <exception cref="InputException">The file could not be written.</exception>
    public static void WriteSafetensors(string path, DualBranchNetwork model, IReadOnlyDictionary<string, string> metadata)
    {
        using var scope = torch.NewDisposeScope();
        var state = model.state_dict();
        DurableFile.Replace(path, stream => SafetensorsFile.Write(stream, state, metadata));
    }

    /// <summary>One file per branch, which PyTorch loads into the authors' network with <c>strict=True</c>.</summary>
    /// <param name="path">The file; <c>-main</c> and <c>-auxiliary</c> are put before its ending.</param>
    /// <param name="model">The network.</param>
    /// <returns>The files that were written.</returns>
    /// <exception cref="InputException">A file could not be written.</exception>
    public static string[] WriteTorch(string path, DualBranchNetwork model)
    {
        using var scope = torch.NewDisposeScope();
        var state = model.state_dict();
        return [.. Enum.GetValues<Branch>().Select(branch => WriteTorch(path, branch, state))];
    }

    /// <summary>The file of a branch that <see cref="WriteTorch(string, DualBranchNetwork)"/> writes.</summary>
    public static string TorchFile(string path, Branch branch)
    {
        var ending = Path.GetExtension(path);
        return $"{path[..^ending.Length]}-{branch.ToString().ToLowerInvariant()}{ending}";
    }

    private static string WriteTorch(string path, Branch branch, Dictionary<string, torch.Tensor> state)
    {
        var file = TorchFile(path, branch);
        var tensors = AuthorsLayout.Names(state.Keys).Select(name => (AuthorsLayout.FileName(name, state.Keys), state[AuthorsLayout.NameOf(name, branch, state.Keys)])).ToList();
        DurableFile.Replace(file, stream => TorchWriter.Write(stream, tensors));
        return file;
    }
}
