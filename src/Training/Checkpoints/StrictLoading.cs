using TorchSharp;

namespace Pascl.Training.Checkpoints;

/// <summary>Copies the tensors of a file into existing ones, all of them or none.</summary>
internal static class StrictLoading
{
    private const int MostListed = 8;

    /// <summary>
    /// Copies every tensor whose name starts with <paramref name="prefix"/> into the target of the rest of its name. Nothing is broadcast,
    /// converted or left out.
    /// </summary>
    /// <param name="file">Where the values come from.</param>
    /// <param name="prefix">The part of the file to load, for example <c>model.</c>.</param>
    /// <param name="targets">The tensors to fill.</param>
    /// <param name="owner">What the targets are, for the message: <c>the model</c>.</param>
    /// <param name="except">Targets and entries whose names begin so are left out; null for none.</param>
    /// <exception cref="InputException">An entry is missing, unexpected, or of another shape or type; the first of them are listed
    /// and nothing was loaded.</exception>
    public static void Load(ITensorFile file, string prefix, IReadOnlyDictionary<string, torch.Tensor> targets, string owner, string? except = null)
    {
        var names = file.Tensors.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(name => name[prefix.Length..]);
        Load(file, Kept(names, except), Kept(targets, except), owner);
    }

    /// <summary>Copies tensors into the targets of their names. Nothing is broadcast, converted or left out.</summary>
    /// <param name="file">Where the values come from.</param>
    /// <param name="names">The names in the file by the names of the targets.</param>
    /// <param name="targets">The tensors to fill.</param>
    /// <param name="owner">What the targets are, for the message: <c>the model</c>.</param>
    /// <exception cref="InputException">A name is missing, unexpected, or its tensor of another shape or type; the first of them are
    /// listed and nothing was loaded.</exception>
    public static void Load(
        ITensorFile file, IReadOnlyDictionary<string, string> names, IReadOnlyDictionary<string, torch.Tensor> targets, string owner)
    {
        var tensors = file.Tensors;
        var stored = names.ToDictionary(name => name.Key, name => tensors[name.Value]);
        var problems = Problems(stored, targets).ToList();
        if (problems.Count > 0)
        {
            var listed = string.Concat(problems.Take(MostListed).Select(problem => "\n  " + problem));
            var more = problems.Count > MostListed ? $"\n  and {problems.Count - MostListed} more" : "";
            throw new InputException($"{file.Path} does not fit {owner}; nothing was loaded.{listed}{more}");
        }

        foreach (var (name, target) in targets)
        {
            file.ReadInto(names[name], target);
        }
    }

    private static Dictionary<string, T> Kept<T>(IReadOnlyDictionary<string, T> values, string? except) =>
        values.Where(value => except is null || !value.Key.StartsWith(except, StringComparison.Ordinal)).ToDictionary();

    private static IEnumerable<string> Problems(
        Dictionary<string, StoredTensor> stored, IReadOnlyDictionary<string, torch.Tensor> targets)
    {
        foreach (var (name, target) in targets)
        {
            var wanted = new StoredTensor(target.dtype, target.shape);
            if (!stored.TryGetValue(name, out var found))
            {
                yield return $"missing: {name} {wanted}";
            }
            else if (!found.Fits(target))
            {
                yield return $"different: {name} is {found} in the file but must be {wanted}";
            }
        }

        foreach (var (name, found) in stored)
        {
            if (!targets.ContainsKey(name))
            {
                yield return $"unexpected: {name} {found}";
            }
        }
    }
}
