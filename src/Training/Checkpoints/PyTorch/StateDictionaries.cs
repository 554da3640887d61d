using Pascl.Training.Pickling;

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
