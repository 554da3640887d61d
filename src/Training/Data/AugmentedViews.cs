using TorchSharp;

namespace Pascl.Training.Data;

/// <summary>Makes augmented views of the images of one set. The views depend on the plan, the epoch, the image and the stream, never on who makes them.</summary>
internal abstract class AugmentedViews : IDisposable
{
    /// <summary>Where the views are made.</summary>
    public abstract torch.Device Device { get; }

    /// <summary>Makes one view of each chosen image.</summary>
    /// <param name="chosen">Indices of images.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="stream">Which random numbers, see <see cref="RandomStream"/>.</param>
    /// <param name="destination">(chosen, H, W, 3), float32, contiguous, on <see cref="Device"/>.</param>
    public abstract void Make(ReadOnlySpan<int> chosen, int epoch, int stream, torch.Tensor destination);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
    }
}
