using TorchSharp;
using static Pascl.Training.Checkpoints.SafetensorsEntry;

namespace Pascl.Training.Checkpoints;

/// <summary>Copies the tensors of a file into existing ones, all of them or none.</summary>
internal static class StrictLoading
{
    /// <summary>
    /// Copies every tensor whose name starts with <paramref name="prefix"/> into the target of the rest of its name. Nothing is broadcast,
    /// converted or left out.
    /// </summary>
    /// <param name="file">Where the values come from.</param>
    /// <param name="prefix">The part of the file to load, for example <c>model.</c>.</param>
    /// <param name="targets">The tensors to fill.</param>
    /// <param name="owner">What the targets are, for the message: <c>the model</c>.</param>
    /// <param name="except">Targets and entries whose names begin so are left out; null for none.</param>
    /// <exception cref="InputException">An entry is missing, unexpected, or of another shape or type; all of them are listed and nothing
    /// was loaded.</exception>
    public static void Load(SafetensorsFile file, string prefix, IReadOnlyDictionary<string, torch.Tensor> targets, string owner, string? except = null)
    {
        if (except is not null)
        {
            targets = targets.Where(target => !target.Key.StartsWith(except, StringComparison.Ordinal)).ToDictionary();
        }

        var stored = file.Entries
            .Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(entry => (Name: entry.Key[prefix.Length..], entry.Value))
            .Where(entry => except is null || !entry.Name.StartsWith(except, StringComparison.Ordinal))
            .ToDictionary(entry => entry.Name, entry => entry.Value);
        var problems = string.Concat(Problems(stored, targets).Select(problem => "\n  " + problem));
        if (problems.Length > 0)
        {
            throw new InputException($"{file.Path} does not fit {owner}; nothing was loaded.{problems}");
        }

        foreach (var (name, target) in targets)
        {
            file.ReadInto(prefix + name, target);
        }
    }

    private static IEnumerable<string> Problems(
        Dictionary<string, SafetensorsEntry> stored, IReadOnlyDictionary<string, torch.Tensor> targets)
    {
        foreach (var (name, target) in targets)
        {
            if (!stored.TryGetValue(name, out var entry))
            {
                yield return $"missing: {name} {Describe(target.dtype, target.shape)}";
            }
            else if (entry.Type != target.dtype || !entry.Shape.SequenceEqual(target.shape))
            {
                var (found, expected) = (Describe(entry.Type, entry.Shape), Describe(target.dtype, target.shape));
                yield return $"different: {name} is {found} in the file but must be {expected}";
            }
        }

        foreach (var (name, entry) in stored)
        {
            if (!targets.ContainsKey(name))
            {
                yield return $"unexpected: {name} {Describe(entry.Type, entry.Shape)}";
            }
        }
    }
}
