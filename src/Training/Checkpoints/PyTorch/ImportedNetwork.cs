using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Checkpoints.PyTorch;

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
