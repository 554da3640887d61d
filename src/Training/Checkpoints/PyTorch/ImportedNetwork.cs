using Pascl.Training.Model;
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
    public static void Fill(DualBranchResNet model, ImportedFile main, ImportedFile? auxiliary)
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

    private static void TakeAuxiliary(DualBranchResNet model, ImportedFile main, ImportedFile auxiliary)
    {
        using var scope = torch.NewDisposeScope();
        using var frozen = torch.no_grad();
        var shape = auxiliary.Shape;
        if (shape != main.Shape)
        {
            throw new InputException(
                $"{auxiliary.Path} is a {shape.Depth} of width {shape.Width} with {shape.ClassCount} classes, and {main.Path} is not; "
                + "the two must be one network.");
        }

        using var other = new DualBranchResNet(shape.Depth, shape.ClassCount, shape.Width);
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
