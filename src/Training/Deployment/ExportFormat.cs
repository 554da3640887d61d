namespace Pascl.Training.Deployment;

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
