using Pascl.Training.Model;

namespace Pascl.Training.Checkpoints.PyTorch;

/// <summary>
/// The authors' network (amazon-science/long-tailed-ood-detection, models/resnet.py) has one branch, and a trained method is two files of it:
/// one per phase. The names of its state dictionary are those of our main branch.
/// </summary>
internal static class AuthorsLayout
{
    private const string Auxiliary = "auxiliary";

    /// <summary>Whether a name of our network is one of theirs, too: all are but those of the auxiliary branch and of other methods.</summary>
    public static bool IsName(string ours) =>
        !ours.Contains(Auxiliary, StringComparison.Ordinal) && !ours.StartsWith(DualBranchResNet.MethodPrefix, StringComparison.Ordinal);

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
