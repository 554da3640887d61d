using TorchSharp;

namespace Pascl.Training.Evaluation;

/// <summary>The features of one branch for a set of images: what its classifier sees, the average of the last stage over the image.</summary>
public sealed class Features : FloatRows
{
    /// <summary>Wraps (images, width) row-major values.</summary>
    /// <exception cref="ArgumentException">The values are not whole rows.</exception>
    public Features(float[] values, int width)
        : base(values, width, "features", "columns")
    {
    }

    /// <summary>d, the number of features of an image.</summary>
    public int Width => Columns;

    /// <summary>(Count, Width) float64 on the CPU, in the current dispose scope.</summary>
    /// <param name="normalised">Whether each row f is replaced by f / max(|f|, 1e-12), so that a row of zeros stays as it is.</param>
    internal torch.Tensor ToTensor(bool normalised)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.tensor(Values, [Count, Width]).to(torch.float64);
        return (normalised ? torch.nn.functional.normalize(rows) : rows).MoveToOuterDisposeScope();
    }
}
