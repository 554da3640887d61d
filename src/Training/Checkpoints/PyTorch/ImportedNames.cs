using System.Text.RegularExpressions;

namespace Pascl.Training.Checkpoints.PyTorch;

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
                + $"--key {prefixes[0].TrimEnd('.')} (--auxiliary-key for the finetuned file)."),
        };
    }

    [GeneratedRegex(@"(^|\.)layer\d+\.\d+\.$")]
    private static partial Regex InsideBlock();
}
