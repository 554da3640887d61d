using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Training.Deployment;

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

/// <summary>The files in which a trained network leaves the house.</summary>
public enum ExportFormat
{
    /// <summary>One graph with both branches, for any runtime of ONNX.</summary>
    Onnx,

    /// <summary>The weights of both branches in one file.</summary>
    Safetensors,

    /// <summary>Two files for PyTorch, one per branch, in the layout of the authors' network.</summary>
    Pth,
}

/// <summary>How a deployed model takes its pixels.</summary>
public enum PixelType
{
    /// <summary>Bytes from 0 to 255, as decoders give them.</summary>
    UInt8,

    /// <summary>float32 in [0, 1].</summary>
    Float,

    /// <summary>Bytes of decoded pictures of any size, which the graph itself resizes and crops.</summary>
    Picture,
}
